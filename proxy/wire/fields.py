"""The field syntax check of the reference codec: llhttp reads the lines, in one call for a whole head.

llhttp is fed a fixed start line, `204`, whatever the message is: start lines are checked by their own codec, because
llhttp knows a closed set of methods and forgives spaces, and after a 204 it expects the next head at once, so that one
parser object serves every message and framing stays ours.
"""

import httptools

_START_LINE = b"HTTP/1.1 204 -"


class _Silent:
    """Takes no callbacks: with none to call, llhttp checks a head without creating Python calls per field."""

    __slots__ = ()


def _new_parser() -> httptools.HttpResponseParser:
    return httptools.HttpResponseParser(_Silent())


_parser = _new_parser()


def are_valid_fields(lines: bytes) -> bool:
    """Whether `lines`, from the CRLF that ends the start line to the empty line, hold only well-formed fields."""
    return _reads(lines) or _reads(lines)  # the second time by a fresh parser: see _reads


def _reads(lines: bytes) -> bool:
    """Feed the lines to the shared parser. After "Connection: close" it refuses whatever comes next, so a refusal
    counts only when a new parser repeats it."""
    global _parser
    try:
        _parser.feed_data(_START_LINE + lines)
    except httptools.HttpParserError:
        _parser = _new_parser()
        return False
    return True
