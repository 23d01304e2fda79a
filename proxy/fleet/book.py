"""A fleet that serves nobody itself, and is told what those that serve have seen: one set of figures for all of them.

Law: counts are added and never taken back; facts are kept by worker, so that those of one that ends go with it. What a
backend stands like is the worst that any worker says of it, since that is what an operator looks for.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from proxy.failure import Failure
from proxy.fleet.backend import Backend
from proxy.fleet.fleet import KEEP_DEPARTED, Fleet
from proxy.fleet.statistics import Histogram, PlaneStatistics, ServiceStatistics
from proxy.fleet.tally import NOTHING_KNOWN, BackendTally, Durations, Facts, ServiceTally, Tally
from proxy.health.circuit import State
from proxy.spec.service import BackendKey

K = TypeVar("K")
_FAILURES: Final = {failure.label: failure for failure in Failure}
_WORST_LAST: Final = (State.CLOSED, State.HALF_OPEN, State.OPEN)


class Book:
    """What the workers have seen, entered in `fleet` and `plane`."""

    def __init__(self, fleet: Fleet, plane: PlaneStatistics) -> None:
        self._fleet = fleet
        self._plane = plane
        self._facts: dict[int, dict[tuple[str, BackendKey], Facts]] = {}  # by worker
        self._waiting: dict[int, dict[str, int]] = {}  # by worker and service
        self._services: dict[str, tuple[ServiceStatistics, float]] = {}  # and when it was here last

    def enter(self, worker: int, tally: Tally, now: float) -> None:
        """What a worker has counted since its last tally, and how backends stand with it."""
        _add(self._plane.bad_requests, _by_failure(tally.bad_requests))
        for name, count in tally.counts.items():
            setattr(self._plane, name, getattr(self._plane, name) + count)
        for service_tally in tally.services:
            statistics = self._statistics(service_tally.name, now)
            if statistics is not None:
                _enter_service(statistics, service_tally)
            self._wait(worker, service_tally.name, service_tally.waiting)
        for each in tally.backends:
            backend = self._find(each.service, each.key)
            if backend is not None:
                _enter_backend(backend, each)
            self._learn(worker, each.service, each.key, each.facts, now)

    def suspect(self, worker: int, key: BackendKey, now: float) -> None:
        """A request of a worker failed at an address."""
        for service in self._fleet.services.values():
            if key in service.backends:
                before = self._facts.get(worker, {}).get((service.spec.name, key), NOTHING_KNOWN)
                facts = Facts(
                    in_flight=before.in_flight, circuit=before.circuit, is_suspect=True, is_spared=before.is_spared
                )
                self._learn(worker, service.spec.name, key, facts, now)

    def forget(self, worker: int, now: float) -> None:
        """A worker has ended: nothing is in flight there, and what it held against backends is gone with it."""
        for service, key in self._facts.pop(worker, {}):
            self._stand(service, key, now)
        for name in self._waiting.pop(worker, {}):
            self._line_up(name)

    def _learn(self, worker: int, service: str, key: BackendKey, facts: Facts, now: float) -> None:
        known = self._facts.setdefault(worker, {})
        if facts == NOTHING_KNOWN:
            known.pop((service, key), None)
        else:
            known[service, key] = facts
        self._stand(service, key, now)

    def _stand(self, service: str, key: BackendKey, now: float) -> None:
        """Bring what all workers say of a backend to one verdict."""
        backend = self._find(service, key)
        if backend is None:
            return
        said = [facts[service, key] for facts in self._facts.values() if (service, key) in facts]
        backend.in_flight = sum(facts.in_flight for facts in said)
        backend.circuit.state = max((facts.circuit for facts in said), key=_WORST_LAST.index, default=State.CLOSED)
        backend.suspect_until = float("inf") if any(facts.is_suspect for facts in said) else 0.0
        backend.is_spared = any(facts.is_spared for facts in said)
        backend.judge(now)

    def _wait(self, worker: int, name: str, count: int) -> None:
        known = self._waiting.setdefault(worker, {})
        if known.get(name, 0) == count:
            return
        known[name] = count
        self._line_up(name)

    def _line_up(self, name: str) -> None:
        service = self._fleet.services.get(name)
        if service is not None:
            service.waiting_elsewhere = sum(known.get(name, 0) for known in self._waiting.values())

    def _find(self, service: str, key: BackendKey) -> Backend | None:
        """A backend that is here, else the latest that left."""
        present = self._fleet.services.get(service)
        if present is not None and key in present.backends:
            return present.backends[key]
        for backend, _ in reversed(self._fleet.departed):
            if backend.key == key and backend.spec.service == service:
                return backend
        return None

    def _statistics(self, name: str, now: float) -> ServiceStatistics | None:
        """Those of a service that is here, or was lately."""
        present = self._fleet.services
        if name in present:
            self._services[name] = present[name].statistics, now
        elif len(self._services) > len(present):
            self._services = {
                name: entry
                for name, entry in self._services.items()
                if now - entry[1] < KEEP_DEPARTED or name in present
            }
        entry = self._services.get(name)
        return None if entry is None else entry[0]

    def __repr__(self) -> str:
        return f"<Book of {len(self._facts)} workers>"


def _enter_service(statistics: ServiceStatistics, tally: ServiceTally) -> None:
    for method, status, count in tally.requests:
        statistics.add_requests(method, status, count)
    for name, count in tally.counts.items():
        setattr(statistics, name, getattr(statistics, name) + count)
    for name, counts in tally.by_failure.items():
        _add(getattr(statistics, name), _by_failure(counts))
    for name, durations in tally.durations.items():
        _enter_durations(getattr(statistics, name), durations)


def _enter_backend(backend: Backend, tally: BackendTally) -> None:
    statistics = backend.statistics
    statistics.responses = [one + other for one, other in zip(statistics.responses, tally.responses, strict=True)]
    _enter_durations(statistics.first_byte, tally.first_byte)
    _add(statistics.failures, _by_failure(tally.failures))
    backend.circuit.opened.update(tally.opened)


def _enter_durations(histogram: Histogram, added: Durations) -> None:
    histogram.counts = [one + other for one, other in zip(histogram.counts, added.counts, strict=True)]
    histogram.total += added.total


def _by_failure(counts: Mapping[str, int]) -> dict[Failure, int]:
    return {_FAILURES[label]: count for label, count in counts.items()}


def _add(total: dict[K, int], added: Mapping[K, int]) -> None:
    for key, count in added.items():
        total[key] = total.get(key, 0) + count
