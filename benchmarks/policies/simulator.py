"""Requests through Seawall's own fleet in virtual time: its services, policies and in-flight counts, and no socket.

Law: nothing here knows a policy. What a request meets comes of `Service.take` and `Service.release`, called when the
data plane would call them.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush

from benchmarks.policies.scenarios import Queue, Scenario
from proxy.fleet.backend import Backend
from proxy.fleet.fleet import Fleet
from proxy.fleet.service import Service
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, BackendSpec, PolicyName, ServiceSpec

NAME = "web"


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it: times from due to done in the order of arrival, and how many requests each station got."""

    times: list[float]
    taken: list[int]


def service_of(scenario: Scenario, policy: PolicyName, chance: random.Random) -> Service:
    """The scenario's fleet as Seawall keeps it, everybody available; backends are in the order of its stations."""
    backends = tuple(
        BackendSpec(
            key=BackendKey(container=f"c{number}", host="10.0.0.1", port=8000 + number),
            name=f"c{number}",
            service=NAME,
            weight=station.weight,
        )
        for number, station in enumerate(scenario.stations)
    )
    fleet = Fleet(chance)
    # Slow start is for who joins a fleet that serves; here all begin at once.
    fleet.reconcile(Desired(services=(ServiceSpec(name=NAME, policy=policy, slow_start=0.0),), backends=backends), 0.0)
    return fleet.services[NAME]


def simulate(scenario: Scenario, policy: PolicyName, requests: Iterable[tuple[float, float]], seed: str) -> Run:
    """Send requests (due, work), in the order they are due."""
    service = service_of(scenario, policy, random.Random(f"policy {seed}"))
    stations = [Queue(station) for station in scenario.stations]
    numbers = {backend: number for number, backend in enumerate(service.backends.values())}
    taken = [0] * len(stations)
    under_way: list[tuple[float, int, Backend]] = []  # done, tie-breaker, where
    times: list[float] = []
    for due, work in requests:
        while under_way and under_way[0][0] <= due:
            service.release(heappop(under_way)[2])
        backend = service.take((), False)
        assert backend is not None  # nobody fails or is full here
        number = numbers[backend]
        done = stations[number].enter(due, work)
        heappush(under_way, (done, len(times), backend))
        taken[number] += 1
        times.append(done - due)
    return Run(times, taken)
