"""The reconciler on sources that say what they are told, in virtual time."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from proxy.control.departed import KEPT
from proxy.control.discovery.docker import DockerSource
from proxy.control.discovery.source import Publication, Source, nobody_listens
from proxy.control.discovery.static import StaticSource
from proxy.control.reconciler import EVERY, Reconciler
from proxy.control.transitions import AnnouncedFleet
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Changes
from proxy.problem import Problem, Severity
from proxy.spec import kinds
from proxy.spec.container import Surroundings
from proxy.spec.desired import Desired
from proxy.spec.static import parse_static
from tests.spec.builders import report
from tests.support.fake_engine import FakeEngine, wall_clock
from tests.support.fake_fleet import FakeFleet
from tests.support.recording_log import RecordingLog
from tests.support.virtual_time import in_virtual_time

A_MOMENT = 0.001
LOST = Problem(kind=kinds.ENGINE_UNREACHABLE, where="unix:///x", what="gone")
ODD = Problem(kind=kinds.UNKNOWN_KEY, where="container a", what="odd", severity=Severity.WARNING)


class FakeSource:
    """Publishes what a test gives it."""

    def __init__(self) -> None:
        self.name = "fake"
        self.published = Publication()
        self.on_change: Callable[[], None] = nobody_listens

    async def run(self) -> None:
        raise NotImplementedError

    def publish(self, *labels: dict[str, str], observations: int = 0, problems: tuple[Problem, ...] = ()) -> None:
        """Containers a, b … with these labels."""
        reports = tuple(report(one, name=name) for name, one in zip("abcdefgh", labels, strict=False))
        self.published = Publication(reports=reports, observations=observations, problems=problems)
        self.on_change()


@dataclass
class Scene:
    source: FakeSource
    fleet: FakeFleet
    reconciler: Reconciler
    log: RecordingLog

    @property
    def services(self) -> list[str]:
        """Of the last Desired."""
        return [service.name for service in self.fleet.desired[-1].services]


@asynccontextmanager
async def reconciling(*static: str) -> AsyncIterator[Scene]:
    source, fleet, log = FakeSource(), FakeFleet(), RecordingLog()
    sources: tuple[Source, ...] = (source, StaticSource(map(parse_static, static)))
    reconciler = Reconciler(sources, fleet, log.log, asyncio.get_running_loop().time)
    task = asyncio.create_task(reconciler.run())
    await asyncio.sleep(A_MOMENT)
    try:
        yield Scene(source, fleet, reconciler, log)
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


WEB = {"seawall.service": "web", "seawall.host": "web.example"}
API = {"seawall.service": "api", "seawall.host": "api.example"}


@in_virtual_time
async def test_sources_are_merged() -> None:
    async with reconciling("back=http://127.0.0.1:9000") as scene:
        assert scene.services == ["back"]
        scene.source.publish(WEB)
        await asyncio.sleep(A_MOMENT)

        assert scene.services == ["back", "web"]
        assert [one.container.name for one in scene.reconciler.reports] == ["a"]
        assert scene.reconciler.desired == scene.fleet.desired[-1]


@in_virtual_time
async def test_nothing_at_start_is_no_reconcile() -> None:
    async with reconciling() as scene:
        assert scene.fleet.desired == []


@in_virtual_time
async def test_whoever_follows_hears_of_each_desired_that_the_fleet_was_brought_to() -> None:
    async with reconciling() as scene:
        followed: list[tuple[Desired, int]] = []
        scene.reconciler.on_desired = lambda desired: followed.append((desired, len(scene.fleet.desired)))
        for labels in (WEB, API):
            scene.source.publish(labels)
            await asyncio.sleep(A_MOMENT)
        assert followed == [(scene.fleet.desired[0], 1), (scene.fleet.desired[1], 2)]


@in_virtual_time
async def test_change_is_reconciled_in_the_loops_next_turns() -> None:
    async with reconciling() as scene:
        before = asyncio.get_running_loop().time()
        scene.source.publish(WEB)
        for _ in range(5):
            await asyncio.sleep(0)

        assert scene.services == ["web"]
        assert asyncio.get_running_loop().time() == before


@in_virtual_time
async def test_changes_that_come_together_are_one_reconcile() -> None:
    async with reconciling() as scene:
        for _ in range(100):
            scene.source.publish(WEB, API)
            scene.source.publish(WEB)
        await asyncio.sleep(A_MOMENT)

        assert scene.reconciler.reconciles == 1
        assert len(scene.fleet.desired) == 1


@in_virtual_time
async def test_change_that_asks_for_the_same_is_no_reconcile() -> None:
    async with reconciling() as scene:
        scene.source.publish(WEB)
        await asyncio.sleep(A_MOMENT)
        scene.source.publish(WEB)
        await asyncio.sleep(10 * EVERY)

        assert scene.reconciler.reconciles == 1


@in_virtual_time
async def test_same_again_after_an_observation_is_a_reconcile() -> None:
    async with reconciling() as scene:
        scene.source.publish(WEB)
        await asyncio.sleep(A_MOMENT)
        scene.source.publish(WEB, observations=1)
        await asyncio.sleep(A_MOMENT)

        assert scene.reconciler.reconciles == 2
        assert scene.fleet.desired[0] == scene.fleet.desired[1]


@in_virtual_time
async def test_change_that_nobody_told_of_is_found_by_the_slow_reconcile() -> None:
    async with reconciling() as scene:
        scene.source.on_change = nobody_listens
        scene.source.publish(WEB)
        await asyncio.sleep(A_MOMENT)
        assert scene.fleet.desired == []
        await asyncio.sleep(EVERY)
        assert scene.services == ["web"]


@in_virtual_time
async def test_service_without_containers_keeps_its_route_for_a_while() -> None:
    async with reconciling() as scene:
        scene.source.publish(WEB, API)
        await asyncio.sleep(A_MOMENT)
        scene.source.publish(WEB)
        await asyncio.sleep(KEPT - 1)
        assert scene.services == ["web", "api"]
        assert [backend.service for backend in scene.fleet.desired[-1].backends] == ["web"]
        await asyncio.sleep(1.1)
        assert scene.services == ["web"]
        assert [route.service for route in scene.fleet.desired[-1].routes] == ["web"]


@in_virtual_time
async def test_service_whose_container_restarts_is_never_without_its_route() -> None:
    async with reconciling() as scene:
        for labels in ((WEB,), (), (WEB,)):
            scene.source.publish(*labels)
            await asyncio.sleep(5)

        assert [len(desired.routes) for desired in scene.fleet.desired] == [1, 1, 1]
        assert [len(desired.backends) for desired in scene.fleet.desired] == [1, 0, 1]


@in_virtual_time
async def test_problem_is_logged_once_until_it_comes_back() -> None:
    async with reconciling() as scene:
        for problems in ((LOST, ODD), (LOST, ODD), (ODD,), (LOST, ODD)):
            scene.source.publish(WEB, problems=problems)
            await asyncio.sleep(A_MOMENT)

        logged = [(level, event, values["kind"]) for level, event, values in scene.log.lines if "kind" in values]
        assert logged == [
            ("error", "problem", LOST.kind),
            ("warning", "problem", ODD.kind),
            ("info", "problem solved", LOST.kind),
            ("error", "problem", LOST.kind),
        ]
        assert scene.reconciler.problems == (LOST, ODD)


@in_virtual_time
async def test_problems_of_sources_of_containers_and_of_all_together_are_kept() -> None:
    async with reconciling() as scene:
        shop = {"seawall.service": "shop", "seawall.host": "web.example", "seawall.prot": "80"}
        first, second = report(WEB, name="a"), report(shop, name="b", started=200.0)
        scene.source.published = Publication(reports=(first, second), problems=(LOST,))
        scene.source.on_change()
        await asyncio.sleep(A_MOMENT)

        found = {problem.kind for problem in scene.reconciler.problems}
        assert {kinds.ENGINE_UNREACHABLE, kinds.UNKNOWN_KEY} <= found
        assert len(found) == 3


@in_virtual_time
async def test_complete_when_every_source_is() -> None:
    async with reconciling("http://127.0.0.1:9000") as scene:
        assert scene.reconciler.is_complete
        scene.source.published = Publication(is_complete=False)
        assert not scene.reconciler.is_complete


@in_virtual_time
async def test_static_source_never_changes() -> None:
    source = StaticSource([parse_static("http://127.0.0.1:9000")])
    await source.run()

    assert [claim.backend.name for claim in source.published.static] == ["127.0.0.1:9000"]
    assert source.published.is_connected


@in_virtual_time
async def test_events_of_an_engine_end_in_a_whole_fleet() -> None:
    """Source, reconciler and the real fleet together: whatever order things happen in, they agree in the end."""
    engine, fleet, log = FakeEngine(), Fleet(random.Random(1)), RecordingLog()
    clock = asyncio.get_running_loop().time
    announced: list[Changes] = []
    told = AnnouncedFleet(fleet, announced.append)
    source = DockerSource(engine, told, Surroundings(), log.log, clock=clock, wall_clock=wall_clock)
    reconciler = Reconciler((source,), told, log.log, clock)
    tasks = [asyncio.create_task(source.run()), asyncio.create_task(reconciler.run())]
    for name in ("a", "b", "c"):
        engine.run(name)
    await asyncio.sleep(1)
    chance = random.Random(7)
    for _ in range(500):
        name = chance.choice("abc")
        is_up = engine.containers[name].status == "running"
        happens: list[Callable[[str], None]] = [engine.die, engine.kill, engine.pause] if is_up else [engine.start]
        if engine.containers[name].status == "paused":
            happens = [engine.unpause]
        chance.choice(happens)(name)
        await asyncio.sleep(chance.choice((0.0, 0.0, A_MOMENT, 0.5)))
    for container in engine.containers.values():
        if container.status == "paused":
            engine.unpause(container.name)
        elif container.status == "exited":
            engine.start(container.name)
    await asyncio.sleep(70)  # whoever was told to stop has not
    fleet.sweep(clock())  # as a data plane does: no request came that could be the trial of those that were paused

    states = {backend.name: backend.state for backend in fleet.backends()}
    assert states.keys() == set("abc")
    assert set(states.values()) <= {"available", "on trial"}  # on trial: no request has come since it was unpaused
    assert sum(len(changes.transitions) for changes in announced) > 100
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
