"""A backend for slow clients: waits for the whole of a body, and has 4 MB for those who ask for /large.

Run: `python -m benchmarks.rig.patient_backend PORT…`.
"""

import asyncio
import re
import sys
from typing import Final, cast

import uvloop

SMALL: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world\n"
LARGE_BYTES: Final = 4 << 20
LARGE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE_BYTES + bytes(LARGE_BYTES)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class Patient(asyncio.Protocol):
    """One connection, one request at a time. Bodies have a Content-Length here."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._left = 0  # bytes of a body still to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
            if not self._left:
                self._answer(SMALL)
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return
        head, body = self._head[:end], self._head[end + 4 :]
        self._head = b""
        found = _LENGTH.search(head)
        self._left = int(found[1]) - len(body) if found else 0
        if not self._left:
            self._answer(LARGE if b" /large " in head[:20] else SMALL)

    def _answer(self, response: bytes) -> None:
        if self._transport is not None:
            self._transport.write(response)


async def serve(ports: list[int]) -> None:
    """Listen until the process is stopped."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Patient, "127.0.0.1", port, backlog=4096) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    uvloop.run(serve([int(argument) for argument in sys.argv[1:]]))
