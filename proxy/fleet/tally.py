"""What a data plane has counted since it last said so, and how backends stand with it: for a fleet elsewhere to enter.

Counts are differences, so that whoever adds them up loses none when a process ends; facts are as they are now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from proxy.failure import Failure
from proxy.fleet.backend import Backend
from proxy.fleet.fleet import KEEP_DEPARTED, Fleet
from proxy.fleet.service import Service
from proxy.fleet.statistics import BOUNDS, Histogram, PlaneStatistics
from proxy.health.circuit import Cause, State
from proxy.spec.service import BackendKey

K = TypeVar("K")
# What ServiceStatistics counts beside requests; a test holds it to all there is.
COUNTS: Final = ("request_bytes", "response_bytes", "retries_denied", "queue_dropped")
PLANE_COUNTS: Final = ("unrouted", "access_log_dropped")  # the same of PlaneStatistics, beside bad requests
BY_FAILURE: Final = ("retries", "rescues")
DURATIONS: Final = ("duration", "queue_waits")
_NO_COUNTS: Final = (0,) * (len(BOUNDS) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """What was added to a histogram: counts per bucket, and seconds."""

    counts: tuple[int, ...] = _NO_COUNTS
    total: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """How a backend stands with one data plane, as far as requests tell."""

    in_flight: int = 0
    circuit: State = State.CLOSED
    is_suspect: bool = False
    is_spared: bool = False


NOTHING_KNOWN: Final = Facts()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendTally:
    """Of one backend; `failures` by label."""

    service: str
    key: BackendKey
    facts: Facts
    responses: tuple[int, ...]
    first_byte: Durations
    failures: Mapping[str, int]
    opened: Mapping[Cause, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTally:
    """Of one service; `requests` is of (method, status, how many), `waiting` how many stand in its line now.

    The others are by name of the attribute of ServiceStatistics: COUNTS, BY_FAILURE and DURATIONS.
    """

    name: str
    waiting: int
    requests: tuple[tuple[bytes, int, int], ...]
    counts: Mapping[str, int]
    by_failure: Mapping[str, Mapping[str, int]]
    durations: Mapping[str, Durations]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Of a whole data plane: those that have anything new."""

    services: tuple[ServiceTally, ...] = ()
    backends: tuple[BackendTally, ...] = ()
    bad_requests: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)  # those of PLANE_COUNTS that have grown


class _BackendSaid:
    """The totals of one backend that were said so far."""

    __slots__ = ("circuit_opened", "facts", "failures", "first_byte", "responses")

    def __init__(self) -> None:
        self.facts = NOTHING_KNOWN
        self.responses = [0] * 10
        self.first_byte = Durations()
        self.failures: dict[Failure, int] = {}
        self.circuit_opened: dict[Cause, int] = {}

    def holds(self, backend: Backend, facts: Facts) -> bool:
        """Whether there is nothing new. A first byte comes with a response."""
        statistics = backend.statistics
        return (
            self.responses == statistics.responses
            and self.facts == facts
            and self.failures == statistics.failures
            and self.circuit_opened == backend.circuit.opened
        )

    def renew(self, backend: Backend, facts: Facts) -> BackendTally:
        """What is new; from now on it was said."""
        statistics = backend.statistics
        tally = BackendTally(
            service=backend.spec.service,
            key=backend.key,
            facts=facts,
            responses=_more(statistics.responses, self.responses),
            first_byte=_since(_copied(statistics.first_byte), self.first_byte),
            failures=_by_label(_added(statistics.failures, self.failures)),
            opened=_added(backend.circuit.opened, self.circuit_opened),
        )
        self.facts = facts
        self.responses = list(statistics.responses)
        self.first_byte = _copied(statistics.first_byte)
        self.failures = dict(statistics.failures)
        self.circuit_opened = dict(backend.circuit.opened)
        return tally


