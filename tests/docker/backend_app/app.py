"""A backend that misbehaves as asked: the HTTP/1.1 server in the containers of the tests. Standard library only.

It answers every request with JSON: name, method, path, body_bytes, pid, requests (how many it has had).

By path: `/health` is counted apart, as `probes`. `/stats` tells both counts and is not counted. `/become?KEY=VALUE`
changes one of the Manners below, `/mark?id=ID` logs that id: neither is counted, and all three are answered whatever
its manners.
By query: `delay=MS` before the answer, `status=CODE`, `bytes=N` for a body of N bytes in place of the JSON, `reset=1`
for a reset in place of an answer. A request with an Upgrade field gets it, and its bytes back from then on.
By environment: PORT (8000), NAME (the host's), BOOT_SECONDS (0; it listens only after), LINGER (2), LOG_REQUESTS (off:
only POSTs that carry an id are logged), and the manners it begins with, in capitals: FAIL_EVERY, SILENT, …

At SIGTERM it does what most frameworks do: the listener is closed at once, the connections it has are served for
LINGER more seconds, then it exits. SIGHUP is ignored. Every line it logs is one JSON object with the time in `at`.
"""

import asyncio
import json
import os
import random
import signal
import socket
import struct
import time
from dataclasses import dataclass, fields
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

PIECE = b"x" * 65536
BACKLOG = 1024
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 s


@dataclass(frozen=True)
class Request:
    """A request whose body has been read."""

    method: str
    target: str
    headers: dict[str, str]
    body_bytes: int

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def id(self) -> str | None:
        return self.headers.get("x-request-id") or self.query.get("id")


@dataclass(slots=True)
class Manners:
    """How it misbehaves. A request that fails does so at once, whatever delay it asks for."""

    fail_every: int = 0  # of so many requests …
    fail_count: int = 1  # … the last so many fail
    fail_percent: int = 0  # and each fails by this chance, the same ones in every run
    fail_status: int = 500
    silent: int = 0  # 1: reads, and never answers
    slow: int = 0  # ms more until a client is answered
    health_delay: int = 0  # ms until /health answers
    health_status: int = 200
    capacity: int = 0  # requests worked on at once, the rest wait their turn; 0: all

    @classmethod
    def from_environment(cls) -> "Manners":
        given = {each.name: os.environ.get(each.name.upper()) for each in fields(cls)}
        return cls(**{name: int(value) for name, value in given.items() if value is not None})

    def fails(self, number: int) -> bool:
        """Whether the request of this number, from 1, is one that fails."""
        if self.fail_every and (number - 1) % self.fail_every >= self.fail_every - self.fail_count:
            return True
        return self.fail_percent > random.Random(number).randrange(100)


