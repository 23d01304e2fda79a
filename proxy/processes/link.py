"""One end of the socket pair between supervisor and worker: whole messages out and in.

A frame is a length of four bytes, big-endian, and as many bytes. What is written and not yet taken is bounded: the
owner is told when it becomes too much, and when there is room again.
"""

import asyncio
import socket
from typing import Final, Protocol, cast

LIMIT: Final = 8 << 20  # bytes that may wait to be sent before an end counts as behind
LONGEST: Final = 256 << 20  # bytes of a frame; the whole of 10 000 backends takes 5 MB
_LENGTH: Final = 4


class LinkOwner(Protocol):
    """Who has an end of a link."""

    def on_message(self, data: bytes) -> None:
        """A whole frame came."""

    def on_link_lost(self) -> None:
        """The other end is gone."""

    def on_link_full(self) -> None:
        """The other end does not take what it is sent."""

    def on_link_room(self) -> None:
        """It does again."""


class Link(asyncio.Protocol):
    """Sends and receives frames."""

    def __init__(self, owner: LinkOwner) -> None:
        self._owner = owner
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self.is_full = False

    @classmethod
    async def over(cls, end: socket.socket, owner: LinkOwner) -> "Link":
        """A link over one end of a socket pair, which it closes in the end."""
        end.setblocking(False)
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(lambda: cls(owner), sock=end)
        return link

    def send(self, data: bytes) -> None:
        """Send a frame; nothing happens when the link is closed."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines((len(data).to_bytes(_LENGTH, "big"), data))

    def close(self) -> None:
        """Send what waits, and close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=LIMIT, low=LIMIT // 8)

    def data_received(self, data: bytes) -> None:
        """Hand over every frame that is whole."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _LENGTH:
            length = int.from_bytes(buffer[start : start + _LENGTH], "big")
            if length > LONGEST:
                self.abort()
                return
            end = start + _LENGTH + length
            if len(buffer) < end:
                break
            self._owner.on_message(bytes(buffer[start + _LENGTH : end]))
            start = end
        del buffer[:start]

    def pause_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self.is_full = True
        self._owner.on_link_full()

    def resume_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self.is_full = False
        self._owner.on_link_room()

    def connection_lost(self, _: Exception | None) -> None:
        """See asyncio.BaseProtocol."""
        self._transport = None
        self._owner.on_link_lost()

    def __repr__(self) -> str:
        return f"<Link {'full' if self.is_full else 'open' if self._transport else 'closed'}>"
