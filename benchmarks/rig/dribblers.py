"""Clients that hold connections as long as they can: one byte of a head, of a body, or of an answer at a time.

Run: `python -m benchmarks.rig.dribblers PORT HEADS BODIES READERS`. Prints a line when all are connected and
under way, and goes on until it is stopped. Fails when the other side closes one.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop

INTERVAL: Final = 0.25  # seconds between two bytes of a connection
AT_ONCE: Final = 100  # connections being opened
HEAD: Final = b"GET / HTTP/1.1\r\nHost: app.example.com\r\nX-Endless: "
UPLOAD: Final = b"POST / HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 1000000\r\n\r\n"
DOWNLOAD: Final = b"GET /large HTTP/1.1\r\nHost: app.example.com\r\n\r\n"
SMALL_WINDOW: Final = 65_536  # bytes that a slow reader's kernel takes by itself


class Dribblers:
    """All slow connections to one port. `begin` returns when they are under way; they live until cancelled."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._opening = asyncio.Semaphore(AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, *, heads: int, bodies: int, readers: int) -> None:
        """Open this many connections of each kind. Raises OSError when one is refused."""
        kinds: list[Callable[[int], Awaitable[asyncio.Task[None]]]] = [self._head] * heads
        kinds += [self._body] * bodies + [self._read] * readers
        self._tasks = list(await asyncio.gather(*(kind(index) for index, kind in enumerate(kinds))))

    async def wait(self) -> None:
        """Dribble until cancelled; ConnectionError when the other side has closed one."""
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """Close all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _head(self, index: int) -> asyncio.Task[None]:
        return await self._sending(index, HEAD)

    async def _body(self, index: int) -> asyncio.Task[None]:
        return await self._sending(index, UPLOAD)

    async def _sending(self, index: int, begin: bytes) -> asyncio.Task[None]:
        async with self._opening:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(begin)
        await writer.drain()
        return asyncio.create_task(_send_slowly(writer, _phase(index)))

    async def _read(self, index: int) -> asyncio.Task[None]:
        async with self._opening:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", self._port))
            reader, writer = await asyncio.open_connection(sock=client, limit=1)
        writer.write(DOWNLOAD)
        await reader.readexactly(1)
        return asyncio.create_task(_read_slowly(reader, writer, _phase(index)))


def _phase(index: int) -> float:
    """Spread over the interval, so that no two seconds differ."""
    return (index * 0.618_034 % 1.0) * INTERVAL


async def _send_slowly(writer: asyncio.StreamWriter, phase: float) -> None:
    try:
        await asyncio.sleep(phase)
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(INTERVAL)
        raise ConnectionError("closed by the proxy")
    finally:
        writer.close()


async def _read_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, phase: float) -> None:
    try:
        await asyncio.sleep(phase)
        while True:
            await reader.readexactly(1)
            await asyncio.sleep(INTERVAL)
    finally:
        writer.close()


async def dribble(port: int, heads: int, bodies: int, readers: int) -> None:
    """Until stopped."""
    dribblers = Dribblers(port)
    await dribblers.begin(heads=heads, bodies=bodies, readers=readers)
    print("under way", flush=True)
    await dribblers.wait()


if __name__ == "__main__":
    uvloop.run(dribble(*map(int, sys.argv[1:5])))
