"""An engine's HTTP API on a Unix socket, as far as discovery asks; it writes down every request."""

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12"}


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]


Answer = tuple[int, object]


@dataclass
class HttpEngine:
    """At a Unix socket, or at a port of 127.0.0.1 with TLS.

    `answers` has status and JSON by path without version; a path that is not there is 404, one in `silent` hangs.
    """

    path: Path
    tls: ssl.SSLContext | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    requests: list[Request] = field(default_factory=list)
    is_chunked: bool = True  # the event stream
    asked: asyncio.Event = field(default_factory=asyncio.Event)  # whenever something is
    _streams: list[asyncio.StreamWriter] = field(default_factory=list)
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        if self.tls is None:
            return f"unix://{self.path}"
        assert self._server is not None
        return f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._idle.set()
        self.answers = {"/version": (200, VERSION), "/_ping": (200, "OK"), **self.answers}
        if self.tls is None:
            self._server = await asyncio.start_unix_server(self._serve, self.path)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)

    async def stop(self) -> None:
        """Close everything; the socket's file is gone, as when dockerd ends."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._connections):
            writer.transport.abort()
        self._streams.clear()
        async with asyncio.timeout(5):
            await self._server.wait_closed()
            await self._idle.wait()
        self.path.unlink(missing_ok=True)

    def tell(self, text: str) -> None:
        """Write a piece of the event stream."""
        data = text.encode()
        for writer in self._streams:
            writer.write(b"%x\r\n%b\r\n" % (len(data), data) if self.is_chunked else data)

    def end_streams(self) -> None:
        for writer in self._streams:
            if self.is_chunked:
                writer.write(b"0\r\n\r\n")
            writer.close()
        self._streams.clear()

    def break_streams(self) -> None:
        """End them in the middle."""
        for writer in self._streams:
            writer.close()
        self._streams.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        self._idle.clear()
        try:
            while await self._answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._connections.discard(writer)
            if not self._connections:
                self._idle.set()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode().split(" ", 2)
        split = urlsplit(target)
        path = f"/{split.path.split('/', 2)[2]}" if split.path.startswith("/v1.") else split.path
        self.requests.append(Request(method, path, {key: values[0] for key, values in parse_qs(split.query).items()}))
        self.asked.set()
        if path in self.silent:
            await reader.read()
            return False
        if path == "/events" and path not in self.answers:
            framing = b"Transfer-Encoding: chunked" if self.is_chunked else b"Connection: close"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + framing + b"\r\n\r\n")
            self._streams.append(writer)
            await reader.read()
            return False
        status, document = self.answers.get(path, (404, {"message": "No such container"}))
        body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        return True
