"""A raw TCP server whose every connection follows a script, and remembers what it was sent."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Self

from proxy.spec.container import Claim
from proxy.spec.route import EVERYTHING, RouteSpec
from proxy.spec.service import BackendKey, BackendSpec, ServiceSpec

Script = Callable[["BackendConnection"], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class BackendConnection:
    """One accepted connection, as a script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number  # 0 for the first connection this backend accepted
        self.gone = asyncio.Event()  # set when the proxy closed it

    async def read_head(self) -> bytes:
        """The next request head; raises IncompleteReadError when the proxy closed instead."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def read_request(self) -> tuple[bytes, bytes]:
        """(head, body) with the body read by its framing."""
        head = await self.read_head()
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            return head, await self.reader.readuntil(b"0\r\n\r\n")
        length = 0
        for line in lower.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        return head, await self.reader.readexactly(length)

    async def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def read_to_end(self) -> bytes:
        """Everything until the proxy closes."""
        return await self.reader.read()

    def reset(self) -> None:
        """Close by RST."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Holding:
    """A script that answers a request when it is told to: `asked` is set when it has come, `release` lets it go."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, connection: BackendConnection) -> None:
        await connection.read_request()
        self.asked.set()
        await self.release.wait()
        await connection.write(OK)


async def serve_ok(connection: BackendConnection) -> None:
    """Answer every request with 200 and a small body."""
    while True:
        await connection.read_request()
        await connection.write(OK)


class ScriptedBackend:
    """Listens on a free port of 127.0.0.1 while entered. A script that ends closes its connection.

    The port stays its own until it is left, so that whoever asks one that has stopped listening is refused, and not
    answered by a server of another test.
    """

    def __init__(self, script: Script = serve_ok, name: str = "scripted") -> None:
        self.script = script
        self.name = name
        self.accepted = 0
        self.heads: list[bytes] = []
        self.errors: list[BaseException] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._place: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._take_place()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=1 << 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_listening()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._place is not None:
            self._place.close()
            self._place = None

    async def stop_listening(self) -> None:
        """Refuse new connections; those there live on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _take_place(self) -> None:
        """Bind its port and never listen there; the servers that do come and go."""
        if self._place is None:
            self._place = socket.socket()
            self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._place.bind(("127.0.0.1", self.port))
            self.port = self._place.getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = BackendConnection(reader, writer, self.accepted)
        self.accepted += 1
        try:
            await self.script(_Recording(connection, self.heads))
        except (asyncio.IncompleteReadError, ConnectionError):
            connection.gone.set()
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def claim(self, service: str = "web", **changes: object) -> Claim:
        """This backend as discovery would describe it."""
        key = BackendKey(container=self.name, host="127.0.0.1", port=self.port)
        return Claim(
            service=ServiceSpec(name=service),
            backend=BackendSpec(key=key, name=self.name, service=service, **changes),  # type: ignore[arg-type]
            routes=(RouteSpec(rule=EVERYTHING, service=service),),
        )


class _Recording(BackendConnection):
    """A connection that keeps the heads it reads."""

    def __init__(self, connection: BackendConnection, heads: list[bytes]) -> None:
        super().__init__(connection.reader, connection.writer, connection.number)
        self.gone = connection.gone
        self._heads = heads

    async def read_head(self) -> bytes:
        head = await super().read_head()
        self._heads.append(head)
        return head
