"""The source that finds backends in a container engine: one event stream, and the questions that events raise.

Laws: nothing is removed and nothing added while the engine cannot be reached. One container that cannot be inspected
harms no other.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from proxy.control.discovery.engine import Engine, Subscription
from proxy.control.discovery.event import EngineEvent
from proxy.control.discovery.known import Known
from proxy.control.discovery.listing import read_listing
from proxy.control.discovery.own_container import OwnContainer, find_own_container
from proxy.control.discovery.reports import unreachable
from proxy.control.discovery.roster import Roster
from proxy.control.discovery.source import Publication, nobody_listens
from proxy.control.discovery.statistics import DiscoveryStatistics
from proxy.errors import EngineError
from proxy.fleet.interface import FleetInterface
from proxy.problem import Problem
from proxy.spec.container import Surroundings
from proxy.spec.inspect import read_container

# Seconds, all of them.
TICK: Final = 1.0  # between two looks at what is due
PING: Final = 5.0  # between two questions whether the engine answers
PATIENCE: Final = 5.0  # for the answer, and for the inspects after the first list
LIST: Final = 30.0  # between two lists, in case an event was lost
RETRY: Final = 5.0  # until a failed inspect is tried again
SHORTEST_PAUSE: Final = 0.1  # before connecting again
LONGEST_PAUSE: Final = 0.5  # what changed while the engine was away is to be known within 1 s of its return
REPLAYED: Final = 1.0  # older than the subscription by this: not a fact any more, but history

INSPECTORS: Final = 8  # inspects at once: some containers' may hang


class DockerSource:
    """What the engine at one URL has. `own` is the proxy's own container, once it was found.

    `clock` gives monotonic seconds, `wall_clock` seconds since the epoch.
    """

    def __init__(
        self,
        engine: Engine,
        fleet: FleetInterface,
        surroundings: Surroundings,
        log: FilteringBoundLogger,
        *,
        possible_own_ids: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        self.name = "docker"
        self.on_change: Callable[[], None] = nobody_listens
        self.statistics = DiscoveryStatistics()
        self.own: OwnContainer | None = None
        self._engine = engine
        self._log = log
        self._possible_own_ids = possible_own_ids
        self._clock = clock
        self._wall_clock = wall_clock
        self._random = chance or random.Random()
        self._roster = Roster(fleet, surroundings, self._changed)
        self._queue: asyncio.Queue[Known] = asyncio.Queue()  # to inspect
        self._published: Publication | None = None  # None: to be made anew
        self._problem: Problem | None = None
        self._is_connected = False
        self._is_complete = False
        self._connections = 0  # made so far
        self._failures = 0  # to connect, in a row
        self._subscribed = 0.0  # when last tried, seconds since the epoch
        self._last_event = 0  # nanoseconds since the epoch; or the first connection, 0 before it

    @property
    def published(self) -> Publication:
        """Everything known now; nothing before it is complete, or routes would come and go as containers are seen."""
        if self._published is None:
            self._published = Publication(
                reports=self._roster.reports if self._is_complete else (),
                problems=() if self._problem is None else (self._problem,),
                is_connected=self._is_connected,
                is_complete=self._is_complete,
                observations=self._roster.observations,
            )
        return self._published

    async def run(self) -> None:
        """Watch the engine, and come back to it when it is lost, until cancelled."""
        while True:
            try:
                await self._follow()
            except* EngineError as lost:
                self._lose(_first(lost))
            pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(self._failures, 8))
            self._failures += 1
            await asyncio.sleep(pause * self._random.uniform(0.5, 1.0))

    def adjust(self, surroundings: Surroundings) -> None:
        """The operator sets something else for all containers."""
        self._roster.adjust(surroundings)

    # one connection

    async def _follow(self) -> None:
        """From subscribing until the engine is lost, which is an EngineError."""
        self._subscribed = self._wall_clock()
        since = self._last_event + 1 if self._last_event else 0
        subscription = await self._engine.subscribe(self._on_event, since)
        try:
            await self._find_own_container()
            await self._list()
            self._connect()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch(subscription))
                tasks.create_task(self._keep_up())
                tasks.create_task(self._complete())
                for _ in range(INSPECTORS):
                    tasks.create_task(self._inspect_what_is_queued())
        finally:
            self._drop_queue()
            await subscription.close()

    def _on_event(self, event: EngineEvent) -> None:
        """Called in the loop. One replayed after a lost connection is older than the subscription."""
        is_replayed = event.time < self._subscribed - REPLAYED
        known = self._roster.hear(event, self._clock(), is_replayed=is_replayed)
        if known is not None:
            self._inspect_later(known)
        self.statistics.events += 1
        self._last_event = max(self._last_event, event.nanoseconds)
        if not is_replayed:
            self.statistics.event_lag.observe(max(0.0, self._wall_clock() - event.time))

    @staticmethod
    async def _watch(subscription: Subscription) -> None:
        await subscription.wait()

    async def _keep_up(self) -> None:
        """Everything that is due by time."""
        ping = self._clock() + PING
        listing = self._clock() + LIST
        while True:
            await asyncio.sleep(TICK)
            for known in self._roster.find_due(self._clock()):
                self._inspect_later(known)
            if self._clock() >= ping:
                await self._ping()
                ping = self._clock() + PING
            if self._clock() >= listing:
                await self._list()
                listing = self._clock() + LIST

    async def _ping(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._engine.ping()
        except TimeoutError:
            raise EngineError(f"no answer within {PATIENCE:g} s") from None

    async def _complete(self) -> None:
        """Everything was seen once the inspects of the first list are done; one that hangs is not waited for."""
        if self._is_complete:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._queue.join()
        except TimeoutError:
            pass
        self._is_complete = True
        self._changed()

    def _connect(self) -> None:
        self._failures = 0
        if self._connections:
            self.statistics.reconnects += 1
        self._connections += 1
        self._last_event = self._last_event or round(self._subscribed * 1e9)
        self._is_connected = True
        self._problem = None
        self._log.info("engine connected", url=self._engine.url, containers=len(self._roster))
        self._changed()

    def _lose(self, error: EngineError) -> None:
        problem = unreachable(self._engine.url, error)
        if self._is_connected or problem != self._problem:
            self._is_connected = False
            self._problem = problem
            self._changed()

    async def _find_own_container(self) -> None:
        if self.own is not None or not self._possible_own_ids:
            return
        self.own = await find_own_container(self._engine, self._possible_own_ids)
        if self.own is None:
            self._possible_own_ids = ()  # this is a process of the host
        else:
            self._roster.stand_in(self.own.id, self.own.network_owner, self.own.networks)

    # lists and inspects

    async def _list(self) -> None:
        """Inspect only what is new or has changed: a thousand containers at rest cost one question."""
        self._roster.begin_list()
        documents = await self._engine.list_containers()
        self.statistics.lists += 1
        listed = [(one.id, one.name, one.fingerprint) for one in read_listing(documents) if one.is_of_concern]
        for known in self._roster.find_changed(listed, self._clock()):
            self._inspect_later(known)

    def _inspect_later(self, known: Known) -> None:
        """Several reasons before the answer make one more inspect."""
        if not known.is_queued and not known.is_inspected:
            known.is_queued = True
            self._queue.put_nowait(known)

    async def _inspect_what_is_queued(self) -> None:
        while True:
            known = await self._queue.get()
            known.is_queued = False
            known.is_inspected = True
            try:
                await self._inspect(known)
            except BaseException:
                known.fingerprint = None  # the connection is lost: the next list asks again
                raise
            finally:
                known.is_inspected = False
                self._queue.task_done()

    async def _inspect(self, known: Known) -> None:
        """Ask until the answer is as new as the last event."""
        version = -1
        while version != known.version and (version < 0 or self._roster.has(known)):
            version = known.version
            self.statistics.inspects += 1
            try:
                document = await self._engine.inspect(known.id)
                container = None if document is None else read_container(document)
            except (EngineError, ValueError) as error:
                if version == known.version:
                    retry_at = self._clock() + RETRY if isinstance(error, EngineError) else None
                    self._roster.fail(known, str(error), retry_at)
                continue
            if version != known.version:
                continue
            if container is not None:
                self._roster.take(known, container, self._clock())
            elif self._roster.has(known):
                self._roster.forget(known.id, self._clock())

    def _drop_queue(self) -> None:
        """The connection is lost: the next list says what is to be inspected."""
        while not self._queue.empty():
            known = self._queue.get_nowait()
            known.is_queued = False
            known.fingerprint = None
        self._queue = asyncio.Queue()

    def _changed(self) -> None:
        self._published = None
        self.on_change()

    def __repr__(self) -> str:
        state = "connected" if self._is_connected else "lost"
        return f"<DockerSource {self._engine.url} {state} {self._roster!r}>"


def _first(group: BaseExceptionGroup[EngineError]) -> EngineError:
    """The first that was raised, however deep."""
    for error in group.exceptions:
        if isinstance(error, EngineError):
            return error
        if isinstance(error, BaseExceptionGroup):
            return _first(error)
    raise group
