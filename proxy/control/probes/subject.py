"""What is known of one address that is probed."""

from collections.abc import Sequence
from typing import Final

from proxy.control.probes.question import question_of
from proxy.fleet.statistics import Histogram
from proxy.health.verdict import Outcome, ProbeRecord
from proxy.spec.service import BackendKey, BackendSpec, HealthSpec, Lifecycle

# Of a container that is paused, told to stop or dead, everything is known.
_PROBED: Final = frozenset((Lifecycle.PENDING, Lifecycle.RUNNING, Lifecycle.UNHEALTHY))


class ProbeStatistics:
    """Durations of the probes so far by how they ended, confirming ones among them."""

    __slots__ = ("failed", "passed")

    def __init__(self) -> None:
        self.passed = Histogram()
        self.failed = Histogram()

    def count(self, outcome: Outcome) -> None:
        """One more."""
        (self.passed if outcome.passed else self.failed).observe(outcome.seconds)


class Subject:
    """A backend under probes. Services that share an address share what is known of it."""

    __slots__ = ("backends", "health", "is_confirming", "is_probing", "question", "record", "statistics")

    def __init__(self, backends: Sequence[BackendSpec], health: HealthSpec, now: float) -> None:
        self.backends = tuple(backends)
        self.health = health
        self.question = question_of(backends[0], health)
        self.record = ProbeRecord(health, now)
        self.statistics = ProbeStatistics()
        self.is_probing = False
        self.is_confirming = False

    def apply(self, backends: Sequence[BackendSpec], health: HealthSpec, now: float) -> None:
        """Take over what is described now; of a container that was started anew nothing is known, as in the fleet."""
        if backends[0].started != self.backends[0].started:
            self.record = ProbeRecord(health, now)
        elif health != self.health:
            self.record = self.record.with_spec(health)
        self.backends = tuple(backends)
        self.health = health
        self.question = question_of(backends[0], health)

    @property
    def key(self) -> BackendKey:
        """The address, and whose it is."""
        return self.backends[0].key

    @property
    def is_reachable(self) -> bool:
        """Whether its container is in a state in which an answer would tell something."""
        return self.backends[0].lifecycle in _PROBED

    @property
    def is_probed(self) -> bool:
        """Whether it is to be probed in its own time.

        One that the engine checks is left to the engine, until a confirming probe took it down: then only a probe can
        bring it back.
        """
        if not self.is_reachable:
            return False
        by_engine = self.backends[0].has_healthcheck and self.health.path is None
        return not by_engine or self.record.is_down

    def __repr__(self) -> str:
        names = "+".join(f"{backend.service}/{backend.name}" for backend in self.backends)
        return f"<Subject {names} {self.record.verdict.name}>"
