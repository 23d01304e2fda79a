"""A backend that takes uploads: reads the whole body, keeps nothing, and then answers 200.

nginx cannot do this cheaply: `return 200` answers before the body has come, which is another benchmark, and reading it
means 10 MB of fresh memory per request. Bodies arrive in one reused buffer here.
Run: `python -m benchmarks.rig.sink PORT…`.
"""

import asyncio
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world\n"
BUFFER_BYTES = 1 << 20
LAST_CHUNK = b"0\r\n\r\n"


class Sink(asyncio.BufferedProtocol):
    """One connection. Bodies with a Content-Length are counted, chunked ones watched for their last chunk.

    The harness sends bodies of one repeated letter, so that the last chunk cannot be mistaken.
    """

    def __init__(self, shared: bytearray) -> None:
        # One loop, and every read is used up before the next: all connections share one buffer.
        self._buffer = memoryview(shared)
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._left = 0  # body bytes to come; -1: chunked
        self._tail = b""

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._left > 0:
            self._count(nbytes)
        elif self._left < 0:
            self._watch(bytes(self._buffer[max(0, nbytes - len(LAST_CHUNK)) : nbytes]))
        else:
            self._begin(bytes(self._buffer[:nbytes]))

    # a request

    def _begin(self, data: bytes) -> None:
        head, found, body = (self._head + data).partition(b"\r\n\r\n")
        if not found:
            self._head = head
            return
        self._head = b""
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        if b"chunked" in fields.get(b"transfer-encoding", b""):
            self._left, self._tail = -1, b""
            self._watch(body)
            return
        self._left = int(fields.get(b"content-length", b"0"))
        self._count(len(body))

    def _count(self, nbytes: int) -> None:
        self._left -= nbytes
        if self._left == 0:
            self._answer()

    def _watch(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-len(LAST_CHUNK) :]
        if self._tail == LAST_CHUNK:
            self._left = 0
            self._answer()

    def _answer(self) -> None:
        assert self._transport is not None
        self._transport.write(ANSWER)


async def serve(ports: list[int]) -> None:
    """Listen on every port until cancelled."""
    loop = asyncio.get_running_loop()
    shared = bytearray(BUFFER_BYTES)
    servers = [await loop.create_server(lambda: Sink(shared), "127.0.0.1", port, backlog=4096) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
