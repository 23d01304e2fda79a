"""A prober whose backends answer as a test says, in virtual time."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from proxy.control.prober import Prober
from proxy.control.probes.question import Question
from proxy.health.verdict import Outcome, Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, BackendSpec, HealthSpec, ServiceSpec
from tests.support.fake_fleet import FakeFleet

A_MOMENT = 0.03  # more than a TICK
PASSED = Outcome(passed=True, seconds=0.001)
REFUSED = Outcome(passed=False, hard=True, error="connection refused", seconds=0.001)
BUSY = Outcome(passed=False, error="status 503, expected 200-399", seconds=0.001)
HANGS = None


class Backends:
    """Answers every probe as `outcomes` says of its host, PASSED if nothing; HANGS never ends by itself."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome | None] = {}
        self.asked: list[tuple[float, str]] = []
        self.within: list[float] = []
        self.at_once = 0
        self.most_at_once = 0
        self.can_ask = True

    async def __call__(self, question: Question, within: float) -> Outcome | None:
        self.asked.append((now(), question.host))
        self.within.append(within)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            outcome = self.outcomes.get(question.host, PASSED)
            await asyncio.sleep(within if outcome is HANGS else outcome.seconds)
        finally:
            self.at_once -= 1
        if not self.can_ask:
            return None
        return outcome or Outcome(passed=False, error=f"no answer within {within:g}s", seconds=within)

    def times(self, host: str) -> list[float]:
        """When it was asked, since the first time."""
        times = [time for time, asked in self.asked if asked == host]
        return [round(time - times[0], 2) for time in times]


@dataclass
class Scene:
    prober: Prober
    fleet: FakeFleet
    backends: Backends

    @property
    def told(self) -> list[tuple[str, Verdict, str]]:
        """The verdicts that the fleet was told, by container."""
        return [(key.container, verdict, error) for key, verdict, error in self.fleet.verdicts]

    @property
    def confirmed(self) -> list[tuple[str, bool]]:
        """What suspicions came to, by container."""
        return [(key.container, passed) for key, passed in self.fleet.confirmations]

    def follow(self, *backends: BackendSpec, health: HealthSpec | None = None, **of_services: HealthSpec) -> None:
        names = {backend.service for backend in backends}
        services = [ServiceSpec(name=name, health=of_services.get(name, health or HealthSpec())) for name in names]
        self.prober.follow(Desired(services=tuple(services), backends=backends))


def now() -> float:
    return asyncio.get_running_loop().time()


def spec(name: str, service: str = "web", **changes: Any) -> BackendSpec:
    key = BackendKey(container=name, host=name, port=80)
    return BackendSpec(key=key, name=name, service=service, **changes)


@asynccontextmanager
async def probing() -> AsyncIterator[Scene]:
    fleet, backends = FakeFleet(), Backends()
    prober = Prober(fleet, random.Random(3), backends, asyncio.get_running_loop().time)
    task = asyncio.create_task(prober.run())
    await asyncio.sleep(0)
    try:
        yield Scene(prober, fleet, backends)
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()
        assert backends.at_once == 0
