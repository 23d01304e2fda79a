"""A whole proxy among simulated clients, backends and an engine, in virtual time: one seed, always the same story.

Everything of the proxy is real but the sockets: the data plane, the fleet, the prober, the reconciler and discovery.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

from proxy.control.discovery.docker import DockerSource
from proxy.control.discovery.known import STOPPING
from proxy.control.prober import Prober
from proxy.control.probes.question import Question
from proxy.control.reconciler import Reconciler
from proxy.control.transitions import AnnouncedFleet
from proxy.dataplane.downstream import Downstream
from proxy.dataplane.plane import SWEEP_INTERVAL, ClientSettings, DataPlane
from proxy.fleet.backend import Backend
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Changes, Transition
from proxy.health.circuit import PATIENCE
from proxy.health.verdict import Outcome
from proxy.spec.container import Surroundings
from proxy.spec.service import ServiceSpec
from tests.simulation import witness
from tests.simulation.clients import SimulatedClient
from tests.simulation.engine import Fates, SimulatedEngine
from tests.simulation.invariants import ALL_THE_TIME, AT_END, SERVICE, WHEN_MOVED, WHEN_STOPPED, Law
from tests.simulation.journal import Journal
from tests.simulation.loop import SimulatedLoop, clock_of
from tests.simulation.network import Network
from tests.support.fake_engine import wall_clock
from tests.support.recording_log import RecordingLog

OUTAGE: Final = 8.0  # seconds in which all backends fail
MILD: Final = 12.0  # seconds in which one does
# Seconds in which all is well, at the end of each story: for the longest that a circuit is open by then, and for one
# that was told to stop and did not, whose circuit then waits for a trial that no request may be.
HEALING: Final = STOPPING + PATIENCE + 5.0
T = TypeVar("T")


class BrokenLawError(AssertionError):
    """A law did not hold; says which, how, and how to see the whole story."""


def simulate(seed: int) -> None:
    """Tell the story of `seed`; BrokenLawError when a law does not hold in it."""
    journal = tell(seed)
    if journal.broken:
        raise BrokenLawError(
            f"seed {seed}: {journal.broken[0]}\nsee all of it with: python -m tests.simulation --seed {seed} --trace"
        )


def tell(seed: int, traced: bool = False) -> Journal:
    """Everything that happened in the story of `seed`, and which laws did not hold; `traced`: in lines to read, too."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SimulatedLoop)
        journal = Journal(loop.time, traced)
        world = World(seed, journal, loop)
        with clock_of(loop), witness.watched(journal, world.engine):
            runner.run(world.run())
    return journal


