"""A client that sends bytes as they are and reads responses strictly."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it came, its body decoded by its framing."""

    status: int
    head: bytes
    body: bytes

    def field(self, name: str) -> str | None:
        """The first value of a field."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.decode("latin-1").lower() == name.lower():
                return value.strip().decode("latin-1")
        return None


class RawClient:
    """One connection to 127.0.0.1 while entered."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def send_eof(self) -> None:
        """Half-close."""
        self.writer.write_eof()

    def abort(self) -> None:
        """Leave without a word."""
        self.writer.transport.abort()

    def reset(self) -> None:
        """Leave by RST, which no half-closed client that still waits could send."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def get(self, path: str = "/", *fields: str, method: str = "GET") -> Response:
        """One request without a body and its response."""
        lines = [f"{method} {path} HTTP/1.1", "Host: example.com", *fields, "", ""]
        await self.send("\r\n".join(lines).encode("latin-1"))
        return await self.read_response(head_only=method == "HEAD")

    async def read_head(self) -> bytes:
        """One response head."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def read_response(self, head_only: bool = False) -> Response:
        """One final response; IncompleteReadError when it is cut short."""
        head = await self.read_head()
        status = int(head[9:12])
        if status < 200:
            return Response(status, head, b"")
        response = Response(status, head, b"")
        if head_only or status in (204, 304):
            return response
        if response.field("transfer-encoding") == "chunked":
            return Response(status, head, await self._read_chunked())
        length = response.field("content-length")
        body = await (self.reader.read() if length is None else self.reader.readexactly(int(length)))
        return Response(status, head, body)

    async def _read_chunked(self) -> bytes:
        pieces: list[bytes] = []
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            if not size:
                assert await self.reader.readexactly(2) == b"\r\n"
                return b"".join(pieces)
            pieces.append(await self.reader.readexactly(size))
            assert await self.reader.readexactly(2) == b"\r\n"

    async def is_closed(self) -> bool:
        """Waits for the proxy to close; False when it sent something instead."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True
