"""One client request and its answer: the only go-between of a downstream and an upstream connection.

    attempt → take → lease or connect → write → on_response … on_end → finish
              ↑_________ on_failure, when it is safe to send again

With an idle upstream connection all of it up to the write runs inside one `data_received`.
"""

import asyncio
import time
from bisect import bisect_left
from enum import Enum
from typing import TYPE_CHECKING, Final

from proxy.failure import Failure, Sent
from proxy.fleet.service import Service
from proxy.fleet.statistics import BOUNDS
from proxy.retry.decision import IDEMPOTENT, Again, decide
from proxy.wire.head import RequestHead, ResponseHead

if TYPE_CHECKING:
    from proxy.dataplane.downstream import Downstream
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.upstream import Upstream
    from proxy.fleet.backend import Backend

# A client that closed its side after a whole request may be a half-closed one that waits (RFC 9112 section 9.6) or one
# that left; nothing tells them apart before we write. It gets this many seconds for the response to begin.
HALF_CLOSED_GRACE: Final = 5.0


class Phase(Enum):
    """How far an exchange has come."""

    CONNECTING = "connecting"  # no upstream connection yet
    WAITING = "waiting"  # sent, at least in part; nothing of a final response yet
    STREAMING = "streaming"  # the response head went downstream
    OVER = "over"


# An enum member costs a look-up in its class; on the hot path a global does.
_CONNECTING: Final = Phase.CONNECTING
_WAITING: Final = Phase.WAITING
_STREAMING: Final = Phase.STREAMING
_OVER: Final = Phase.OVER


