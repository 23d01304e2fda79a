"""The engine and its containers' fates: deploys, crashes, pauses, health checks; events late, lost and repeated."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

from proxy.control.discovery.event import EngineEvent
from proxy.control.discovery.known import STOPPING
from tests.simulation.backends import TROUBLES, Mode, SimulatedBackend
from tests.simulation.journal import Journal
from tests.simulation.network import Network
from tests.support.fake_engine import FakeContainer, FakeEngine, FakeSubscription, wall_clock

LOST: Final = 0.04  # shares of events
REPEATED: Final = 0.04
LATE: Final = 0.1
HUP: Final = 1
TERM: Final = 15


class SimulatedEngine(FakeEngine):
    """Its events come in order, but not when they happen; some not at all and some twice, until `is_true`."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.is_true = False
        self._chance = chance
        self._due = 0.0
        self._told_down: dict[str, tuple[float, str]] = {}  # when the container had started, and the event
        self._told_to_stop: dict[str, tuple[float, float]] = {}  # likewise, and until when that holds

    def _tell(self, subscription: FakeSubscription, event: EngineEvent) -> None:
        chance = self._chance
        if not self.is_true and chance.random() < LOST:
            return
        loop = asyncio.get_running_loop()
        for _ in range(2 if not self.is_true and chance.random() < REPEATED else 1):
            delay = chance.uniform(0.1, 1.0) if chance.random() < LATE else chance.uniform(0.0, 0.02)
            # A hair later than the one before, as timers of the same moment have no order.
            self._due = max(loop.time() + delay, self._due + 1e-6)
            loop.call_at(self._due, self._hand_over, subscription, event)

    def _hand_over(self, subscription: FakeSubscription, event: EngineEvent) -> None:
        if subscription.ended.done():
            return
        subscription.on_event(event)
        container = next((one for one in self.containers.values() if one.id == event.container), None)
        if container is None or container.started >= event.time - 1e-6:  # it is about an earlier run
            return
        if event.action in ("die", "pause") and container.status != "running":
            self._told_down[container.id] = container.started, event.action
        elif event.action == "kill" and event.signal == TERM:
            told = self._told_to_stop.get(container.id)
            if told is None or told[0] != container.started:  # the first of several signals counts
                self._told_to_stop[container.id] = container.started, asyncio.get_running_loop().time() + STOPPING

    def unpause(self, name: str) -> None:
        self._told_down.pop(self.containers[name].id, None)
        super().unpause(name)

    def what_was_told(self, container_id: str) -> str:
        """Why nobody may be sent there, by events that discovery has heard and that still hold; else empty."""
        container = next((one for one in self.containers.values() if one.id == container_id), None)
        if container is None:
            return ""
        started, action = self._told_down.get(container_id, (0.0, ""))
        if started == container.started and container.status != "running":
            return action
        started, until = self._told_to_stop.get(container_id, (0.0, 0.0))
        if started == container.started and asyncio.get_running_loop().time() < until:
            return "kill"
        return ""


