"""Getting a request to a backend: pick, connect, send, and again where that is safe.

    attempt → take → lease or connect → send
              ↑_________ on_failure, when it is safe to send again

With an idle upstream connection all of it up to the write runs inside one `data_received`.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, Final

from proxy.dataplane.upload import Upload
from proxy.failure import Failure
from proxy.fleet.service import TRIAL, Service
from proxy.retry.decision import IDEMPOTENT, Again, Progress, by_failure, decide, is_resend, kind_of
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
    SWITCHED = "switched"  # to another protocol, which a tunnel carries
    OVER = "over"


# An enum member costs a look-up in its class; on the hot path a global does.
_CONNECTING: Final = Phase.CONNECTING
_WAITING: Final = Phase.WAITING
_STREAMING: Final = Phase.STREAMING


class Attempts(ABC):
    """The upstream half of an exchange. `tried` and `attempts` are of failed attempts only."""

    __slots__ = (
        "_connecting",
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
        "service",
        "started",
        "tried",
        "tried_at",
        "upload",
        "upstream",
    )

    def __init__(self, plane: "DataPlane", downstream: "Downstream", head: RequestHead, service: Service) -> None:
        self.plane = plane
        self.downstream = downstream
        self.head = head
        self.service = service
        self.phase = _CONNECTING
        self.client_stays = head.persistent and not plane.draining
        self.started = self.tried_at = now = time.monotonic()
        self.backend: Backend | None = None
        self.upstream: Upstream | None = None
        self.tried: tuple[Backend, ...] = ()
        self.attempts: tuple[tuple[str, Failure, float], ...] = ()  # (backend, failure, seconds)
        self.request_complete = complete = head.body == 0
        self.request_bytes = 0
        self.upload = None if complete else Upload(service.spec.retry.body, now)
        self._connecting: asyncio.Task[None] | None = None
        self._resends = 0
        self._tries = 0

    # how it ends

    @abstractmethod
    def _give_up(self, failure: Failure) -> None:
        """Answer the client with the failure; nothing of a response went out before."""

    @abstractmethod
    def _cut(self, failure: Failure) -> None:
        """Something of a response may have gone out and no more will: the client must see it cut."""

    # what comes back, see Exchange

    @abstractmethod
    def on_interim(self, response: ResponseHead) -> None:
        """A 1xx response."""

    @abstractmethod
    def on_response(self, response: ResponseHead, data: bytes, complete: bool, now: float) -> None:
        """The final response: `data` is its head to forward and, when it is `complete`, its body."""

    @abstractmethod
    def on_body(self, data: bytes) -> None:
        """More of the response, framed for the client."""

    @abstractmethod
    def on_end(self, data: bytes) -> None:
        """The last of the response."""

    @abstractmethod
    def on_switched(self, response: ResponseHead, upstream: "Upstream") -> None:
        """A 101: what follows is a tunnel's."""

    # called by the downstream

    def attempt(self, failure: Failure = Failure.NO_BACKEND) -> None:
        """Try the policy's choice; when nobody is left, `failure` is the answer.

        Called once to begin, when what came of the body with the head has been given already, and again for retries.
        """
        backend = self.service.take(self.tried, self.head.method in TRIAL)
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
        upload = self.upload
        if upload is not None:
            upload.hold(data)
            if upload.is_too_large:
                self._outgrow(upload)
        if self.upstream is not None:
            self.upstream.write(data)
        self.extend_deadline()

    # called by the pool

    def on_connected(self, upstream: "Upstream") -> None:
        """The connection asked for is there: send."""
        self._connecting = None
        self._send(upstream)
        self.extend_deadline()

    def on_connect_failed(self, failure: Failure) -> None:
        """No connection came of it."""
        self._connecting = None
        self.on_failure(failure)

    # called by the upstream

    def pause_downstream(self) -> None:
        """The backend does not read as fast as the client sends."""
        self.downstream.pause_reading()
        if self.upload is not None:
            self.upload.pause(time.monotonic())

    def resume_downstream(self) -> None:
        """It has caught up."""
        if self.upload is not None:
            self.upload.resume(time.monotonic())
        self.downstream.resume_reading()
        self.extend_deadline()

    def on_failure(self, failure: Failure) -> None:
        """The attempt failed: send again where that is safe, else say so."""
        if self.phase is Phase.OVER:
            return
        if self.phase is Phase.STREAMING:
            self._cut(failure)
            return
        backend = self.backend
        happened, kind = by_failure(failure, written=True), kind_of(self.head.method)
        progress = Progress(
            tries=self._tries,
            most_tries=self.service.most_tries,
            resends=self._resends,
            replayable=self.upload is None or self.upload.held is not None,
            answering=False,
        )
        again = decide(happened, kind, progress)
        self._end_attempt(failure)
        if again is Again.NO or backend is None:
            self._give_up(failure)
            return
        if is_resend(happened, kind):
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
        upload = self.upload
        if upload is None:
            upstream.begin(self, self.head.forward)
            return
        # One write: 26 µs of CPU became 23 for a POST of 100 bytes (benchmarks/throughput.py, post-100).
        upstream.begin(self, b"".join((self.head.forward, *(upload.held or ()))))
        if upload.is_too_large:
            upload.let_go()
        upload.resume(time.monotonic())
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

    def _outgrow(self, upload: Upload) -> None:
        """More of the body than may be held: send it on and forget it, or wait until it can be sent."""
        if self.upstream is None:
            self.pause_downstream()
        else:
            upload.let_go()

    # time

    def extend_deadline(self) -> None:
        """Each side's turn has its own bound; every byte that moves starts it anew."""
        now = time.monotonic()
        upload = self.upload
        if upload is None or self.request_complete or self.phase is _STREAMING:
            self.downstream.deadline = now + self._allowed()
        else:
            settings = self.plane.settings
            self.downstream.deadline = upload.due(self.request_bytes, settings.body_timeout, settings.min_rate, now)

    def _allowed(self) -> float:
        """How long whoever has the turn may take, in seconds."""
        if self.phase is _STREAMING:
            return self.service.idle_timeout
        if self.downstream.is_half_closed:
            return HALF_CLOSED_GRACE
        return self.service.response_timeout if self.request_complete else self.plane.settings.body_timeout
