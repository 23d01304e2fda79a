"""A transport that goes nowhere: keeps what is written and does what it is told."""

import asyncio


class FakeTransport(asyncio.Transport):
    """For driving a protocol by hand. `written` is what it sent, `peer` what it sees as the other side."""

    def __init__(self, protocol: asyncio.Protocol, peer: tuple[str, int] = ("192.0.2.7", 50000)) -> None:
        super().__init__({"peername": peer})
        self.protocol = protocol
        self.written: list[bytes] = []
        self.is_reading_now = True
        self.closing = False
        self.eof_written = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered."""

    def get_write_buffer_size(self) -> int:
        """Nothing is ever buffered."""
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written.append(bytes(data))

    def take(self) -> bytes:
        """What was written since the last call."""
        data = b"".join(self.written)
        self.written.clear()
        return data

    def can_write_eof(self) -> bool:
        """Like TCP."""
        return True

    def write_eof(self) -> None:
        """Half-close."""
        self.eof_written = True

    def pause_reading(self) -> None:
        """Reads no more."""
        self.is_reading_now = False

    def resume_reading(self) -> None:
        """Reads on."""
        self.is_reading_now = True

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closing

    def close(self) -> None:
        """Closed; the protocol hears at once, which a real loop does a little later."""
        self.abort()

    def abort(self) -> None:
        """Closed at once."""
        if not self.closing:
            self.closing = True
            self.protocol.connection_lost(None)