class Exchange:
    """One request of `downstream`, for `service`. `tried` and `attempts` are of failed attempts only."""

    __slots__ = (
        "_connecting",
        "_held",
        "_held_size",
        "_resends",
        "_tries",
        "attempts",
        "backend",
        "client_stays",
        "downstream",
        "head",
        "phase",
        "plane",
        "request_bytes",
        "request_complete",
        "response_bytes",
        "service",
        "started",
        "status",
        "tried",
        "tried_at",
        "upstream",
    )

    def __init__(self, plane: "DataPlane", downstream: "Downstream", head: RequestHead, service: Service) -> None:
        self.plane = plane
        self.downstream = downstream
        self.head = head
        self.service = service
        self.phase = _CONNECTING
        self.client_stays = head.persistent and not plane.draining
        self.started = self.tried_at = time.monotonic()
        self.backend: Backend | None = None
        self.upstream: Upstream | None = None
        self.tried: tuple[Backend, ...] = ()
        self.attempts: tuple[tuple[str, Failure, float], ...] = ()  # (backend, failure, seconds)
        self.status = 0
        self.request_complete = head.body == 0
        self.request_bytes = 0
        self.response_bytes = 0
        self._connecting: asyncio.Task[None] | None = None
        self._held: list[bytes] | None = None if self.request_complete else []  # of the body, for sending again
        self._held_size = 0
        self._resends = 0
        self._tries = 0

    # called by the downstream

    def attempt(self, failure: Failure = Failure.NO_BACKEND) -> None:
        """Try the policy's choice; when nobody is left, `failure` is the answer.

        Called once to begin, when what came of the body with the head has been given already, and again for retries.
        """
        backend = self.service.take(self.tried)
        if backend is None:
            self._give_up(failure)
            return
        if self._tries:
            self.service.statistics.count_retry(failure)
        now = self.tried_at
        upstream = self.plane.pool.lease(backend, self.head.method in IDEMPOTENT, now)
        if upstream is None:
            self._connect(backend)
            return
        self.backend = backend
        self._tries += 1
        self._send(upstream)
        self.downstream.deadline = now + self._allowed()

    def on_request_body(self, data: bytes, complete: bool) -> None:
        """More of the body, framed for the upstream; `complete` with the last of it."""
        self.request_bytes += len(data)
        self.request_complete = complete
        if self.phase is Phase.OVER:
            return
        held = self._held
        if held is not None:
            held.append(data)
            self._held_size += len(data)
            if self._held_size > self.service.spec.retry.body:
                self._outgrow()
        if self.upstream is not None:
            self.upstream.write(data)
        self._extend_deadline()

    def on_bad_body(self) -> None:
        """The body broke its own framing: the backend must not take what it has for the whole."""
        if self.phase is Phase.STREAMING:
            self._cut(Failure.BAD_BODY)
        elif self.phase is not Phase.OVER:
            self._give_up(Failure.BAD_BODY)

    def on_client_gone(self) -> None:
        """Nobody waits for the answer any more: the backend need not go on."""
        if self.phase is not Phase.OVER:
            self._cut(Failure.CLIENT_GONE)

    def on_client_half_closed(self) -> None:
        """The client sends no more, and may be gone altogether."""
        self._extend_deadline()

    def on_deadline(self) -> None:
        """Whoever had the turn took too long."""
        if self.downstream.is_half_closed and self.phase is not Phase.STREAMING:
            self._cut(Failure.CLIENT_GONE)
        elif self.phase is Phase.STREAMING:
            self._cut(Failure.CLIENT_SLOW if self.downstream.is_write_paused else Failure.IDLE_TIMEOUT)
        elif self.request_complete or self.downstream.is_reading_paused:
            self.on_failure(Failure.RESPONSE_TIMEOUT)
        else:
            self._give_up(Failure.CLIENT_SLOW)

    def pause_upstream(self) -> None:
        """The client does not read as fast as the backend sends."""
        if self.upstream is not None:
            self.upstream.pause_reading()

    def resume_upstream(self) -> None:
        """It has caught up."""
        if self.upstream is not None:
            self.upstream.resume_reading()
            self._extend_deadline()

    # called by the pool

    def on_connected(self, upstream: "Upstream") -> None:
        """The connection asked for is there: send."""
        self._connecting = None
        self._send(upstream)
        self._extend_deadline()

    def on_connect_failed(self, failure: Failure) -> None:
        """No connection came of it."""
        self._connecting = None
        self.on_failure(failure)

    # called by the upstream

    def on_interim(self, response: ResponseHead) -> None:
        """A 1xx response; HTTP/1.0 clients know none (RFC 9110 section 15.2)."""
        if self.head.minor == 1:
            self.downstream.write(response.forward)

    def on_response(self, response: ResponseHead, data: bytes, complete: bool, now: float) -> None:
        """The final response: `data` is its head to forward and, when it is `complete`, its body."""
        backend = self.backend
        if backend is not None:
            statistics = backend.statistics
            statistics.responses[response.status // 100] += 1
            first_byte = statistics.first_byte
            seconds = now - self.tried_at
            first_byte.counts[bisect_left(BOUNDS, seconds)] += 1  # as `observe` does, without the call
            first_byte.total += seconds
        self.status = response.status
        self.client_stays = response.keeps_client
        self.response_bytes = len(data)
        self.phase = _STREAMING
        self.downstream.write(data)
        if complete:
            self._finish(now)
        else:
            self._held = None
            self.downstream.deadline = now + self.service.idle_timeout

    def on_body(self, data: bytes) -> None:
        """More of the response, framed for the client."""
        self.response_bytes += len(data)
        self.downstream.write(data)
        self._extend_deadline()

    def on_end(self, data: bytes) -> None:
        """The last of the response."""
        self.response_bytes += len(data)
        if data:
            self.downstream.write(data)
        self._finish(time.monotonic())

    def pause_downstream(self) -> None:
        """The backend does not read as fast as the client sends."""
        self.downstream.pause_reading()

    def resume_downstream(self) -> None:
        """It has caught up."""
        self.downstream.resume_reading()
        self._extend_deadline()

    def on_failure(self, failure: Failure) -> None:
        """The attempt failed: send again where that is safe, else say so."""
        if self.phase is Phase.OVER:
            return
        if self.phase is Phase.STREAMING:
            self._cut(failure)
            return
        backend = self.backend
        again = decide(
            failure,
            idempotent=self.head.method in IDEMPOTENT,
            replayable=self._held is not None or self.head.body == 0,
            tries=self._tries,
            resends=self._resends,
            most_tries=self.service.most_tries,
        )
        self._end_attempt(failure)
        if again is Again.NO or backend is None:
            self._give_up(failure)
            return
        if failure.sent is Sent.UNANSWERED:
            self._resends += 1
        self.phase = _CONNECTING
        if again is Again.FRESH and backend.unavailable is None:
            self.service.statistics.count_retry(failure)
            Service.take_again(backend)
            self._connect(backend)
        else:
            self.attempt(failure)

    # attempts

    def _connect(self, backend: "Backend") -> None:
        self.backend = backend
        self._tries += 1
        self._connecting = self.plane.pool.connect(backend, self)
        self.downstream.deadline = self.tried_at + self._allowed()

    def _send(self, upstream: "Upstream") -> None:
        self.upstream = upstream
        self.phase = _WAITING
        if not self._held:
            upstream.begin(self, self.head.forward)
        else:
            # One write: 26 µs of CPU became 23 for a POST of 100 bytes (benchmarks/throughput.py, post-100).
            upstream.begin(self, b"".join((self.head.forward, *self._held)))
        if self._held is not None:
            if self._held_size > self.service.spec.retry.body:
                self._outgrow()
            self.downstream.resume_reading()

    def _end_attempt(self, failure: Failure) -> None:
        """Give back what the attempt held, and keep what became of it."""
        backend = self.backend
        if backend is None:
            return
        now = time.monotonic()
        self._drop_upstream()
        self.backend = None
        Service.release(backend)
        self.plane.fleet.report(self.service, backend, failure, now)
        self.tried = (*self.tried, backend)
        self.attempts = (*self.attempts, (backend.name, failure, now - self.tried_at))
        self.tried_at = now

    def _drop_upstream(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self.upstream is not None:
            self.upstream.close()
            self.upstream = None

    def _outgrow(self) -> None:
        """More of the body than may be held: send it on and forget it, or wait until it can be sent."""
        if self.upstream is None:
            self.downstream.pause_reading()
        else:
            self._held = None

    # endings

    def _give_up(self, failure: Failure) -> None:
        """Answer the client with the failure; nothing of a response went out before."""
        self._end_attempt(failure)
        self.phase = Phase.OVER
        self.status = failure.status
        stays = self.client_stays and self.request_complete
        self.response_bytes = self.downstream.reply(failure, self.head, stays)
        self._account(time.monotonic(), failure)
        self.downstream.on_exchange_over(stays, time.monotonic())

    def _cut(self, failure: Failure) -> None:
        """Something of a response may have gone out and no more will: the client must see it cut."""
        self._end_attempt(failure)
        self.phase = Phase.OVER
        self.status = self.status or failure.status
        self._account(time.monotonic(), failure)
        self.downstream.cut()

    def _finish(self, now: float) -> None:
        """The response is complete."""
        backend, upstream = self.backend, self.upstream
        self.phase = _OVER
        if upstream is not None:
            self.upstream = None
            upstream.exchange = None
            if self.downstream.is_write_paused:
                upstream.resume_reading()
            if self.request_complete and (self.head.body == 0 or upstream.is_flushed):
                self.plane.pool.release(upstream, now)
            else:
                upstream.close()  # it may still wait for the rest of a body that nobody will send
        if backend is not None:
            Service.release(backend)
        self._account(now, None)
        self.downstream.on_exchange_over(self.client_stays and self.request_complete, now)

    def _account(self, now: float, failure: Failure | None) -> None:
        statistics = self.service.statistics
        statistics.request_bytes += self.request_bytes
        statistics.response_bytes += self.response_bytes
        statistics.count_request(self.head.method, self.status, now - self.started)
        log = self.plane.access_log
        if log is not None:
            log.record(self, now - self.started, failure)

    def _extend_deadline(self) -> None:
        """Each side's turn has its own bound; every byte that moves starts it anew."""
        self.downstream.deadline = time.monotonic() + self._allowed()

    def _allowed(self) -> float:
        """How long whoever has the turn may take, in seconds."""
        if self.phase is _STREAMING:
            return self.service.idle_timeout
        if self.downstream.is_half_closed:
            return HALF_CLOSED_GRACE
        return self.service.response_timeout if self.request_complete else self.plane.settings.body_timeout

    @property
    def served_by(self) -> str | None:
        """The name of the backend whose response it is, None for an answer of the proxy's own."""
        return self.backend.name if self.backend is not None else None

    def __repr__(self) -> str:
        return f"<Exchange {self.head!r} {self.phase.value} backend={self.backend and self.backend.name}>"
