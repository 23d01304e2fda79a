"""All figures of one moment, copied in one go on the loop, so that another thread can write them out at its leisure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from proxy.admin.ledger import BackendHistory, Ledger, total_of_histories, total_of_services
from proxy.admin.views import Connections, Views
from proxy.failure import Failure
from proxy.fleet.backend import Backend, Unavailable
from proxy.fleet.fleet import KEEP_DEPARTED, Fleet
from proxy.fleet.statistics import BOUNDS, Histogram, ServiceStatistics
from proxy.health.circuit import Cause, State
from proxy.spec.container import Decision


class Durations(NamedTuple):
    """A histogram: counts per bucket and the sum of all durations in seconds."""

    counts: tuple[int, ...]
    total: float


class ServiceFigures(NamedTuple):
    """One series of services; a sum where several of one name are known."""

    name: str
    requests: Mapping[tuple[bytes, int], int]
    duration: Durations
    request_bytes: int
    response_bytes: int
    retries: Mapping[Failure, int]
    rescues: Mapping[Failure, int]
    retries_denied: int
    queue_waits: Durations
    queue_dropped: int
    waiting: int  # now


class Standing(NamedTuple):
    """How the backends of one series stand together; `unavailable` None when one of them is available."""

    in_flight: int
    unavailable: Unavailable | None
    circuit: State  # of that one, else of any


_NO_DURATIONS: Final = Durations((0,) * (len(BOUNDS) + 1), 0.0)
_NEVER_OPENED: Final[Mapping[Cause, int]] = {}
_GONE: Final = Standing(0, Unavailable.GONE, State.CLOSED)  # of a series that has nobody


class BackendFigures(NamedTuple):
    """One series of backends."""

    service: str
    name: str
    responses: tuple[int, ...]
    first_byte: Durations
    failures: Mapping[Failure, int]
    passed_probes: Durations
    failed_probes: Durations
    opened: Mapping[Cause, int]
    standing: "Standing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One moment."""

    services: tuple[ServiceFigures, ...]
    backends: tuple[BackendFigures, ...]
    bad_requests: Mapping[Failure, int]
    unrouted: int
    access_log_dropped: int
    spans_exported: int
    spans_dropped: int
    connections: Connections
    containers: Mapping[Decision, int]
    problems: Mapping[str, int]  # by kind
    connected: bool | None
    reconciles: int
    reconnects: int
    event_lag: Durations
    worker_restarts: int


class FigureTaker:
    """Takes the figures; remembers between two takings which series had which statistics."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._services: Ledger[str, ServiceStatistics] = Ledger(total_of_services)
        self._backends: Ledger[tuple[str, str], BackendHistory] = Ledger(total_of_histories)
        self._histories: dict[Backend, BackendHistory] = {}

    def take(self) -> Figures:
        """The figures of now. Nothing in them changes any more."""
        views = self._views
        now = views.clock()
        reports = views.containers()
        problems = Counter(problem.kind for report in reports for problem in report.problems)
        problems.update(problem.kind for problem in views.problems())
        discovery = views.discovery()
        return Figures(
            services=self._take_services(now),
            backends=self._take_backends(now),
            bad_requests=dict(views.plane.bad_requests),
            unrouted=views.plane.unrouted,
            access_log_dropped=views.plane.access_log_dropped,
            spans_exported=views.spans.exported,
            spans_dropped=views.spans.dropped,
            connections=dict(views.connections()),
            containers=Counter(report.decision for report in reports),
            problems=problems,
            connected=discovery.connected,
            reconciles=discovery.reconciles,
            reconnects=discovery.reconnects,
            event_lag=_durations(discovery.event_lag),
            worker_restarts=sum(worker.restarts for worker in views.workers()),
        )

    def _take_services(self, now: float) -> tuple[ServiceFigures, ...]:
        services = self._views.fleet.services
        present = {service.statistics: name for name, service in services.items()}
        return tuple(
            ServiceFigures(
                name,
                statistics.requests,
                _durations(statistics.duration),
                statistics.request_bytes,
                statistics.response_bytes,
                dict(statistics.retries),
                dict(statistics.rescues),
                statistics.retries_denied,
                _durations(statistics.queue_waits),
                statistics.queue_dropped,
                services[name].waiting if name in services else 0,
            )
            for name, statistics in self._services.settle(present, {}, now).items()
        )

    def _take_backends(self, now: float) -> tuple[BackendFigures, ...]:
        fleet = self._views.fleet
        histories = self._write_histories()
        present = {histories[backend]: _key(backend) for backend in fleet.backends()}
        departed = {histories[backend]: (_key(backend), when) for backend, when in fleet.departed}
        standings = _standings(fleet, now)
        return tuple(
            BackendFigures(
                key[0],
                key[1],
                tuple(history.statistics.responses),
                _durations(history.statistics.first_byte),
                dict(history.statistics.failures),
                _durations(history.passed_probes),
                _durations(history.failed_probes) if history.failed_probes.total else _NO_DURATIONS,
                dict(history.opened) if history.opened else _NEVER_OPENED,
                standings.get(key, _GONE),
            )
            for key, history in self._backends.settle(present, departed, now).items()
        )

    def _write_histories(self) -> dict[Backend, BackendHistory]:
        """Those of every backend that is here or left lately; what the prober counted of one that left is kept."""
        fleet, probe, known = self._views.fleet, self._views.probe, self._histories
        histories = {}
        for backend in fleet.backends():
            history = histories[backend] = known.get(backend) or BackendHistory(backend.statistics)
            history.opened = backend.circuit.opened
            view = probe(backend.key)
            if view is not None:
                history.passed_probes, history.failed_probes = view.passed, view.failed
        for backend, _ in fleet.departed:
            histories[backend] = known.get(backend) or BackendHistory(backend.statistics)
        self._histories = histories
        return histories


def _key(backend: Backend) -> tuple[str, str]:
    return backend.spec.service, backend.spec.name


def _standings(fleet: Fleet, now: float) -> dict[tuple[str, str], Standing]:
    """What is in flight at the backends of each series, and how they stand together.

    Those that are here speak for those that left, and an available one for all.
    """
    standings: dict[tuple[str, str], Standing] = {}
    for backend, when in fleet.departed:
        if now - when < KEEP_DEPARTED:
            in_flight = standings.get(_key(backend), _GONE).in_flight
            standings[_key(backend)] = _GONE._replace(in_flight=backend.in_flight + in_flight)
    for backend in fleet.backends():
        before = standings.get(_key(backend), _GONE)
        in_flight = backend.in_flight + before.in_flight
        if before.unavailable is None:
            standings[_key(backend)] = before._replace(in_flight=in_flight)
        else:
            standings[_key(backend)] = Standing(in_flight, backend.unavailable, backend.circuit.state)
    return standings


def _durations(histogram: Histogram) -> Durations:
    return Durations(tuple(histogram.counts), histogram.total)
