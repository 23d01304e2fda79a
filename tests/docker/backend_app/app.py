"""A backend that misbehaves as asked: the HTTP/1.1 server in the containers of the tests. Standard library only.

It answers every request with JSON: name, method, path, body_bytes, pid, requests (how many it has had).

By query: `delay=MS` before the answer, `status=CODE`, `bytes=N` for a body of N bytes in place of the JSON.
By environment: PORT (8000), NAME (the host's), BOOT_SECONDS (0; it listens only after), FAIL_EVERY (0; every n-th
request is answered 500), LINGER (2), LOG_REQUESTS (off: only POSTs that carry an id are logged).

At SIGTERM it does what most frameworks do: the listener is closed at once, the connections it has are served for
LINGER more seconds, then it exits. SIGHUP is ignored. Every line it logs is one JSON object with the time in `at`.
"""

import asyncio
import json
import os
import signal
import socket
import time
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

PIECE = b"x" * 65536
BACKLOG = 1024


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


class Backend:
    """Counts and answers; one per process."""

    def __init__(self) -> None:
        self.name = os.environ.get("NAME") or socket.gethostname()
        self.fail_every = int(os.environ.get("FAIL_EVERY", "0"))
        self.logs_all = bool(os.environ.get("LOG_REQUESTS"))
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until the client goes."""
        try:
            while (request := await read_request(reader, writer)) is not None:
                await self.answer(request, writer)
                if request.headers.get("connection", "").lower() == "close":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went in the middle of a request, as tests make it do
        finally:
            writer.close()

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests += 1
        fails = self.fail_every and self.requests % self.fail_every == 0
        self._log_request(request)
        query = request.query
        await asyncio.sleep(int(query.get("delay", "0")) / 1000)
        status = 500 if fails else int(query.get("status", "200"))
        if "bytes" in query:
            await write_answer(writer, request, status, "application/octet-stream", int(query["bytes"]))
            return
        body = json.dumps(self._describe(request)).encode()
        await write_answer(writer, request, status, "application/json", len(body), body)

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
    """One response of `length` bytes: `body`, or filling when there is none."""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    writer.write(head.encode())
    if request.method == "HEAD":
        length = 0
    elif body is not None:
        writer.write(body)
        length = 0
    while length:
        piece = PIECE[:length]
        writer.write(piece)
        await writer.drain()
        length -= len(piece)
    await writer.drain()


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
