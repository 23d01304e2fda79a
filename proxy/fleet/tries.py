"""What one service may spend on tries beyond a request's first, and when a second one starts beside a slow first."""

from collections.abc import Iterable
from typing import Final

from proxy.fleet.backend import SERVER_ERROR, Backend
from proxy.fleet.statistics import BOUNDS, ServiceStatistics
from proxy.retry.budget import retry_budget
from proxy.retry.decision import Happened, Kind
from proxy.retry.try_timeout import LONGEST, hedge_budget, try_timeout
from proxy.spec.service import ServiceSpec

# They put no work on a backend: nobody has seen the request, or by the nature of HTTP's idle connections.
_FREE: Final = frozenset((Happened.NEVER_SENT, Happened.UNWRITTEN, Happened.STALE))
_NEVER: Final = 1000  # above every status


class Tries:
    """Of one service.

    `least_status` is the least status that can lead to another try. `first_wait` is how long the first try has to
    itself, in seconds; never longer than the response timeout.
    """

    __slots__ = ("_statistics", "budget", "first_wait", "hedges", "least_status", "most", "opt_in", "statuses")

    def __init__(self, spec: ServiceSpec, statistics: ServiceStatistics) -> None:
        self._statistics = statistics
        self.budget = retry_budget(spec.retry.budget, 0, 0.0)
        self.hedges = hedge_budget(0, 0.0)
        self.apply(spec)

    def apply(self, spec: ServiceSpec) -> None:
        """Take over changed settings; what was spent stays spent."""
        retry = spec.retry
        self.most = retry.attempts
        self.opt_in = retry.non_idempotent
        self.statuses = frozenset(retry.statuses)
        self.least_status = min((*self.statuses, SERVER_ERROR)) if retry.attempts > 1 else _NEVER
        self.budget.per_request = retry.budget
        self.first_wait = min(LONGEST if retry.try_timeout is None else retry.try_timeout, spec.timeout.response)

    def refresh(self, spec: ServiceSpec, backends: Iterable[Backend], now: float) -> None:
        """Work out `first_wait` anew, and let the budgets see how many requests came. Called every few seconds."""
        requests = self._statistics.duration.count
        self.budget.refill(requests, now)
        self.hedges.refill(requests, now)
        first_bytes = [backend.statistics.first_byte.counts for backend in backends]
        self.first_wait = min(try_timeout(spec.retry.try_timeout, first_bytes, BOUNDS), spec.timeout.response)

    def may_go_again(self, happened: Happened, kind: Kind, now: float) -> bool:
        """Spend a token on another try where it costs one: a trial's is on us, and so is one that nobody has seen."""
        if happened in _FREE or kind is Kind.TRIAL:
            return True
        if self.budget.spend(self._statistics.duration.count, now):
            return True
        self._statistics.retries_denied += 1
        return False

    def may_hedge(self, now: float) -> bool:
        """Spend a token on a second try beside a slow one."""
        return self.hedges.spend(self._statistics.duration.count, now)
