"""One client request and its answer: the only go-between of a downstream and an upstream connection.

    attempt … send → on_response … on_end → finish
                   → on_switched … on_tunnel_over

How a request gets to a backend is `attempts.py`, what follows an attempt that came to nothing `retries.py`; here is
what comes back, and every way to end.
"""

import time
from typing import TYPE_CHECKING, Final

from proxy.dataplane.attempts import Phase
from proxy.dataplane.retries import Retries
from proxy.dataplane.tunnel import Tunnel
from proxy.failure import Failure
from proxy.fleet.backend import Unavailable
from proxy.fleet.service import Service
from proxy.fleet.stickiness import Stickiness
from proxy.wire import sticky
from proxy.wire.head import RequestHead, ResponseHead

if TYPE_CHECKING:
    from proxy.dataplane.downstream import Downstream
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.upstream import Upstream
    from proxy.fleet.backend import Backend

# An enum member costs a look-up in its class; on the hot path a global does.
_STREAMING: Final = Phase.STREAMING
_OVER: Final = Phase.OVER


class Exchange(Retries):
    """One request of `downstream`, for `service`. `status` is what the client got, 0 until then."""

    __slots__ = ("_tunnel", "response_bytes", "status")

    def __init__(self, plane: "DataPlane", downstream: "Downstream", head: RequestHead, service: Service) -> None:
        super().__init__(plane, downstream, head, service)
        self.status = 0
        self.response_bytes = 0
        self._tunnel: Tunnel | None = None

    # called by the downstream

    def on_bad_body(self, failure: Failure) -> None:
        """The body broke its own framing or a limit: the backend must not take what it has for the whole."""
        if self.phase is Phase.STREAMING:
            self._cut(failure)
        elif self.phase is not Phase.OVER:
            self._give_up(failure)

    def on_client_gone(self) -> None:
        """Nobody waits for the answer any more: the backend need not go on."""
        if self.phase is not Phase.OVER:
            self._cut(Failure.CLIENT_GONE)

    def on_client_half_closed(self) -> None:
        """The client sends no more, and may be gone altogether."""
        self.extend_deadline()

    def on_deadline(self, now: float) -> None:
        """Whoever had the turn took too long."""
        if self.phase is Phase.SWITCHED:
            self.on_tunnel_over(Failure.TUNNEL_IDLE)
        elif self.phase is Phase.STREAMING:
            if not self.downstream.is_write_paused:
                self._cut(Failure.IDLE_TIMEOUT)
            elif self.downstream.is_reading_fast_enough(now):
                self.extend_deadline()
            else:
                self._cut(Failure.CLIENT_SLOW)
        elif self.phase is Phase.HELD:
            self.service.line.outwait(self)
            self.service.statistics.queue_dropped += 1
            self._give_up(self._reason)
        elif self.phase is Phase.PAUSING:
            self.phase = Phase.CONNECTING
            self.attempt(self._reason)
        elif self._doom is not None:
            self.on_failure(self._doom)
        elif self.downstream.is_half_closed:
            self._cut(Failure.CLIENT_GONE)
        elif self.request_complete or self.downstream.is_reading_paused:
            if self.phase is not Phase.WAITING or not self._tries_beside(now):
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
            self.extend_deadline()

    # called by the upstream

    def on_interim(self, response: ResponseHead) -> None:
        """A 1xx response; HTTP/1.0 clients know none (RFC 9110 section 15.2)."""
        if self.head.minor == 1:
            self.downstream.write(response.forward)

    def on_response(self, response: ResponseHead, data: bytes, complete: bool, now: float) -> None:
        """The final response: `data` is its head to forward and, when it is `complete`, its body."""
        backend = self.backend
        status = response.status
        if backend is not None:
            statistics = backend.statistics
            statistics.responses[status // 100] += 1
            statistics.first_byte.observe(now - self.tried_at)
            if self._is_patient and backend.suspect_until:
                self.plane.fleet.acquit(self.service, backend, now)
            if status >= backend.notable or status >= self.service.tries.least_status:
                is_trial = backend.unavailable is Unavailable.ON_TRIAL
                if status >= backend.notable:
                    self.plane.fleet.answered(self.service, backend, status, now)
                if self._goes_elsewhere(response, is_trial, complete, now):
                    return
            if self.service.stickiness is not None:
                data = self._keep_client(self.service.stickiness, backend, response, data)
        if self._slow is not None:
            self._drop_slow()  # or its answer would go out, too, in the middle of this one
        self.status = status
        self.client_stays = response.keeps_client
        self.response_bytes = len(data)
        self.phase = _STREAMING
        self.downstream.write(data)
        if complete:
            self._finish(now)
        else:
            if self.upload is not None:
                self.upload.let_go()
            self.downstream.deadline = now + self.service.idle_timeout

    def _keep_client(self, stickiness: Stickiness, backend: "Backend", response: ResponseHead, data: bytes) -> bytes:
        """`data` with the cookie in its head that keeps the client at this backend, where it is not kept there yet."""
        line = stickiness.cookie_for(self.head, backend)
        if not line:
            return data
        return sticky.insert(response.forward, line) + data[len(response.forward) :]

    def on_body(self, data: bytes) -> None:
        """More of the response, framed for the client."""
        self.response_bytes += len(data)
        self.downstream.write(data)
        self.extend_deadline()

    def on_end(self, data: bytes) -> None:
        """The last of the response."""
        self.response_bytes += len(data)
        if data:
            self.downstream.write(data)
        self._finish(time.monotonic())

    def on_switched(self, response: ResponseHead, upstream: "Upstream") -> None:
        """A 101: what follows is a tunnel's. The request took until now, the tunnel's time is its own."""
        if self._slow is not None:
            self._drop_slow()
        self.phase = Phase.SWITCHED
        self.status = response.status
        self.response_bytes = len(response.forward)
        if self.backend is not None:
            self.backend.statistics.responses[1] += 1
        self.downstream.write(response.forward)
        tunnel = Tunnel(self, self.downstream, upstream, self.service.spec.timeout.tunnel)
        self._tunnel = upstream.tunnel = tunnel
        self.downstream.begin_tunnel(tunnel)
        self.extend_deadline()

    def on_tunnel_over(self, failure: Failure | None) -> None:
        """Both sides have ended, or it was idle for too long; else one of them is gone, and the other must see it."""
        if self.phase is Phase.OVER:
            return
        if failure is not None and failure is not Failure.TUNNEL_IDLE:
            self._cut(failure)
            return
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.finish()
        self.client_stays = False
        self._finish(time.monotonic(), failure)

    def close_tunnel(self) -> None:
        """Its backend's time is over, or ours: both sides are closed, not cut."""
        if self.phase is Phase.SWITCHED:
            self.on_tunnel_over(None)

    # endings

    def _give_up(self, failure: Failure) -> None:
        """Answer the client with the failure; nothing of a response went out before."""
        self._leave_line(time.monotonic())
        self._end_attempt(failure)
        self._drop_slow()
        self.phase = Phase.OVER
        self.status = failure.status
        stays = self.client_stays and self.request_complete
        self.response_bytes = self.downstream.reply(failure, self.head, stays)
        self._account(time.monotonic(), failure)
        self.downstream.on_exchange_over(stays, time.monotonic())

    def _cut(self, failure: Failure) -> None:
        """Something of a response may have gone out and no more will: the client must see it cut."""
        self._leave_line(time.monotonic())
        self._end_attempt(failure)
        self._drop_slow()
        self.phase = Phase.OVER
        self.status = self.status or failure.status
        self._account(time.monotonic(), failure)
        self.downstream.cut()

    def _finish(self, now: float, failure: Failure | None = None) -> None:
        """The response is complete."""
        backend, upstream = self.backend, self.upstream
        self.phase = _OVER
        if upstream is not None:
            self.upstream = None
            upstream.exchange = None
            if self.downstream.is_write_paused:
                upstream.resume_reading()
            if self.request_complete and (self.upload is None or upstream.is_flushed):
                self.plane.pool.release(upstream, now)
            else:
                upstream.close()  # it may still wait for the rest of a body that nobody will send
        if backend is not None:
            self._release(backend)
        self._account(now, failure)
        self.downstream.on_exchange_over(self.client_stays and self.request_complete, now)

    def _account(self, now: float, failure: Failure | None) -> None:
        statistics = self.service.statistics
        statistics.request_bytes += self.request_bytes
        statistics.response_bytes += self.response_bytes
        seconds = (now if self._tunnel is None else self._tunnel.since) - self.started
        statistics.count_request(self.head.method, self.status, seconds)
        log = self.plane.access_log
        if log is not None:
            log.record(self, now - self.started, failure)

    def _allowed(self) -> float:
        """How long whoever has the turn may take, in seconds."""
        return super()._allowed() if self._tunnel is None else self._tunnel.idle

    @property
    def served_by(self) -> str | None:
        """The name of the backend whose response it is, None for an answer of the proxy's own."""
        return self.backend.name if self.backend is not None else None

    def __repr__(self) -> str:
        return f"<Exchange {self.head!r} {self.phase.value} backend={self.backend and self.backend.name}>"
