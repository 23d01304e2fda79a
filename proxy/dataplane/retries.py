"""What follows an attempt that came to nothing, or that takes too long: another one, where that is safe and allowed.

The decisions are those of `retry/decision.py` and of the service's budget; here they are carried out.
"""

import time
from typing import TYPE_CHECKING, Final

from proxy.dataplane.attempts import Attempts, Phase
from proxy.dataplane.slow_try import SlowTry
from proxy.failure import Failure
from proxy.fleet.backend import Unavailable
from proxy.fleet.service import Service
from proxy.retry.backoff import wait_before
from proxy.retry.decision import Again, Happened, Kind, Progress, by_failure, by_status, decide, is_resend, kind_of
from proxy.spec.service import Lifecycle
from proxy.wire.head import RequestHead, ResponseHead, field_values

if TYPE_CHECKING:
    from proxy.dataplane.downstream import Downstream
    from proxy.dataplane.plane import DataPlane
    from proxy.fleet.backend import Backend

_GONE: Final = frozenset((Lifecycle.PAUSED, Lifecycle.GONE))
_CONNECTING: Final = Phase.CONNECTING
_WAITING: Final = Phase.WAITING


class Retries(Attempts):
    """Attempts after the first. `resends` counts those that repeated what a backend may have begun to serve."""

    __slots__ = ("_doom", "_slow", "resends")

    def __init__(self, plane: "DataPlane", downstream: "Downstream", head: RequestHead, service: Service) -> None:
        super().__init__(plane, downstream, head, service)
        self.resends = 0
        self._slow: SlowTry | None = None
        self._doom: Failure | None = None  # why no answer will come

    # called by the upstream

    def on_failure(self, failure: Failure) -> None:
        """The attempt failed: send again where that is safe, else say so."""
        phase = self.phase
        if phase is Phase.OVER:
            return
        if phase is Phase.STREAMING or phase is Phase.SWITCHED:
            self._cut(failure)
            return
        backend = self.backend
        happened = by_failure(failure, written=phase is not _CONNECTING)
        kind = self._kind()
        again = decide(happened, kind, self._progress())
        self._end_attempt(failure)
        self._doom = None
        if again is Again.NO or backend is None or not self._may_spend(failure, happened, kind):
            if happened is Happened.NEVER_SENT and self.service.tries.most > 1:
                self._on_nobody(failure)  # nobody has seen it, so it may wait for somebody who takes it
            else:
                self._fall_back(failure)
            return
        if is_resend(happened, kind):
            self.resends += 1
        self.phase = _CONNECTING
        if again is Again.FRESH and backend.unavailable is None:
            self.service.statistics.count_retry(failure)
            Service.take_again(backend)
            self._connect(backend)
        else:
            self.attempt(failure)

    def extend_deadline(self) -> None:
        """What the client sends or closes gives a backend that is gone no more time."""
        if self._doom is None or self.phase is Phase.STREAMING:
            super().extend_deadline()

    # called by the plane

    def on_backend_down(self, backend: "Backend", now: float) -> None:
        """A backend has gone down hard: what waits there for an answer goes elsewhere, or has a moment left."""
        slow = self._slow
        if slow is not None and slow.backend is backend:
            self.on_slow_failure(slow, Failure.BACKEND_DOWN)
        if self.backend is not backend:
            return
        if self.phase is _CONNECTING:
            self.on_failure(Failure.WITHDRAWN)
        elif self.phase is _WAITING:
            if decide(Happened.UNANSWERED, self._kind(), self._progress()) is Again.ELSEWHERE:
                self.service.statistics.count_rescue(Failure.BACKEND_DOWN)
                self.on_failure(Failure.BACKEND_DOWN)
            elif backend.lifecycle in _GONE and self._doom is None:
                self._doom = Failure.BACKEND_DOWN
                self.downstream.deadline = min(self._until(), now + self.plane.settings.last_words)

    def _until(self) -> float:
        """When the time of this try is over; the deadline that stands may be when another would begin beside it."""
        standing = self.downstream.deadline
        if not self.request_complete or self.downstream.is_half_closed:
            return standing
        return max(standing, self.tried_at + self.service.response_timeout)

    # a response that is not good enough

    def _goes_elsewhere(self, response: ResponseHead, is_trial: bool, complete: bool, now: float) -> bool:
        """Whether the request goes to another backend instead of this response to the client; then it is on its way."""
        tries, backend = self.service.tries, self.backend
        happened = by_status(response.status, tries.statuses, trial=is_trial)
        if happened is None or backend is None:
            return False
        kind = self._kind(is_trial)
        if decide(happened, kind, self._progress()) is Again.NO:
            return False
        pause = self._pause(response, same_backend=False)
        if pause is None or not tries.may_go_again(happened, kind, now):
            return False
        if is_resend(happened, kind):
            self.resends += 1
        self._leave(response, backend, complete, now)
        other = None if pause else self.service.take(self.tried)
        if other is not None:
            self._start(other, Failure.BAD_STATUS)
            return True
        if not pause:  # there is only this one
            self.tried = ()
            pause = self._pause(response, same_backend=True) or 0.0
        self.phase = Phase.PAUSING
        self._reason = Failure.BAD_STATUS
        self.downstream.deadline = now + pause
        return True

    def _pause(self, response: ResponseHead, same_backend: bool) -> float | None:
        """Seconds before the next try, None when the response asks for more than a client is held for."""
        asked = field_values(response.forward, b"retry-after")
        return wait_before(
            same_backend=same_backend,
            retry_after=asked[0] if asked else None,
            now_wall=time.time(),
            chance=self.plane.chance,
        )

    def _leave(self, response: ResponseHead, backend: "Backend", complete: bool, now: float) -> None:
        """Be done with a backend whose response is not wanted."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.exchange = None
            if complete and self.request_complete:
                self.plane.pool.release(upstream, now)
            else:
                upstream.close()
        self.backend = None
        self._release(backend)
        self._note(backend, response.status, now)
        self.phase = _CONNECTING

    # an answer that does not come

    def _tries_beside(self, now: float) -> bool:
        """Whether the backend has time left; a second try starts beside the first, where one may."""
        until = self.tried_at + self.service.response_timeout
        backend, upstream = self.backend, self.upstream
        if self._is_patient or now >= until or backend is None or upstream is None:
            return False
        kind = self._kind()
        if decide(Happened.SLOW, kind, self._progress()) is Again.NO:
            self._is_patient = True
            self.downstream.deadline = until
            # It goes on and will have an outcome, which counts then: a slow POST may well be work that takes so long.
            self.plane.fleet.suspect(self.service, backend, Failure.TRY_TIMEOUT, now)
            return True
        # The budget first: a pick that comes to nothing would cost somebody's turn.
        other = self.service.take((*self.tried, backend)) if self.service.tries.may_hedge(now) else None
        if other is None:
            self.downstream.deadline = min(now + self.service.tries.first_wait, until)  # then it may be otherwise
            return True
        self._is_patient = True
        self.resends += is_resend(Happened.SLOW, kind)
        self._slow = upstream.exchange = SlowTry(self, backend, upstream, self.tried_at)
        self.plane.fleet.report(self.service, backend, Failure.TRY_TIMEOUT, now)
        self._note(backend, Failure.TRY_TIMEOUT, now)
        self.backend = self.upstream = None
        self.phase = _CONNECTING
        self._start(other, Failure.TRY_TIMEOUT)
        return True

    def on_slow_answer(self, slow: SlowTry) -> None:
        """The slow try has answered first: it is the one that counts, and the other is called off."""
        backend = self.backend
        self._leave_line(time.monotonic())
        self._drop_upstream()
        if backend is not None:
            self._release(backend)
        self._resume(slow)

    def is_unwanted(self, status: int) -> bool:
        """Whether a response with this status is not worth more than the other try may still bring."""
        return status in self.service.tries.statuses

    def on_slow_failure(self, slow: SlowTry, failure: Failure) -> None:
        """The slow try has failed: the other goes on alone."""
        self._slow = None
        slow.upstream.close()
        self._release(slow.backend)
        self.plane.fleet.report(self.service, slow.backend, failure, time.monotonic())

    def _fall_back(self, failure: Failure) -> None:
        """No other attempt: wait on for the slow one if there is one, else say what went wrong."""
        slow = self._slow
        if slow is None:
            self._give_up(failure)
            return
        self._resume(slow)
        self.downstream.deadline = slow.tried_at + self.service.response_timeout

    def _resume(self, slow: SlowTry) -> None:
        self._slow = None
        self.backend, self.upstream, self.tried_at = slow.backend, slow.upstream, slow.tried_at
        slow.upstream.exchange = self
        self.phase = _WAITING

    def _drop_slow(self) -> None:
        """The other try was the one that counts, or none is any more."""
        slow = self._slow
        if slow is not None:
            self._slow = None
            slow.upstream.close()
            self._release(slow.backend)

    def _on_nobody(self, failure: Failure) -> None:
        if self._slow is None:
            self._stand_in_line(failure)
        else:
            self._fall_back(failure)

    # what the decisions need to know

    def _kind(self, is_trial: bool | None = None) -> Kind:
        backend = self.backend
        if is_trial is None:
            is_trial = backend is not None and backend.unavailable is Unavailable.ON_TRIAL
        opted_in = self.service.tries.opt_in and any(self.head.field_values(b"idempotency-key"))
        return kind_of(self.head.method, opted_in=opted_in, trial=is_trial)

    def _progress(self) -> Progress:
        return Progress(
            tries=self.tries,
            most_tries=self.service.tries.most,
            resends=self.resends,
            replayable=self.upload is None or self.upload.held is not None,
            answering=False,
        )

    def _may_spend(self, failure: Failure, happened: Happened, kind: Kind) -> bool:
        """A rescue is free: there are never more of them than requests in flight."""
        if failure is Failure.BACKEND_DOWN:
            return True
        return self.service.tries.may_go_again(happened, kind, time.monotonic())
