"""The statistics behind each series, so that a counter never loses what it has shown while its series lives.

Several holders of statistics can share a series: a container that is recreated keeps its name. They are added up. One
that departed counts for KEEP_DEPARTED seconds more; if the series still has others then, its part is carried on, since
a counter that shrinks reads as one that began anew at what is left.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from proxy.fleet.fleet import KEEP_DEPARTED
from proxy.fleet.statistics import BackendStatistics, Histogram, ServiceStatistics
from proxy.health.circuit import Cause

K = TypeVar("K")  # what names a series
S = TypeVar("S")  # statistics


class Ledger(Generic[K, S]):
    """The holders of each series, as of the last time it was settled."""

    def __init__(self, total: Callable[[Sequence[S]], S]) -> None:
        self._total = total
        self._present: Mapping[S, K] = {}
        self._departed: dict[S, tuple[K, float]] = {}  # and when
        self._carried: dict[K, S] = {}

    def settle(self, present: Mapping[S, K], departed: Mapping[S, tuple[K, float]], now: float) -> dict[K, S]:
        """The statistics of each series. `departed` says when holders left, of those for which that is known.

        Any other that was present the last time and is no more has left now.
        """
        expired = self._take_expired(present, departed, now)
        self._present = present
        alive = set(present.values())
        alive.update(key for key, _ in self._departed.values())
        self._carried = {key: part for key, part in self._carried.items() if key in alive}
        for holder, key in expired:
            if key in alive:
                carried = self._carried.get(key)
                self._carried[key] = self._total((holder,) if carried is None else (carried, holder))
        return self._sums()

    def _take_expired(
        self, present: Mapping[S, K], departed: Mapping[S, tuple[K, float]], now: float
    ) -> list[tuple[S, K]]:
        """Bring the departed up to date; returns those that stay out from now on."""
        for holder in self._present.keys() - present.keys():
            self._departed[holder] = departed.get(holder, (self._present[holder], now))
        for holder, (key, when) in departed.items():
            if now - when < KEEP_DEPARTED:
                self._departed[holder] = key, when
        expired = [(holder, key) for holder, (key, when) in self._departed.items() if now - when >= KEEP_DEPARTED]
        for holder, _ in expired:
            del self._departed[holder]
        return expired

    def _sums(self) -> dict[K, S]:
        sums = dict(self._carried)
        departed = ((holder, key) for holder, (key, _) in self._departed.items())
        for holder, key in (*departed, *self._present.items()):
            other = sums.get(key)
            sums[key] = holder if other is None else self._total((other, holder))
        return sums

    def __repr__(self) -> str:
        return f"<Ledger present={len(self._present)} departed={len(self._departed)} carried={len(self._carried)}>"


def total_of_backends(parts: Sequence[BackendStatistics]) -> BackendStatistics:
    """New statistics that are the sum of these."""
    total = BackendStatistics()
    for part in parts:
        total.responses = [one + other for one, other in zip(total.responses, part.responses, strict=True)]
        _add_durations(total.first_byte, part.first_byte)
        _add_counts(total.failures, part.failures)
    return total


class BackendHistory:
    """Everything that is counted of one backend, whoever counts it: the data plane, its circuit, the prober."""

    __slots__ = ("failed_probes", "opened", "passed_probes", "statistics")

    def __init__(self, statistics: BackendStatistics) -> None:
        self.statistics = statistics
        self.opened: Mapping[Cause, int] = {}
        self.passed_probes = Histogram()
        self.failed_probes = Histogram()


def total_of_histories(parts: Sequence[BackendHistory]) -> BackendHistory:
    """A new history that is the sum of these."""
    total = BackendHistory(total_of_backends([part.statistics for part in parts]))
    opened: dict[Cause, int] = {}
    for part in parts:
        _add_counts(opened, part.opened)
        _add_durations(total.passed_probes, part.passed_probes)
        _add_durations(total.failed_probes, part.failed_probes)
    total.opened = opened
    return total


def total_of_services(parts: Sequence[ServiceStatistics]) -> ServiceStatistics:
    """New statistics that are the sum of these."""
    total = ServiceStatistics()
    for part in parts:
        for (method, status), count in part.requests.items():
            total.add_requests(method, status, count)
        _add_durations(total.duration, part.duration)
        total.request_bytes += part.request_bytes
        total.response_bytes += part.response_bytes
        _add_counts(total.retries, part.retries)
        _add_counts(total.rescues, part.rescues)
        total.retries_denied += part.retries_denied
        _add_durations(total.queue_waits, part.queue_waits)
        total.queue_dropped += part.queue_dropped
    return total


def _add_durations(total: Histogram, part: Histogram) -> None:
    total.counts = [one + other for one, other in zip(total.counts, part.counts, strict=True)]
    total.total += part.total


def _add_counts(total: dict[K, int], part: Mapping[K, int]) -> None:
    for key, count in part.items():
        total[key] = total.get(key, 0) + count
