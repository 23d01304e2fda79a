"""What the admin server looks at. The composition root fills it; nothing here knows where a figure comes from."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeAlias

from proxy.admin.events import EventLog
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import FleetInterface
from proxy.fleet.spans import SpanQueue
from proxy.fleet.statistics import Histogram, PlaneStatistics
from proxy.health.verdict import Verdict
from proxy.problem import Problem
from proxy.spec.config import Resolved
from proxy.spec.container import ContainerReport
from proxy.spec.service import BackendKey

Connections: TypeAlias = Mapping[tuple[str, str], int]  # (downstream or upstream, active or idle) → how many


class Condition(Enum):
    """What must hold before requests should be sent to this proxy."""

    LISTENING = "listening"
    SERVED = "a worker serves"
    DISCOVERED = "first discovery done"
    NOT_DRAINING = "not draining"


class Readiness:
    """The conditions that hold now. A new one waits for the listeners, a worker and discovery."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = {Condition.NOT_DRAINING}

    def hold(self, condition: Condition) -> None:
        """The condition holds from now on."""
        self._held.add(condition)

    def lose(self, condition: Condition) -> None:
        """The condition holds no longer."""
        self._held.discard(condition)

    def holds(self, condition: Condition) -> bool:
        """Whether it holds."""
        return condition in self._held

    @property
    def missing(self) -> list[Condition]:
        """Those that do not hold; ready when there are none."""
        return [condition for condition in Condition if condition not in self._held]

    def __repr__(self) -> str:
        return f"<Readiness missing={[condition.value for condition in self.missing]}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryFigures:
    """How discovery does. `connected` is None where there is no engine to be connected to.

    `reconnects` counts connections to the engine after the first. `event_lag` is from an event's own time stamp to its
    having taken effect.
    """

    connected: bool | None
    reconciles: int
    reconnects: int
    event_lag: Histogram


class ProbeView(NamedTuple):
    """What the probes of one address came to. `last_error` is empty when the last one passed."""

    verdict: Verdict
    last_error: str
    passed: Histogram
    failed: Histogram


class WorkerView(NamedTuple):
    """One worker process. `pid` None: it has ended, and another will be started. `version` is the fleet's it serves."""

    pid: int | None
    version: int
    restarts: int


async def all_is_fresh() -> None:
    """The `refresh` of a proxy that is one process."""


def no_workers() -> Sequence[WorkerView]:
    """The `workers` of a proxy that is one process."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Everything the admin server reads, and what it may change.

    `problems` are those that stand in no container's report. `calls` takes a drain or undrain to wherever the fleet is.
    `probe` is None for an address that nobody probes. `refresh` has the figures of `fleet` and `plane` brought up to
    date, where others count.
    """

    fleet: Fleet
    calls: FleetInterface
    plane: PlaneStatistics
    readiness: Readiness
    connections: Callable[[], Connections]
    containers: Callable[[], Sequence[ContainerReport]]
    problems: Callable[[], Sequence[Problem]]
    discovery: Callable[[], DiscoveryFigures]
    configuration: Callable[[], Resolved]
    probe: Callable[[BackendKey], ProbeView | None]
    events: EventLog
    refresh: Callable[[], Awaitable[None]] = all_is_fresh
    workers: Callable[[], Sequence[WorkerView]] = no_workers
    spans: SpanQueue = field(default_factory=SpanQueue)
    clock: Callable[[], float] = time.monotonic  # the one whose seconds the fleet is given
