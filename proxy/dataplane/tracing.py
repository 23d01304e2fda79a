"""Tracing: which requests have a trace, and an exchange that keeps one.

A request whose traceparent says sampled goes on with that trace; of those that have none, a share begins one. Each
attempt has a span of its own, and the backend is told that span: a retry is seen as what it is. What is not sampled
passes as it came: a parent that nobody records would be a hole in the trace.
"""

import random
import time
from typing import TYPE_CHECKING, Final

from proxy.dataplane.exchange import Exchange
from proxy.failure import Failure
from proxy.fleet.service import Service
from proxy.fleet.spans import AttemptSpan, RequestSpan, SpanQueue
from proxy.wire.head import RequestHead
from proxy.wire.trace_context import SAMPLED, Parent, has_context, read_parent, with_parent, without_parent

if TYPE_CHECKING:
    from proxy.dataplane.downstream import Downstream
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.upstream import Upstream
    from proxy.fleet.backend import Backend

_NS: Final = 1e9


class Tracer:
    """Begins exchanges, traced or not, and puts what the traced ones were into the queue."""

    __slots__ = ("_chance", "_share", "queue")

    def __init__(self, queue: SpanQueue, share: float, chance: random.Random | None = None) -> None:
        self.queue = queue
        self._share = share
        self._chance = chance or random.Random()

    def begin(self, plane: "DataPlane", downstream: "Downstream", head: RequestHead, service: Service) -> Exchange:
        """The exchange for a request."""
        forward = head.forward
        parent = None
        if has_context(forward):
            parent = read_parent(forward)
            forward = without_parent(forward, keep_state=parent is not None)
        if parent is not None and not parent.flags & SAMPLED:
            return Exchange(plane, downstream, head, service)
        if parent is None and self._chance.random() >= self._share:
            return Exchange(plane, downstream, head, service)
        return TracedExchange(plane, downstream, head, service, Trace(self._chance, forward, parent), self.queue)


class Trace:
    """The ids of one request and of its attempts; what `forward` says is the head to forward, without a parent."""

    __slots__ = ("_chance", "_forward", "_tries", "flags", "parent", "span", "trace")

    def __init__(self, chance: random.Random, forward: bytes, parent: Parent | None) -> None:
        self._chance = chance
        self._forward = forward
        self._tries: dict[float, _Try] = {}  # by when they began
        self.trace = parent.trace if parent is not None else b"%032x" % (chance.getrandbits(128) or 1)
        self.parent = parent.span if parent is not None else b""
        self.flags = parent.flags if parent is not None else SAMPLED
        self.span = self._new_span()

    def head_for(self, backend: "Backend", began: float) -> bytes:
        """The head to send to a backend in the attempt that began then, in monotonic seconds."""
        span = self._try(backend, began).span
        return with_parent(self._forward, Parent(self.trace, span, self.flags))

    def note(self, backend: "Backend", began: float, outcome: Failure | int, now: float) -> None:
        """What an attempt came to. The last word counts: a slow one that was given up may answer after all."""
        attempt = self._try(backend, began)
        attempt.outcome = outcome
        attempt.ended = now

    def attempts(self, now: float, shift: int) -> tuple[AttemptSpan, ...]:
        """All attempts at the end of the request; `shift` ns are between the monotonic clock and the epoch."""
        return tuple(
            AttemptSpan(
                span=attempt.span,
                backend=attempt.backend.name,
                host=attempt.backend.key.host,
                port=attempt.backend.key.port,
                began=shift + int(began * _NS),
                ended=shift + int((now if attempt.outcome is None else attempt.ended) * _NS),
                outcome=attempt.outcome,
            )
            for began, attempt in self._tries.items()
        )

    def _try(self, backend: "Backend", began: float) -> "_Try":
        attempt = self._tries.get(began)
        if attempt is None:
            attempt = self._tries[began] = _Try(self._new_span(), backend)
        return attempt

    def _new_span(self) -> bytes:
        return b"%016x" % (self._chance.getrandbits(64) or 1)


class _Try:
    """An attempt under way, or how it ended."""

    __slots__ = ("backend", "ended", "outcome", "span")

    def __init__(self, span: bytes, backend: "Backend") -> None:
        self.span = span
        self.backend = backend
        self.outcome: Failure | int | None = None
        self.ended = 0.0


class TracedExchange(Exchange):
    """An exchange that tells backends of its trace, and leaves its spans in the queue when it ends."""

    __slots__ = ("_queue", "_trace")

    def __init__(
        self,
        plane: "DataPlane",
        downstream: "Downstream",
        head: RequestHead,
        service: Service,
        trace: Trace,
        queue: SpanQueue,
    ) -> None:
        super().__init__(plane, downstream, head, service)
        self._trace = trace
        self._queue = queue

    def _send(self, upstream: "Upstream") -> None:
        self.head.forward = self._trace.head_for(upstream.backend, self.tried_at)
        super()._send(upstream)

    def _note(self, backend: "Backend", outcome: Failure | int, now: float) -> None:
        self._trace.note(backend, self.tried_at, outcome, now)
        super()._note(backend, outcome, now)

    def _account(self, now: float, failure: Failure | None) -> None:
        super()._account(now, failure)
        trace, head = self._trace, self.head
        if self.backend is not None:
            trace.note(self.backend, self.tried_at, self.status, now)
        shift = time.time_ns() - int(time.monotonic() * _NS)
        self._queue.add(
            RequestSpan(
                trace=trace.trace,
                span=trace.span,
                parent=trace.parent,
                began=shift + int(self.started * _NS),
                ended=shift + int(now * _NS),
                client=self.downstream.client,
                method=head.method,
                host=head.host,
                path=head.path,
                minor=head.minor,
                request_id=head.request_id,
                service=self.service.spec.name,
                status=self.status,
                failure=failure,
                request_bytes=self.request_bytes,
                response_bytes=self.response_bytes,
                queued=self.queued,
                attempts=trace.attempts(now, shift),
            )
        )
