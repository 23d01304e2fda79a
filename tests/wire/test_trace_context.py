"""Trace Context by table: which parents are believed, and what becomes of the two fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.trace_context import Parent, has_context, read_parent, with_parent, without_parent

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
GOOD = b"00-%b-%b-01" % (TRACE, SPAN)


def forward(*lines: bytes) -> bytes:
    return b"\r\n".join((b"GET / HTTP/1.1", b"Host: a", *lines, b"Via: 1.1 seawall", b"", b""))


PARENTS = {
    "a sampled one": (GOOD, 1),
    "one that is not sampled": (GOOD[:-2] + b"00", 0),
    "a flag that is not known": (GOOD[:-2] + b"09", 1),
    "the flag that the id is random": (GOOD[:-2] + b"03", 3),
    "a later version": (b"cc" + GOOD[2:], 1),
    "a later version with more behind it": (b"cc" + GOOD[2:] + b"-what-else", 1),
}


@pytest.mark.parametrize(("value", "flags"), PARENTS.values(), ids=PARENTS)
def test_valid_parent_is_read(value: bytes, flags: int) -> None:
    assert read_parent(forward(b"traceparent: " + value)) == Parent(TRACE, SPAN, flags)


def test_name_of_the_field_is_read_in_any_case() -> None:
    assert read_parent(forward(b"TraceParent:\t" + GOOD + b" ")) == Parent(TRACE, SPAN, 1)


REFUSED = {
    "none": (),
    "an empty one": (b"traceparent:",),
    "two": (b"traceparent: " + GOOD, b"traceparent: " + GOOD),
    "version 00 with more behind it": (b"traceparent: " + GOOD + b"-x",),
    "a later version that does not end with a dash": (b"traceparent: cc" + GOOD[2:] + b".x",),
    "version ff": (b"traceparent: ff" + GOOD[2:],),
    "a trace of zeros": (b"traceparent: 00-%b-%b-01" % (b"0" * 32, SPAN),),
    "a span of zeros": (b"traceparent: 00-%b-%b-01" % (TRACE, b"0" * 16),),
    "capital letters": (b"traceparent: " + GOOD.upper(),),
    "a trace that is too short": (b"traceparent: 00-%b-%b-01" % (TRACE[1:], SPAN),),
    "no flags": (b"traceparent: " + GOOD[:-3],),
}


@pytest.mark.parametrize("lines", REFUSED.values(), ids=REFUSED)
def test_what_is_no_parent_is_not_read(lines: tuple[bytes, ...]) -> None:
    assert read_parent(forward(*lines)) is None


@pytest.mark.parametrize(
    ("lines", "has"),
    [((), False), ((b"X-Traceparent: a",), False), ((b"TRACESTATE: a=1",), True), ((b"Traceparent: a",), True)],
)
def test_head_with_either_field_has_context(lines: tuple[bytes, ...], has: bool) -> None:
    assert has_context(forward(*lines)) is has


def test_state_is_kept_with_a_parent_and_goes_without_one() -> None:
    head = forward(b"traceparent: " + GOOD, b"X: traceparent: y", b"TraceState: a=1", b"tracestate: b=2")
    assert without_parent(head, keep_state=True) == forward(
        b"X: traceparent: y", b"TraceState: a=1", b"tracestate: b=2"
    )
    assert without_parent(head, keep_state=False) == forward(b"X: traceparent: y")


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), st.integers(0, 3))
def test_parent_that_was_written_is_read_back(trace: bytes, span: bytes, flags: int) -> None:
    parent = Parent(trace.hex().encode(), span.hex().encode(), flags)
    written = with_parent(forward(), parent)
    assert written.endswith(b"\r\n\r\n")
    assert read_parent(written) == (parent if any(trace) and any(span) else None)
    assert without_parent(written, keep_state=True) == forward()