class Backend:
    """Counts and answers; one per process."""

    def __init__(self) -> None:
        self.name = os.environ.get("NAME") or socket.gethostname()
        self.manners = Manners.from_environment()
        self.logs_all = bool(os.environ.get("LOG_REQUESTS"))
        self.requests = 0
        self.probes = 0
        self._turns = asyncio.Semaphore(self.manners.capacity) if self.manners.capacity else None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until the client goes."""
        try:
            while (request := await read_request(reader, writer)) is not None:
                await self.answer(request, reader, writer)
                if writer.is_closing() or request.headers.get("connection", "").lower() == "close":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went in the middle of a request, as tests make it do
        finally:
            writer.close()

    async def answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = urlsplit(request.target).path
        if path in ("/stats", "/become", "/mark"):
            await self._answer_the_test(path, request, writer)
            return
        if path == "/health":
            self.probes += 1
        else:
            self.requests += 1
        self._log_request(request)
        if self.manners.silent:
            await reader.read()  # until the client gives up
            writer.close()
        elif "reset" in request.query:
            reset(writer)
        elif "upgrade" in request.headers:
            await echo(request.headers["upgrade"], reader, writer)
        elif path == "/health":
            await asyncio.sleep(self.manners.health_delay / 1000)
            await write_answer(writer, request, self.manners.health_status, "text/plain", 0)
        else:
            await self._answer_client(request, writer)

    async def _answer_the_test(self, path: str, request: Request, writer: asyncio.StreamWriter) -> None:
        if path == "/mark":
            log("mark", id=request.query["id"])
        elif path == "/become":
            for name, value in request.query.items():
                setattr(self.manners, name, int(value))
        body = json.dumps({"name": self.name, "requests": self.requests, "probes": self.probes}).encode()
        await write_answer(writer, request, 200, "application/json", len(body), body)

    async def _answer_client(self, request: Request, writer: asyncio.StreamWriter) -> None:
        query = request.query
        await asyncio.sleep(self.manners.slow / 1000)
        status = int(query.get("status", "200"))
        if self.manners.fails(self.requests):
            status = self.manners.fail_status
        elif "delay" in query:
            await self._work(int(query["delay"]) / 1000)
        if "bytes" in query:
            await write_answer(writer, request, status, "application/octet-stream", int(query["bytes"]))
            return
        body = json.dumps(self._describe(request)).encode()
        await write_answer(writer, request, status, "application/json", len(body), body)

    async def _work(self, seconds: float) -> None:
        if self._turns is None:
            await asyncio.sleep(seconds)
            return
        async with self._turns:
            await asyncio.sleep(seconds)

    def _describe(self, request: Request) -> dict[str, object]:
        return {
            "name": self.name,
            "method": request.method,
            "path": request.target,
            "body_bytes": request.body_bytes,
            "pid": os.getpid(),
            "requests": self.requests,
        }

    def _log_request(self, request: Request) -> None:
        if self.logs_all or (request.method == "POST" and request.id):
            log("request", method=request.method, path=request.target, id=request.id)


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request, or None when the client has closed between two."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    request_line, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(method, target, headers, await skip_body(reader, headers))


async def skip_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> int:
    """Read the body away; its length in bytes."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await skip_bytes(reader, int(headers.get("content-length", "0")))
    total = 0
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        total += await skip_bytes(reader, size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailer fields
    return total


async def skip_bytes(reader: asyncio.StreamReader, count: int) -> int:
    left = count
    while left:
        piece = await reader.read(min(left, len(PIECE)))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
    return count


async def write_answer(
    writer: asyncio.StreamWriter, request: Request, status: int, kind: str, length: int, body: bytes | None = None
) -> None:
    """One response of `length` bytes: `body`, or filling when there is none.

    Its head and the first of its body are one write. Between two a fault would find a response that has begun, which
    no proxy can ask for elsewhere, as often as the machine is busy enough to stop this process there.
    """
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    left = 0 if request.method == "HEAD" else length
    first = b"" if not left else PIECE[:left] if body is None else body
    writer.write(head.encode() + first)
    left -= len(first)
    while left:
        await writer.drain()
        piece = PIECE[:left]
        writer.write(piece)
        left -= len(piece)
    await writer.drain()


async def echo(protocol: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Switch to the protocol, whatever it is, and send back what comes until the client ends."""
    writer.write(f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n".encode())
    while data := await reader.read(len(PIECE)):
        writer.write(data)
        await writer.drain()
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection so that the client sees a reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    writer.transport.abort()


def log(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, "at": time.time(), **fields}), flush=True)


async def main() -> None:
    loop = asyncio.get_running_loop()
    terminated, ended = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, terminated.set)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        await asyncio.wait_for(terminated.wait(), float(os.environ.get("BOOT_SECONDS", "0")))
        return
    except TimeoutError:
        pass  # booted, and nobody told it to stop meanwhile
    backend = Backend()
    port = int(os.environ.get("PORT", "8000"))
    server = await asyncio.start_server(backend.serve, "0.0.0.0", port, backlog=BACKLOG)
    log("listening", port=port, name=backend.name)
    await terminated.wait()
    server.close()
    log("terminating", requests=backend.requests)
    loop.call_later(float(os.environ.get("LINGER", "2")), ended.set)
    await ended.wait()
    log("exit", requests=backend.requests)


if __name__ == "__main__":
    asyncio.run(main())