class World:
    """One story; in a mild one nothing happens to any backend but the first.

    What begins with `last` is what the law of the circuits remembers.
    """

    def __init__(self, seed: int, journal: Journal, loop: SimulatedLoop) -> None:
        self.loop = loop
        self.journal = journal
        chance = self._chance = random.Random(seed)
        self.network = loop.network = Network(lambda: chance.uniform(0.0002, 0.002), self._on_sent)
        self.engine = SimulatedEngine(chance)
        labels, is_checked = _labels(chance)
        self.is_mild = seed % 25 == 3
        self._is_outage = seed % 50 == 7
        if self._is_outage or self.is_mild:
            labels |= {"seawall.retry.attempts": "3", "seawall.limit.inflight": "none"}
        self.fates = Fates(self.engine, self.network, journal, chance, labels, is_checked)
        self.service_spec = ServiceSpec(name=SERVICE)
        self.started = self.healed_at = loop.time()
        self.requests_until_healed = 0
        self.last_open: set[str] = set()
        self.last_serving = 0
        self._looked_at = (-1, -1)
        self._look_at = 0.0
        self._wire(chance)
        loop.on_rest = self._look
        loop.set_exception_handler(self._on_exception)

    def _wire(self, chance: random.Random) -> None:
        """As the composition root does."""
        clock, log = self.loop.time, RecordingLog().log
        self.fleet = Fleet(chance, probes=True)
        self.plane = DataPlane(self.fleet, ClientSettings())
        self.plane.downstreams = InOrder()
        self.plane.chance = chance
        announced = AnnouncedFleet(self.fleet, self._on_changes)
        source = DockerSource(
            self.engine, announced, Surroundings(), log, clock=clock, wall_clock=wall_clock, chance=chance
        )
        reconciler = Reconciler([source], announced, log, clock)
        prober = Prober(announced, chance, self._probe, clock)
        reconciler.on_desired = prober.follow
        self.fleet.on_suspect = prober.confirm
        self.fleet.on_flip = self._on_flip
        self._loops = (source.run, reconciler.run, prober.run)

    async def run(self) -> None:
        """From the first container to the last connection."""
        await self.plane.start(())
        self.engine.is_true = self.is_mild
        for _ in range(self._chance.randrange(2 if self.is_mild else 1, 6)):
            self.fates.add(boots=False)
        tasks = [self.loop.create_task(each()) for each in self._loops]
        await asyncio.sleep(1.0)
        self.service_spec = self.fleet.services[SERVICE].spec
        if self._is_outage:
            await self._live(OUTAGE, clients=60.0, strikes=0.0)
        elif self.is_mild:
            await self._live(MILD, clients=12.0, strikes=1.0)
        else:
            chance = self._chance
            await self._live(chance.uniform(4.0, 16.0), chance.uniform(2.0, 12.0), chance.uniform(0.2, 1.5))
        self.healed_at = self.loop.time()
        self.requests_until_healed = len(self.journal.requests)
        self.fates.heal()
        await self._recover(HEALING)
        self.loop.on_rest = None
        self._check(AT_END)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.plane.close()
        await asyncio.sleep(10.0)  # longer than a backend keeps a connection that nobody uses
        self._check(WHEN_STOPPED)

    async def _live(self, seconds: float, clients: float, strikes: float) -> None:
        """So many clients come and so many things happen in a second; without strikes everything fails at once."""
        chance, now = self._chance, self.loop.time
        until = now() + seconds
        strike = now() if strikes else float("inf")
        if not strikes:
            self.fates.strike_all()
        while now() < until:
            await asyncio.sleep(chance.expovariate(clients))
            self._connect(is_plain=False)
            if now() >= strike:
                (self.fates.strike_first if self.is_mild else self.fates.strike)()
                strike = now() + chance.expovariate(strikes)

    async def _recover(self, seconds: float) -> None:
        """A few clients, among whom circuits find their trials."""
        until = self.loop.time() + seconds
        while self.loop.time() < until - 15.0:
            await asyncio.sleep(self._chance.uniform(1.0, 5.0))
            self._connect(is_plain=True)
        await asyncio.sleep(until - self.loop.time())

    def _connect(self, is_plain: bool) -> None:
        client = SimulatedClient(self.journal, self._chance, self.service_spec.retry.attempts, is_plain)
        self.network.join(Downstream(self.plane), client, self._chance.uniform(0.0002, 0.005))

    def backends(self) -> Iterable[Backend]:
        """All that the fleet has."""
        return self.fleet.backends()

    # called by what is simulated

    async def _probe(self, question: Question, within: float) -> Outcome | None:
        backend = self.network.hosts[question.host]
        return await backend.probe(question, within)  # type: ignore[attr-defined,no-any-return]

    def _on_sent(self, address: str, data: bytes) -> None:
        self.journal.on_sent(address, data)

    def _on_changes(self, changes: Changes) -> None:
        for flip in changes.transitions:
            self._on_flip(flip)

    def _on_flip(self, flip: Transition) -> None:
        if self.journal.lines is not None:
            self.journal.note(f"{flip.backend}: {flip.before} → {flip.after} ({flip.reason})")

    def _on_exception(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.journal.breaks("nothing is raised", f"{context.get('exception')!r} {context['message']}")

    # laws

    def _look(self) -> None:
        moved = (self.network.moves, self.fleet.version)
        if moved != self._looked_at:
            self._looked_at = moved
            self._check(WHEN_MOVED)
        if self.loop.time() >= self._look_at:
            self._look_at = self.loop.time() + SWEEP_INTERVAL
            self._check(ALL_THE_TIME)

    def _check(self, laws: tuple[Law, ...]) -> None:
        for law in laws:
            for how in law(self):
                self.journal.breaks(law.__name__.replace("_", " "), how)


class InOrder(set[T]):
    """A set that is gone through in the order in which its members came: a set's own depends on their addresses."""

    def __init__(self) -> None:
        super().__init__()
        self._members: dict[T, None] = {}

    def add(self, member: T) -> None:
        super().add(member)
        self._members[member] = None

    def discard(self, member: Any) -> None:
        super().discard(member)
        self._members.pop(member, None)

    def __iter__(self) -> Iterator[T]:
        return iter(self._members)


def _labels(chance: random.Random) -> tuple[dict[str, str], bool]:
    """Of the containers of a story, and whether they have a HEALTHCHECK."""
    labels = {
        "seawall.enable": "true",
        "seawall.service": SERVICE,
        "seawall.policy": chance.choice(("least-connections", "least-connections", "round-robin", "random")),
        "seawall.timeout.response": chance.choice(("2s", "4s")),
        "seawall.timeout.idle": chance.choice(("2s", "4s")),
        "seawall.slow-start": chance.choice(("0s", "3s", "10s")),
        "seawall.retry.attempts": chance.choice(("1", "2", "3", "3")),
        "seawall.health.interval": chance.choice(("2s", "5s")),
        "seawall.retry.try-timeout": chance.choice(("auto", "300ms")),
        "seawall.limit.inflight": chance.choice(("none", "none", "2")),
        "seawall.limit.queue": chance.choice(("256", "3")),
        "seawall.limit.wait": chance.choice(("1s", "0s", "3s")),
    }
    if chance.random() < 0.5:
        labels["seawall.health.path"] = "/health"
    return labels, chance.random() < 0.3
