"""The chunked coding, both ways (RFC 9112 section 7.1).

Chunks that come in are taken apart and go out as chunks of our own, so that sizes, extensions and line ends that
parsers disagree on never pass. Trailers are checked and limited; whoever encodes decides whether they go on.
"""

import re
from typing import Final

from proxy.wire import grammar

LAST_CHUNK: Final = b"0\r\n\r\n"

# RFC 9110 section 6.5.1: what frames, routes, authenticates or describes a message has no effect behind it, and must
# not have one on a recipient that merges trailers into the head.
_NEVER_TRAILERS: Final = frozenset(
    b"connection content-encoding content-length content-range content-type keep-alive proxy-connection te trailer "
    b"transfer-encoding upgrade authorization cookie expect forwarded host location max-forwards proxy-authenticate "
    b"proxy-authorization range set-cookie via www-authenticate x-real-ip x-request-id".split()
)
_FORWARDED: Final = b"x-forwarded-"

_MAX_EXTENSION: Final = 256  # bytes in a size line beside the digits
# RFC 9112 section 7.1.1; whitespace before the semicolon is "bad whitespace" and accepted only there.
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")

_SIZE, _DATA, _DATA_END, _TRAILER, _DONE = range(5)


def encode(pieces: list[bytes]) -> bytes:
    """One chunk that holds the pieces; nothing when they are empty, since an empty chunk would end the body."""
    size = sum(map(len, pieces))
    if not size:
        return b""
    return b"".join((b"%x\r\n" % size, *pieces, b"\r\n"))


def last_chunk(trailers: list[bytes]) -> bytes:
    """The end of a body, with these field lines behind it."""
    return b"".join((b"0\r\n", *(line + b"\r\n" for line in trailers), b"\r\n")) if trailers else LAST_CHUNK


class ChunkedDecoder:
    """Takes a chunked body apart, split anywhere, in time linear in its bytes.

    After `feed` returned pieces, `done` says whether the body is complete, `trailers` holds the field lines that may
    follow it, without their line ends, and `rest` what came behind it.
    """

    __slots__ = ("_left", "_line", "_overhead", "_state", "done", "rest", "trailers")

    def __init__(self) -> None:
        self._state = _SIZE
        self._left = 0  # bytes of data still to come in this chunk
        self._line = b""  # of a line: what came of it
        self._overhead = 0  # of extensions, then of trailers, in bytes over the whole body
        self.done = False
        self.rest = b""
        self.trailers: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes] | None:
        """The pieces of content in `data`, or None when it is malformed and the connection cannot be read on."""
        pieces: list[bytes] = []
        position = 0
        while position < len(data):
            if self._state == _DATA:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
                continue
            position = self._read_line(data, position)
            if position < 0:
                return None
            if self._state == _DONE:
                self.done = True
                self.rest = data[position:]
                break
        return pieces

    def _read_line(self, data: bytes, position: int) -> int:
        """Take one line, or what there is of it, from `position`; where to go on, or -1 when it is malformed."""
        limit = self._limit() - len(self._line)
        end = data.find(b"\n", position, position + limit)
        if end < 0:
            self._line += data[position : position + limit]
            return len(data) if len(data) - position < limit else -1
        line = self._line + data[position:end]
        self._line = b""
        if line[-1:] != b"\r" or not self._on_line(line[:-1]):
            return -1
        return end + 1

    def _limit(self) -> int:
        """How long the line at hand may be, in bytes, its line end included."""
        if self._state == _SIZE:
            return 16 + _MAX_EXTENSION + 2
        return 2 if self._state == _DATA_END else grammar.MAX_TRAILERS - self._overhead + 2

    def _on_line(self, line: bytes) -> bool:
        if self._state == _SIZE:
            return self._on_size(line)
        if self._state == _DATA_END:
            self._state = _SIZE
            return not line
        if not line:
            self._state = _DONE
            return True
        self._overhead += len(line) + 2
        if self._overhead > grammar.MAX_TRAILERS or _TRAILER_LINE.fullmatch(line) is None:
            return False
        name = line[: line.find(b":")].lower()
        if name not in _NEVER_TRAILERS and name[:12] != _FORWARDED:
            self.trailers.append(line)
        return True

    def _on_size(self, line: bytes) -> bool:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            return False
        self._overhead += len(line) - len(match[1])
        self._left = int(match[1], 16)
        if self._overhead > _MAX_EXTENSION or self._left > grammar.MAX_LENGTH:
            return False
        if self._left:
            self._state = _DATA
        else:
            self._state = _TRAILER
            self._overhead = 0
        return True
