"""Collects a head that comes in pieces, at a cost linear in its bytes however they are split."""

from typing import Final

from proxy.wire import grammar

HEAD_END: Final = b"\r\n\r\n"


class HeadBuffer:
    """The pieces so far of one head. Made only when a head did not come in one piece."""

    __slots__ = ("_bytes", "_scanned")

    def __init__(self, data: bytes) -> None:
        self._bytes = bytearray()
        self._scanned = 0
        self._bytes += data

    def add(self, data: bytes) -> None:
        """Take what came next."""
        self._bytes += data

    def take(self) -> tuple[bytes, bytes] | None:
        """(the whole head, what came behind it), or None while it is not complete.

        One empty line before a head is ignored (RFC 9112 section 2.2); a second one is taken as an empty head.
        """
        end = self._bytes.find(HEAD_END, self._scanned)
        if end < 0:
            return None
        return bytes(self._bytes[self._start : end + 4]), bytes(self._bytes[end + 4 :])

    def is_hopeless(self) -> bool:
        """Whether no more bytes can make a good head of this: a bare LF ends a line, or it begins with none.

        To be asked after each `add` and `take`; looks at each byte once.
        """
        start = max(self._scanned - 1, 0)
        self._scanned = max(len(self._bytes) - len(HEAD_END) + 1, 0)
        if grammar.BARE_LF.search(self._bytes, start) is not None:
            return True
        if self.is_blank:
            return False
        start = self._start
        return grammar.TOKEN.match(self._bytes, start, start + 1) is None

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing yet but (a part of) an empty line."""
        return self._bytes == b"\r" or self._bytes == b"\r\n"

    @property
    def _start(self) -> int:
        return 2 if self._bytes[:2] == b"\r\n" else 0

    def is_long_target(self, max_target: int) -> bool:
        """Whether the first line alone is longer than any good request line: 414 rather than 431."""
        return b"\r\n" not in self._bytes[: max_target + 64]

    def __len__(self) -> int:
        return len(self._bytes)
