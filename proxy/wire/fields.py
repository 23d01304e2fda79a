"""The field syntax check of the reference codec: llhttp reads the lines, in one call for a whole head.

llhttp judges syntax here and nothing else. It is fed a fixed start line, `204`, whatever the message is: start lines
are checked by their own codec, because llhttp knows a closed set of methods and forgives spaces, and after a 204 it
expects the next head at once, so that one parser object serves every message. The fields that it would act upon are
shown to it under other names, so that framing stays ours, with its own failures, and no message ends the connection.
"""

import re
from typing import Final

import httptools

_START_LINE: Final = b"HTTP/1.1 204 -"
_HEAD_END: Final = b"\r\n\r\n"
_ACTED_UPON: Final = re.compile(
    rb"\r\n(?=content-length|transfer-encoding|connection|proxy-connection|upgrade)", re.IGNORECASE
)


class _Silent:
    """Takes no callbacks: with none to call, llhttp checks a head without creating Python calls per field."""

    __slots__ = ()


def _new_parser() -> httptools.HttpResponseParser:
    return httptools.HttpResponseParser(_Silent())


_parser = _new_parser()


def first_head(data: bytes) -> bytes:
    """`data` up to and with its first empty line; all of it when there is none."""
    end = data.find(_HEAD_END)
    return data if end < 0 else data[: end + len(_HEAD_END)]


def are_valid_fields(lines: bytes) -> bool:
    """Whether `lines`, from the CRLF that ends the start line to the empty line, hold only well-formed fields."""
    global _parser
    end = lines.find(_HEAD_END)
    if end < 0 or end + len(_HEAD_END) != len(lines):
        return False
    try:
        _parser.feed_data(_START_LINE + _ACTED_UPON.sub(b"\r\n-", lines))
    except httptools.HttpParserError:
        _parser = _new_parser()  # one that refused refuses everything from then on
        return False
    return True
