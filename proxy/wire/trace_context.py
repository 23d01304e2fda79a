"""The fields traceparent and tracestate of a head to forward: W3C Trace Context 1 (w3.org/TR/trace-context-1)."""

import re
from typing import Final, NamedTuple

SAMPLED: Final = 1  # of the flags
_KNOWN: Final = 3  # flags that pass on: sampled, and of level 2 that the id is random
_PARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL
)
_TRACEPARENT: Final = b"\r\ntraceparent:"
_TRACESTATE: Final = b"\r\ntracestate:"


class Parent(NamedTuple):
    """What a traceparent says: ids of the trace (32 hex digits) and of the span above (16), and flags known here."""

    trace: bytes
    span: bytes
    flags: int


def has_context(forward: bytes) -> bool:
    """Whether there may be either field in a head to forward; one search, since every request pays for it."""
    return b"\r\ntrace" in forward.lower()


def read_parent(forward: bytes) -> Parent | None:
    """The parent that a head to forward names; None for none, for several, and for one that is not valid."""
    values = [line[len(_TRACEPARENT) - 2 :].strip(b" \t") for line in forward.split(b"\r\n") if _is(line, _TRACEPARENT)]
    match = _PARENT.fullmatch(values[0]) if len(values) == 1 else None
    if match is None or (match[1] == b"00" and match[5] is not None):  # later versions may be longer (section 4.3)
        return None
    return Parent(match[2], match[3], int(match[4], 16) & _KNOWN)


def without_parent(forward: bytes, keep_state: bool) -> bytes:
    """The head without traceparent; and without tracestate, which means nothing to another trace (section 3.3)."""
    return b"\r\n".join(
        line
        for line in forward.split(b"\r\n")
        if not _is(line, _TRACEPARENT) and (keep_state or not _is(line, _TRACESTATE))
    )


def with_parent(forward: bytes, parent: Parent) -> bytes:
    """A head without one, with this."""
    return b"%btraceparent: 00-%b-%b-%02x\r\n\r\n" % (forward[:-2], parent.trace, parent.span, parent.flags)


def _is(line: bytes, mark: bytes) -> bool:
    return line[: len(mark) - 2].lower() == mark[2:]
