"""Getting a request to a backend: pick, connect, send, and wait in line while there is nobody to send it to.

    attempt → take → lease or connect → send
              ↑ on_turn ← line

With an idle upstream connection all of it up to the write runs inside one `data_received`.
"""

import asyncio
import time
from abc import abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from proxy.dataplane.asker import Asker
from proxy.dataplane.upload import Upload
from proxy.failure import Failure
from proxy.fleet.service import TRIAL, Service
from proxy.wire.head import RequestHead

if TYPE_CHECKING:
    from proxy.dataplane.downstream import Downstream
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.upstream import Upstream
    from proxy.fleet.backend import Backend

# A client that closed its side after a whole request may be a half-closed one that waits (RFC 9112 section 9.6) or one
# that left; nothing tells them apart before we write. It gets this many seconds for the response to begin.
HALF_CLOSED_GRACE: Final = 5.0

Attempt: TypeAlias = tuple[str, Failure | int, float]
"""One that came to nothing: the backend, the failure or the status, seconds."""


class Phase(Enum):
    """How far an exchange has come."""

    CONNECTING = "connecting"  # no upstream connection yet
    HELD = "held"  # in line for a backend
    PAUSING = "pausing"  # before another try, as long as a Retry-After says
    WAITING = "waiting"  # sent, at least in part; nothing of a final response yet
    STREAMING = "streaming"  # the response head went downstream
    SWITCHED = "switched"  # to another protocol, which a tunnel carries
    OVER = "over"


# An enum member costs a look-up in its class; on the hot path a global does.
_CONNECTING: Final = Phase.CONNECTING
_WAITING: Final = Phase.WAITING
_STREAMING: Final = Phase.STREAMING
_NO_BACKEND: Final = Failure.NO_BACKEND


class Attempts(Asker):
    """The upstream half of an exchange. `tried` and `attempts` are of failed attempts only, `tries` counts all."""

    __slots__ = (
        "_connecting",
        "_held_since",
        "_is_patient",
        "_reason",
        "attempts",
        "backend",
        "downstream",
        "phase",
        "plane",
        "queued",
        "request_bytes",
        "service",
        "started",
        "tried",
        "tried_at",
        "tries",
        "upload",
        "upstream",
    )

    def __init__(self, plane: "DataPlane", downstream: "Downstream", head: RequestHead, service: Service) -> None:
        complete = head.body == 0
        super().__init__(head, head.persistent and not plane.draining, complete)
        self.plane = plane
        self.downstream = downstream
        self.service = service
        self.phase = _CONNECTING
        self.started = self.tried_at = now = time.monotonic()
        self.backend: Backend | None = None
        self.upstream: Upstream | None = None
        self.tried: tuple[Backend, ...] = ()
        self.attempts: tuple[Attempt, ...] = ()
        self.tries = 0
        self.queued = 0.0  # seconds in line
        self.request_bytes = 0
        self.upload = None if complete else Upload(service.spec.retry.body, now)
        self._connecting: asyncio.Task[None] | None = None
        self._is_patient = False  # a second try runs beside the first, or will not
        self._held_since = 0.0
        self._reason = _NO_BACKEND  # the answer, should nothing come of the next attempt either

    @abstractmethod
    def _give_up(self, failure: Failure) -> None:
        """Answer the client with the failure; nothing of a response went out before."""

    @abstractmethod
    def _cut(self, failure: Failure) -> None:
        """Something of a response may have gone out and no more will: the client must see it cut."""

    @abstractmethod
    def _on_nobody(self, failure: Failure) -> None:
        """There is nobody to send it to now."""

    # called by the downstream

    def attempt(self, failure: Failure = _NO_BACKEND) -> None:
        """Try the policy's choice; when nobody is left, `failure` is the answer.

        Called once to begin, when what came of the body with the head has been given already, and again for retries.
        """
        service = self.service
        backend = None
        if service.stickiness is not None and not self.tried:
            backend = service.take_kept(self.head)
        if backend is None:
            backend = service.take(self.tried, not service.is_plain and self.head.method in TRIAL)
        if backend is None:
            self._on_nobody(failure)
        else:
            self._start(backend, failure)

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

    # called by the plane

    def on_turn(self, backend: "Backend", now: float) -> None:
        """The wait in line is over: this backend, which has been taken, is whom to send it to."""
        self.queued += now - self._held_since
        self.tried = ()  # who failed then may serve now
        self.tried_at = now
        self.phase = _CONNECTING
        self._start(backend, self._reason)

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

    # attempts

    def _start(self, backend: "Backend", failure: Failure) -> None:
        """Try this backend, which has been taken; `failure` ended the attempt before, if there was one."""
        if self.tries:
            self.service.statistics.count_retry(failure)
        now = self.tried_at
        upstream = self.plane.pool.lease(backend, self.head, now)
        if upstream is None:
            self._connect(backend)
            return
        self.backend = backend
        self.tries += 1
        self._send(upstream)
        self.downstream.deadline = now + self._allowed()

    def _connect(self, backend: "Backend") -> None:
        self.backend = backend
        self.tries += 1
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
        if not upstream.is_write_paused:
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
        self._release(backend)
        self.plane.fleet.report(self.service, backend, failure, now)
        self._note(backend, failure, now)

    def _note(self, backend: "Backend", outcome: Failure | int, now: float) -> None:
        self.tried = (*self.tried, backend)
        self.attempts = (*self.attempts, (backend.name, outcome, now - self.tried_at))
        self.tried_at = now

    def _release(self, backend: "Backend") -> None:
        Service.release(backend)
        if self.service.is_waited_for:
            self.plane.on_room(self.service)

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

    # the line

    def _stand_in_line(self, failure: Failure) -> None:
        """Wait for somebody who can take it, for as long as the service has its clients wait."""
        service = self.service
        now = time.monotonic()
        left = service.spec.limit.wait - self.queued
        if left <= 0.0:
            self._give_up(failure)
        elif not service.line.join(self, now):
            service.statistics.queue_dropped += 1
            self._give_up(failure if self.attempts else Failure.QUEUE_FULL)
        else:
            self.phase = Phase.HELD
            self._reason = failure
            self._held_since = now
            self.downstream.deadline = now + left
            self.plane.on_waiting(service)

    def _leave_line(self, now: float) -> None:
        if self.phase is Phase.HELD:
            self.service.line.leave(self)
            self.queued += now - self._held_since

    # time

    def extend_deadline(self) -> None:
        """Each side's turn has its own bound; every byte that moves starts it anew."""
        if self.phase is Phase.HELD or self.phase is Phase.PAUSING:
            return
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
        if not self.request_complete:
            return self.plane.settings.body_timeout
        if self._is_patient or self.phase is _CONNECTING:
            return self.service.response_timeout
        return self.service.tries.first_wait
