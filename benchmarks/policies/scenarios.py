"""Who serves, how much work requests bring, and when they come.

The unit of time is the mean time a request takes at an ordinary server, alone: a service time. Load is the share of all
servers' time that the requests need: 1 is what the whole fleet can carry.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from heapq import heapreplace
from typing import Final

from proxy.spec.service import PolicyName

# A bounded Pareto: most requests are small, and the largest 1 % of them bring a fifth of the work.
TAIL: Final = 1.5  # its exponent
LONGEST: Final = 1000.0  # times the shortest
_CUT: Final = 1 - LONGEST**-TAIL
_RAW_MEAN: Final = TAIL / (TAIL - 1) * (1 - LONGEST ** (1 - TAIL)) / _CUT
_RAW_SECOND_MOMENT: Final = TAIL / (2 - TAIL) * (LONGEST ** (2 - TAIL) - 1) / _CUT


class Work(Enum):
    """How the time that requests take is distributed; the mean is 1."""

    EXPONENTIAL = "exponential"
    DETERMINISTIC = "deterministic"
    HEAVY = "heavy-tailed"  # the bounded Pareto of Harchol-Balter, Crovella, Murta (1999), exponent 1.5, 1:1000

    @property
    def second_moment(self) -> float:
        """E[X²], of which the mean wait in a queue depends."""
        if self is Work.EXPONENTIAL:
            return 2.0
        return 1.0 if self is Work.DETERMINISTIC else _RAW_SECOND_MOMENT / _RAW_MEAN**2

    def draw(self, chance: random.Random) -> float:
        """The work of one request, in service times."""
        if self is Work.EXPONENTIAL:
            return chance.expovariate(1.0)
        return 1.0 if self is Work.DETERMINISTIC else (1 - chance.random() * _CUT) ** (-1 / TAIL) / _RAW_MEAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One backend: requests queue for `servers`, first come first served, each `slowness` times as slow as others."""

    servers: int = 1
    slowness: float = 1.0
    weight: int = 1

    @property
    def capacity(self) -> float:
        """Requests per service time."""
        return self.servers / self.slowness


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursts:
    """Requests come only while the source is on; both phases have exponential lengths with these means."""

    on: float
    off: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A fleet and what is asked of it, at each of some loads."""

    name: str
    title: str
    stations: tuple[Station, ...]
    loads: tuple[float, ...]
    work: Work = Work.EXPONENTIAL
    bursts: Bursts | None = None

    @property
    def capacity(self) -> float:
        """Requests per service time that the whole fleet can carry."""
        return sum(station.capacity for station in self.stations)

    def ceiling(self, policy: PolicyName) -> float:
        """The load from which on a queue grows without end.

        Random and round-robin send everybody the share of its weight, whatever it can carry. Least-connections sends
        less to whoever falls behind: nobody's queue grows alone.
        """
        if policy is PolicyName.LEAST_CONNECTIONS:
            return 1.0
        weights = sum(station.weight for station in self.stations)
        return min(station.capacity * weights / station.weight for station in self.stations) / self.capacity


LOADS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_EQUAL: Final = (Station(),) * 4
_UNEVEN: Final = tuple(Station(servers=servers) for servers in (1, 1, 2, 4))
SCENARIOS: Final = (
    Scenario(name="equal", title="Four equal backends, exponential work", stations=_EQUAL, loads=LOADS),
    Scenario(
        name="deterministic",
        title="Four equal backends, every request the same work",
        stations=_EQUAL,
        loads=LOADS,
        work=Work.DETERMINISTIC,
    ),
    Scenario(
        name="heavy",
        title="Four equal backends, heavy-tailed work",
        stations=_EQUAL,
        loads=LOADS,
        work=Work.HEAVY,
    ),
    Scenario(
        name="slow",
        title="One of four backends is ten times as slow",
        stations=(*_EQUAL[:3], Station(slowness=10.0)),
        loads=tuple(sorted({*LOADS, 0.02, 0.08, 0.12})),
    ),
    Scenario(
        name="uneven",
        title="Backends with 1, 1, 2 and 4 servers, weights not set",
        stations=_UNEVEN,
        loads=LOADS,
    ),
    Scenario(
        name="weighted",
        title="Backends with 1, 1, 2 and 4 servers, weights set",
        stations=tuple(replace(station, weight=station.servers) for station in _UNEVEN),
        loads=LOADS,
    ),
    Scenario(
        name="bursts",
        title="Four equal backends, requests half of the time at twice the rate",
        stations=_EQUAL,
        loads=LOADS,
        bursts=Bursts(on=10.0, off=10.0),
    ),
)
BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}


class Queue:
    """A station at work. Who enters knows at once when it will be done: nobody overtakes."""

    __slots__ = ("_free_at", "_slowness")

    def __init__(self, station: Station) -> None:
        self._free_at = [0.0] * station.servers  # a heap: the server that is free first serves next
        self._slowness = station.slowness

    def enter(self, now: float, work: float) -> float:
        """When a request that comes now with this much work is done."""
        end = max(now, self._free_at[0]) + work * self._slowness
        heapreplace(self._free_at, end)
        return end


def requests(scenario: Scenario, load: float, count: int, seed: str) -> Iterator[tuple[float, float]]:
    """When each request is due, and its work; the same for every policy, so that these differ by nothing else."""
    chance = random.Random(f"work {seed}")
    rate = load * scenario.capacity
    for due, _ in zip(_arrivals(rate, scenario.bursts, random.Random(f"due {seed}")), range(count), strict=False):
        yield due, scenario.work.draw(chance)


def _arrivals(rate: float, bursts: Bursts | None, chance: random.Random) -> Iterable[float]:
    """A Poisson process, while the source is on; `rate` is its mean over all time."""
    now, end_of_burst = 0.0, float("inf")
    if bursts is not None:
        rate *= (bursts.on + bursts.off) / bursts.on
        end_of_burst = chance.expovariate(1 / bursts.on)
    while True:
        now += chance.expovariate(rate)
        while bursts is not None and now > end_of_burst:
            # What was drawn beyond the end is drawn anew at the next beginning: the process has no memory.
            now = end_of_burst + chance.expovariate(1 / bursts.off)
            end_of_burst = now + chance.expovariate(1 / bursts.on)
            now += chance.expovariate(rate)
        yield now