class Fates:
    """What becomes of containers: `strike` is one random thing, `heal` makes everything well again, for good."""

    def __init__(
        self,
        engine: SimulatedEngine,
        network: Network,
        journal: Journal,
        chance: random.Random,
        labels: dict[str, str],
        is_checked: bool,
    ) -> None:
        self.backends: dict[str, SimulatedBackend] = {}
        self._engine = engine
        self._network = network
        self._journal = journal
        self._chance = chance
        self._labels = labels
        self._is_checked = is_checked
        self._count = 0
        self._is_healed = False
        self._timers: list[asyncio.TimerHandle] = []

    def add(self, boots: bool = True) -> SimulatedBackend:
        """A new container."""
        self._count += 1
        name, address = f"b{self._count}", f"10.0.1.{self._count}"
        backend = SimulatedBackend(name, self._journal, self._chance)
        self.backends[name] = backend
        self._network.hosts[address] = backend
        health = {"health": "starting" if boots else "healthy"} if self._is_checked else {}
        self._engine.run(name, self._labels, {"net": address}, **health)
        if boots:
            self._boot(backend)
        return backend

    def strike(self) -> None:
        """Something happens to somebody."""
        chance = self._chance
        running = [each for each in self.backends.values() if self._container(each).status == "running"]
        if not running:
            return
        backend = chance.choice(running)
        fate = chance.random()
        if fate < 0.5:
            self._trouble(backend, TROUBLES)
        elif fate < 0.62:
            self._pause(backend)
        elif fate < 0.75:
            self._stop(backend)
        elif fate < 0.85:
            self._die(backend)
        elif fate < 0.9:
            self._replace(backend)
        elif fate < 0.95:
            self._journal.note(f"{backend.name} ignores a signal")
            self._engine.kill(backend.name, chance.choice((HUP, TERM)))
        else:
            self._lose_engine()

    def strike_first(self) -> None:
        """Something happens to the first container, of the kind that nobody who can be sent elsewhere is to notice."""
        backend = next(iter(self.backends.values()))
        if self._container(backend).status == "running" and not backend.is_stopping:
            self._chance.choice((self._pause, self._stop, self._die, self._replace, self._close_to_all))(backend)

    def strike_all(self) -> None:
        """Every backend answers with nothing but errors."""
        for backend in self.backends.values():
            backend.error_share = 1.0
            backend.turn(Mode.ERRING)

    def heal(self) -> None:
        """Everything is well, and stays so."""
        self._is_healed = self._engine.is_true = True
        self._journal.note("all is healed")
        for timer in self._timers:
            timer.cancel()
        self._engine.come_up()
        for backend in self.backends.values():
            container = self._container(backend)
            if container.status == "paused":
                self._unpause(backend)
            if container.status == "exited" or backend.is_stopping:
                self._die(backend)
                self._start(backend)
            backend.turn(Mode.HEALTHY)
            self._check(backend)

    def _later(self, seconds: float, action: Callable[..., None], *arguments: object) -> None:
        if not self._is_healed:
            self._timers.append(asyncio.get_running_loop().call_later(seconds, action, *arguments))

    def _container(self, backend: SimulatedBackend) -> FakeContainer:
        return self._engine.containers[backend.name]

    # one process

    def _trouble(self, backend: SimulatedBackend, modes: Sequence[Mode]) -> None:
        backend.turn(self._chance.choice(modes))
        self._later(self._chance.uniform(0.1, 6.0), self._recover, backend)

    def _close_to_all(self, backend: SimulatedBackend) -> None:
        self._trouble(backend, (Mode.REFUSING, Mode.SILENT))

    def _recover(self, backend: SimulatedBackend) -> None:
        if backend.mode is not Mode.DOWN:
            backend.turn(Mode.HEALTHY)
            self._check(backend)

    def _boot(self, backend: SimulatedBackend) -> None:
        backend.turn(Mode.BOOTING)
        self._later(self._chance.choice((0.05, 0.5, 3.0)), self._recover, backend)

    def _check(self, backend: SimulatedBackend) -> None:
        """Its own HEALTHCHECK looks."""
        container = self._container(backend)
        health = "healthy" if backend.mode is Mode.HEALTHY else "unhealthy"
        if self._is_checked and container.status == "running" and container.health != health:
            self._engine.turn(backend.name, health)

    # one container

    def _pause(self, backend: SimulatedBackend) -> None:
        self._journal.note(f"{backend.name} is paused")
        backend.pause()
        self._engine.pause(backend.name)
        self._later(self._chance.uniform(0.1, 8.0), self._unpause, backend)

    def _unpause(self, backend: SimulatedBackend) -> None:
        if self._container(backend).status == "paused":
            self._journal.note(f"{backend.name} is unpaused")
            self._engine.unpause(backend.name)
            backend.unpause()

    def _stop(self, backend: SimulatedBackend) -> None:
        if self._container(backend).status != "running" or backend.is_stopping:
            return
        self._journal.note(f"{backend.name} is told to stop")
        self._engine.kill(backend.name)
        self._later(self._chance.choice((0.001, 0.05, 0.5)), self._begin_to_stop, backend)
        self._later(self._chance.uniform(0.6, 3.0), self._die, backend)

    def _begin_to_stop(self, backend: SimulatedBackend) -> None:
        if self._container(backend).status == "running":
            backend.stop()

    def _die(self, backend: SimulatedBackend) -> None:
        if self._container(backend).status == "exited":
            return
        backend.die()
        self._engine.die(backend.name)
        self._later(self._chance.uniform(0.1, 5.0), self._start, backend)

    def _start(self, backend: SimulatedBackend) -> None:
        container = self._engine.containers.get(backend.name)
        if container is None or container.status != "exited":
            return
        container.health = "starting" if self._is_checked else ""
        self._engine.start(backend.name)
        self._boot(backend)

    def _replace(self, backend: SimulatedBackend) -> None:
        self._journal.note(f"{backend.name} is replaced at {wall_clock():.1f}")
        self.add()
        self._later(self._chance.uniform(0.5, 4.0), self._stop, backend)

    def _lose_engine(self) -> None:
        self._journal.note("the engine is lost")
        self._engine.go_down()
        self._later(self._chance.uniform(0.1, 3.0), self._engine.come_up)
