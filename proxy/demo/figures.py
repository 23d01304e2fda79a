"""The demo's figures: what each backend did in one interval, from the proxy's own statistics. Pure.

They count all traffic, also what the user sends. Latencies are known by bucket: the bucket's upper bound is shown.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.fleet.backend import Backend
from proxy.fleet.statistics import BOUNDS


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendFigures:
    """One backend in one interval; `p50` and `p99` are bounds in seconds of the time to the first byte, or None."""

    name: str
    state: str
    requests: int  # answers it began, and attempts that failed
    in_flight: int
    failures: int
    errors: int  # answers of 5xx
    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class _Counts:
    """The counters of one backend at one moment."""

    answers: int = 0
    failures: int = 0
    errors: int = 0
    buckets: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)


class FigureTaker:
    """Takes the figures of the time since it last did. `names` by port: a static backend has none of its own."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names
        self._before: dict[int, _Counts] = {}

    def take(self, backends: Sequence[Backend]) -> list[BackendFigures]:
        """In the order of names."""
        by_port = {backend.key.port: backend for backend in backends}
        return [self._take_one(name, by_port[port]) for port, name in self._names.items() if port in by_port]

    def _take_one(self, name: str, backend: Backend) -> BackendFigures:
        port = backend.key.port
        before, now = self._before.get(port, _Counts()), _count(backend)
        self._before[port] = now
        buckets = [new - old for new, old in zip(now.buckets, before.buckets, strict=True)]
        failures = now.failures - before.failures
        return BackendFigures(
            name=name,
            state=backend.state,
            requests=now.answers - before.answers + failures,
            in_flight=backend.in_flight,
            failures=failures,
            errors=now.errors - before.errors,
            p50=quantile(buckets, 0.5),
            p99=quantile(buckets, 0.99),
        )


def quantile(buckets: Sequence[int], share: float) -> float | None:
    """The upper bound in seconds of the bucket in which this share is reached; None when all are empty."""
    total = sum(buckets)
    if not total:
        return None
    left = math.ceil(total * share)
    for count, bound in zip(buckets, (*BOUNDS, math.inf), strict=True):
        left -= count
        if left <= 0:
            return bound
    return math.inf


def _count(backend: Backend) -> _Counts:
    statistics = backend.statistics
    return _Counts(
        sum(statistics.responses),
        sum(statistics.failures.values()),
        statistics.responses[5],
        tuple(statistics.first_byte.counts),
    )