class _ServiceSaid:
    """The totals of one service that were said so far."""

    __slots__ = ("by_failure", "counts", "durations", "requests", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.requests: dict[tuple[bytes, int], int] = {}
        self.counts = dict.fromkeys(COUNTS, 0)
        self.by_failure: dict[str, dict[Failure, int]] = {name: {} for name in BY_FAILURE}
        self.durations = {name: Durations() for name in DURATIONS}

    def renew(self, service: Service) -> ServiceTally | None:
        """What is new, None when nothing is; from now on it was said."""
        statistics = service.statistics
        counts = {name: getattr(statistics, name) for name in COUNTS}
        by_failure = {name: dict(getattr(statistics, name)) for name in BY_FAILURE}
        durations = {name: _copied(getattr(statistics, name)) for name in DURATIONS}
        requests = statistics.requests
        now = (len(service.line), requests, counts, by_failure, durations)
        if now == (self.waiting, self.requests, self.counts, self.by_failure, self.durations):
            return None
        new_requests = _added(requests, self.requests)
        tally = ServiceTally(
            name=service.spec.name,
            waiting=len(service.line),
            requests=tuple((method, status, count) for (method, status), count in new_requests.items()),
            counts=_added(counts, self.counts),
            by_failure={name: _by_label(_added(by_failure[name], self.by_failure[name])) for name in BY_FAILURE},
            durations={name: _since(durations[name], self.durations[name]) for name in DURATIONS},
        )
        self.waiting, self.requests = len(service.line), requests
        self.counts, self.by_failure, self.durations = counts, by_failure, durations
        return tally


class TallyTaker:
    """Takes what is new of a fleet and its data plane; remembers what was taken before."""

    def __init__(self, fleet: Fleet, plane: PlaneStatistics) -> None:
        self._fleet = fleet
        self._plane = plane
        self._backends: dict[Backend, _BackendSaid] = {}
        self._services: dict[Service, _ServiceSaid] = {}
        self._turn: list[Service | Backend] = []  # to be looked at before anybody is again
        self._gone: dict[Service, float] = {}  # and when it was first missed: requests may still end there
        self._bad_requests: dict[Failure, int] = {}
        self._counts = dict.fromkeys(PLANE_COUNTS, 0)

    def take(self, now: float, most: int | None = None) -> Tally:
        """Everything that is new since the last time; with `most` only of so many services and backends in their turn.

        Everything takes 6 ms with 10 000 backends, and a thousand of them 0.6 ms.
        """
        bad_requests = _added(self._plane.bad_requests, self._bad_requests)
        counts = {name: getattr(self._plane, name) for name in PLANE_COUNTS}
        grown = _added(counts, self._counts)
        self._bad_requests, self._counts = dict(self._plane.bad_requests), counts
        services, backends = [], []
        for each in self._next(now, most):
            if isinstance(each, Backend):
                facts = facts_of(each)
                said = self._backends[each]
                if not said.holds(each, facts):
                    backends.append(said.renew(each, facts))
            elif (tally := self._services[each].renew(each)) is not None:
                services.append(tally)
        return Tally(
            services=tuple(services), backends=tuple(backends), bad_requests=_by_label(bad_requests), counts=grown
        )

    def begin_turn(self, now: float) -> None:
        """Let `take` look at everybody again from the first on."""
        self._turn = self._everybody(now)

    @property
    def left(self) -> int:
        """How many the turn has still to look at."""
        return len(self._turn)

    def _next(self, now: float, most: int | None) -> list[Service | Backend]:
        """Whose turn it is."""
        if most is None or not self._turn:
            self._turn = self._everybody(now)
        most = len(self._turn) if most is None else most
        turn, self._turn = self._turn[:most], self._turn[most:]
        return turn

    def _everybody(self, now: float) -> list[Service | Backend]:
        """All there are, and were lately; nothing is remembered of others."""
        present = self._fleet.services
        for service in self._services:
            if present.get(service.spec.name) is not service:
                self._gone.setdefault(service, now)
        self._gone = {service: when for service, when in self._gone.items() if now - when < KEEP_DEPARTED}
        services = [*present.values(), *self._gone]
        backends = [*self._fleet.backends(), *(backend for backend, _ in self._fleet.departed)]
        self._services = {each: self._services.get(each) or _ServiceSaid() for each in services}
        self._backends = {each: self._backends.get(each) or _BackendSaid() for each in backends}
        return [*services, *backends]


def facts_of(backend: Backend) -> Facts:
    """How it stands; one object for all with whom nothing is the matter."""
    state = backend.circuit.state
    if not backend.in_flight and state is State.CLOSED and not backend.suspect_until and not backend.is_spared:
        return NOTHING_KNOWN
    return Facts(
        in_flight=backend.in_flight,
        circuit=state,
        is_suspect=backend.suspect_until > 0.0,
        is_spared=backend.is_spared,
    )


def _copied(histogram: Histogram) -> Durations:
    return Durations(counts=tuple(histogram.counts), total=histogram.total)


def _since(now: Durations, before: Durations) -> Durations:
    return Durations(counts=_more(now.counts, before.counts), total=now.total - before.total)


def _more(now: Sequence[int], before: Sequence[int]) -> tuple[int, ...]:
    return tuple(one - other for one, other in zip(now, before, strict=True))


def _added(now: Mapping[K, int], before: Mapping[K, int]) -> dict[K, int]:
    return {key: count - before.get(key, 0) for key, count in now.items() if count != before.get(key, 0)}


def _by_label(counts: Mapping[Failure, int]) -> dict[str, int]:
    return {failure.label: count for failure, count in counts.items()}
