"""Sends spans to where traces are kept: a batch a second by OTLP over HTTP, off the request path.

Law: requests never wait for it. While the receiver is away a batch is kept and tried again, the queue fills up, and
what does not fit is dropped and counted.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from structlog.typing import FilteringBoundLogger

from proxy.fleet.spans import RequestSpan, SpanQueue
from proxy.telemetry.otlp import export_request, resource

INTERVAL: Final = 1.0  # seconds between two batches
LONGEST_PAUSE: Final = 32.0  # seconds, after failures
TIMEOUT: Final = 10.0  # seconds for one POST, as the specification has it
LAST_WORDS: Final = 2.0  # seconds for what is left at the end
MOST_REQUESTS: Final = 512  # in one POST
_PATH: Final = "/v1/traces"
_LARGEST_ANSWER: Final = 64 * 1024  # bytes
_AGAIN: Final = frozenset(
    (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    )
)  # statuses that ask to be asked again; any other error says that the batch will never do


def traces_url(endpoint: str) -> str:
    """Where traces go, for the URL of a receiver: /v1/traces is added unless it is there."""
    parts = urlsplit(endpoint)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=path if path.endswith(_PATH) else path + _PATH))


class Exporter:
    """Empties a queue. `problem` says what was wrong with the last POST, empty when it went well."""

    def __init__(self, queue: SpanQueue, endpoint: str, log: FilteringBoundLogger) -> None:
        self.problem = ""
        self._queue = queue
        self._url = traces_url(endpoint)
        self._log = log
        self._resource = resource(secrets.token_hex(8))
        self._batch: list[RequestSpan] = []  # under way, or to be sent again
        self._pause = INTERVAL

    async def run(self) -> None:
        """Export until cancelled."""
        async with self._session(TIMEOUT) as session:
            while True:
                await asyncio.sleep(self._pause)
                await self._export_all(session)

    async def finish(self) -> None:
        """Export what is left, in a moment or not at all. Not while `run` does."""
        try:
            async with asyncio.timeout(LAST_WORDS), self._session(LAST_WORDS) as session:
                await self._export_all(session)
        except TimeoutError:
            self._settle("the end came first")
        self._drop(self._batch + self._queue.take(len(self._queue)))
        self._batch = []

    @property
    def waiting(self) -> int:
        """How many requests are neither exported nor dropped."""
        return len(self._batch) + len(self._queue)

    def _session(self, seconds: float) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds))

    async def _export_all(self, session: aiohttp.ClientSession) -> None:
        """Send batches until nothing waits, or one does not go through."""
        while self.waiting:
            self._batch = self._batch or self._queue.take(MOST_REQUESTS)
            if not await self._export(session, self._batch):
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
                return
            self._pause = INTERVAL
            self._batch = []

    async def _export(self, session: aiohttp.ClientSession, batch: list[RequestSpan]) -> bool:
        """Send one batch; False when it is to be sent again."""
        body = await asyncio.to_thread(_encode, batch, self._resource)
        try:
            async with session.post(self._url, data=body, headers={"Content-Type": "application/json"}) as response:
                status, answer = response.status, await response.content.read(_LARGEST_ANSWER)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._settle(str(error) or type(error).__name__)
            return False
        if status in _AGAIN:
            self._settle(f"the receiver answered {status}")
            return False
        if status // 100 != 2:
            self._settle(f"the receiver answered {status}")
            self._drop(batch)
            return True
        spans = sum(request.spans for request in batch)
        rejected, why = _rejected(answer)
        self._queue.exported += max(spans - rejected, 0)
        self._queue.dropped += min(rejected, spans)
        self._settle(f"the receiver rejected spans: {why}" if rejected else "")
        return True

    def _drop(self, batch: list[RequestSpan]) -> None:
        self._queue.dropped += sum(request.spans for request in batch)

    def _settle(self, problem: str) -> None:
        """One line when it stops working, one when it works again."""
        if problem and not self.problem:
            self._log.warning("traces cannot be exported", url=self._url, problem=problem)
        elif self.problem and not problem:
            self._log.info("traces are exported again", url=self._url)
        self.problem = problem

    def __repr__(self) -> str:
        return f"<Exporter {self._url} {self._queue!r} problem={self.problem!r}>"


def _encode(batch: list[RequestSpan], source: dict[str, Any]) -> bytes:
    return json.dumps(export_request(batch, source), separators=(",", ":")).encode("ascii")


def _rejected(answer: bytes) -> tuple[int, str]:
    """How many spans the receiver did not take although it answered well, and why."""
    try:
        partial = json.loads(answer).get("partialSuccess") if answer else None
        if not isinstance(partial, Mapping):
            return 0, ""
        return max(int(partial.get("rejectedSpans", 0)), 0), str(partial.get("errorMessage", ""))
    except (ValueError, TypeError, AttributeError):  # not JSON, or not what it should be: the status was a success
        return 0, ""
