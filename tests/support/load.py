"""An open-loop load of mixed GETs and POSTs, which sees every request the proxy loses.

Law: request n is due at start + n / rate whatever became of the others, and its latency counts from then. A client that
waits for an answer before it sends the next request stops measuring just when the proxy is slow (coordinated omission).

It retries nothing: an HTTP library that quietly repeats a GET on a new connection would hide what is looked for.
"""

import asyncio
import ipaddress
import json
import math
import subprocess
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.waiting import wait_until_async

BODY = b"x" * 100
MAX_SECONDS = 120.0
MAX_IN_FLIGHT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request: `due` in seconds of time.monotonic(), `latency` in seconds from due to the end of the answer."""

    method: str
    id: str
    due: float
    latency: float
    status: int | None = None
    error: str | None = None
    backend: str | None = None

    @property
    def has_failed(self) -> bool:
        return self.error is not None or self.status is None or self.status >= HTTPStatus.BAD_REQUEST


@dataclass(frozen=True)
class Report:
    """All requests of a load, in the order they were due."""

    records: tuple[Record, ...]

    def __repr__(self) -> str:
        return (
            f"<Report requests={len(self.records)} failed={len(self.failed)} p50={self.percentile(50) * 1000:.1f}ms "
            f"p99={self.p99 * 1000:.1f}ms by_backend={dict(self.by_backend)} errors={dict(self.errors)}>"
        )

    @property
    def failed(self) -> list[Record]:
        """No answer, a wrong one, or a status of 400 and more."""
        return [record for record in self.records if record.has_failed]

    @property
    def accepted(self) -> "Report":
        """Those that did not fail."""
        return Report(tuple(record for record in self.records if not record.has_failed))

    @property
    def by_backend(self) -> Counter[str]:
        return Counter(record.backend for record in self.records if record.backend is not None)

    @property
    def errors(self) -> Counter[str]:
        """What went wrong, with the method: `POST ConnectionResetError`, `GET 503`."""
        return Counter(f"{record.method} {record.error or record.status}" for record in self.failed)

    @property
    def p99(self) -> float:
        return self.percentile(99)

    def percentile(self, percent: float) -> float:
        """Latency in seconds that `percent` of all requests did not exceed (nearest rank); 0 without requests."""
        latencies = sorted(record.latency for record in self.records)
        return latencies[max(math.ceil(len(latencies) * percent / 100) - 1, 0)] if latencies else 0.0

    def slower_than(self, seconds: float) -> list[Record]:
        """Those whose latency was more, failed or not."""
        return [record for record in self.records if record.latency > seconds]

    @property
    def burst(self) -> int:
        """How many of those that took less than a second were in flight at once, at most.

        A machine that stands still for a moment sends what was due meanwhile in one go: so many meet the same event.
        """
        quick = [record for record in self.records if record.latency < 1]
        changes = [change for record in quick for change in ((record.due, 1), (record.due + record.latency, -1))]
        return max(accumulate(change for _, change in sorted(changes)), default=0)

    def of(self, method: str) -> "Report":
        return Report(tuple(record for record in self.records if record.method == method))


class Load:
    """`async with Load(url, rate=200) as load: …` then `load.report`. Ends by itself after `max_seconds`."""

    def __init__(
        self,
        url: str,
        *,
        rate: float,
        post_share: float = 0.5,
        headers: Mapping[str, str] | None = None,
        patience: float = 15.0,
        max_seconds: float = MAX_SECONDS,
        keep_alive: bool = True,
    ) -> None:
        """`patience`: seconds until an unanswered request is given up as failed."""
        parts = urlsplit(url)
        assert parts.hostname, url
        refuse_foreign(parts.hostname)
        self._address = (parts.hostname, parts.port or 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Host": parts.netloc, **(headers or {})}
        if not keep_alive:
            self._headers["Connection"] = "close"
        self._rate = rate
        self._post_share = post_share
        self._patience = patience
        self._max_seconds = min(max_seconds, MAX_SECONDS)
        self._run = uuid.uuid4().hex[:8]
        self._idle: list[Connection] = []
        self._records: list[Record] = []
        self._requests: set[asyncio.Task[None]] = set()
        self._schedule: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._schedule = asyncio.create_task(self._send_when_due())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def report(self) -> Report:
        """The requests that have ended so far."""
        return Report(tuple(sorted(self._records, key=lambda record: record.due)))

    async def stop(self) -> Report:
        """Send no more, wait for those under way."""
        if self._schedule is not None:
            self._schedule.cancel()
            await asyncio.wait([self._schedule])
        if self._requests:
            await asyncio.wait(self._requests)
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        if self._schedule is not None and not self._schedule.cancelled():
            self._schedule.result()  # a mistake in the schedule is a mistake of the test
        return self.report

    async def until_served_by(self, backend: str, within: float = 15) -> None:
        """Return when it has answered a request that was due after now. TimeoutError after `within` seconds."""
        begin = asyncio.get_running_loop().time()

        async def has_served() -> bool:
            return any(each.backend == backend and each.due > begin for each in self._records)

        await wait_until_async(has_served, f"{backend} to answer", within)

    async def finish(self) -> Report:
        """Let the load run to its `max_seconds`."""
        assert self._schedule is not None
        await self._schedule
        return await self.stop()

    async def _send_when_due(self) -> None:
        clock = asyncio.get_running_loop().time
        start = clock()
        for number in range(int(self._rate * self._max_seconds)):
            due = start + number / self._rate
            await asyncio.sleep(due - clock())
            request = asyncio.create_task(self._request(number, due))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)

    def _method(self, number: int) -> str:
        """POSTs evenly among the GETs, the same in every run."""
        return "POST" if math.floor((number + 1) * self._post_share) > math.floor(number * self._post_share) else "GET"

    async def _request(self, number: int, due: float) -> None:
        method, request_id = self._method(number), f"{self._run}-{number}"
        status, error, backend = None, None, None
        try:
            if len(self._requests) > MAX_IN_FLIGHT:
                raise RuntimeError(f"more than {MAX_IN_FLIGHT} requests in flight")
            async with asyncio.timeout(self._patience):
                answer = await self._exchange(method, request_id)
            status, backend = answer.status, answer.backend
            error = answer.mistake(method, len(BODY) if method == "POST" else 0)
        except (OSError, EOFError, ValueError, RuntimeError) as caught:
            error = f"{type(caught).__name__}: {caught}" if str(caught) else type(caught).__name__
        latency = asyncio.get_running_loop().time() - due
        self._records.append(
            Record(method=method, id=request_id, due=due, latency=latency, status=status, error=error, backend=backend)
        )

    async def _exchange(self, method: str, request_id: str) -> "Answer":
        connection = self._take_idle() or await Connection.open(*self._address)
        try:
            answer = await connection.exchange(self._bytes(method, request_id))
        except BaseException:
            connection.close()
            raise
        if answer.keeps_alive:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _take_idle(self) -> "Connection | None":
        """The one used last, unless the other side has closed it meanwhile, which is its right."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
            connection.close()
        return None

    def _bytes(self, method: str, request_id: str) -> bytes:
        fields = {**self._headers, "X-Request-Id": request_id}
        body = BODY if method == "POST" else b""
        if body:
            fields["Content-Length"] = str(len(body))
        lines = [f"{method} {self._target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes
    keeps_alive: bool

    @property
    def json(self) -> dict[str, object]:
        """The test backend's description of the request; empty for any other body."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def backend(self) -> str | None:
        name = self.json.get("name")
        return str(name) if name is not None else None

    def mistake(self, method: str, body_bytes: int) -> str | None:
        """What is wrong with a backend's answer: it must be to this request, not to a neighbour's."""
        described = self.json
        if "body_bytes" not in described:
            return None
        if (described["method"], described["body_bytes"]) != (method, body_bytes):
            return f"answer to another request: {described}"
        return None


class Connection:
    """A keep-alive HTTP/1.1 connection: one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        return cls(*await asyncio.open_connection(host, port))

    @property
    def is_open(self) -> bool:
        return not (self._reader.at_eof() or self._writer.is_closing() or self._reader.exception())

    def close(self) -> None:
        self._writer.close()

    async def exchange(self, request: bytes) -> Answer:
        """Send the bytes, read one response; EOFError or OSError when it is cut short."""
        self._writer.write(request)
        await self._writer.drain()
        status, headers = await self._head()
        while status < HTTPStatus.OK:  # 100 Continue and the like come before the answer
            status, headers = await self._head()
        body, is_delimited = await self._body(headers)
        keeps_alive = is_delimited and headers.get("connection", "").lower() != "close"
        return Answer(status, headers, body, keeps_alive)

    async def _head(self) -> tuple[int, dict[str, str]]:
        status_line, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(status_line.split(" ")[1]), headers

    async def _body(self, headers: Mapping[str, str]) -> tuple[bytes, bool]:
        """The body, and whether the response said where it ends (else the connection's end says it)."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await self._chunks(), True
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"])), True
        return await self._reader.read(), False

    async def _chunks(self) -> bytes:
        chunks = []
        while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            chunks.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailer fields
        return b"".join(chunks)


def refuse_foreign(host: str) -> None:
    """ValueError unless `host` is the loopback or, like a test's container, on a bridge of this machine."""
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if address.is_loopback:
        return
    shown = subprocess.run(
        ["ip", "-j", "route", "get", str(address)], capture_output=True, text=True, check=False
    ).stdout
    routes = json.loads(shown or "[]")
    device = routes[0].get("dev", "") if routes else ""
    if not device or not Path(f"/sys/class/net/{device}/bridge").exists():
        raise ValueError(f"a load goes only to this machine and to its containers, not to {host}")
