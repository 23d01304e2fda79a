"""The docker source on a fake engine, in virtual time."""

import asyncio
import functools
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from proxy.control.discovery.docker import INSPECTORS, LIST, PATIENCE, PING, RETRY, DockerSource
from proxy.control.discovery.known import OOM, STOPPING
from proxy.problem import Severity
from proxy.spec import kinds
from proxy.spec.container import ContainerReport, Decision, Surroundings
from proxy.spec.service import Lifecycle
from tests.support.fake_engine import FakeEngine, identity, wall_clock
from tests.support.fake_fleet import FakeFleet
from tests.support.recording_log import RecordingLog
from tests.support.virtual_time import in_virtual_time

A_MOMENT = 0.001
HUP, TERM, KILL = 1, 15, 9


@dataclass
class Watch:
    """The source at work."""

    engine: FakeEngine
    fleet: FakeFleet
    source: DockerSource
    log: RecordingLog
    changes: int = 0

    def count(self) -> None:
        self.changes += 1

    @property
    def states(self) -> dict[str, Lifecycle]:
        """Of the containers that are routed."""
        return {report.container.name: report.container.lifecycle for report in self.routed}

    @property
    def routed(self) -> list[ContainerReport]:
        return [report for report in self.source.published.reports if report.claims]

    def report(self, name: str) -> ContainerReport:
        return next(report for report in self.source.published.reports if report.container.name == name)

    @property
    def inspects(self) -> list[str]:
        return [call.removeprefix("inspect ") for call in self.engine.calls if call.startswith("inspect ")]


@asynccontextmanager
async def watching(engine: FakeEngine, own_ids: tuple[str, ...] = ()) -> AsyncIterator[Watch]:
    fleet, log = FakeFleet(), RecordingLog()
    source = DockerSource(
        engine,
        fleet,
        Surroundings(),
        log.log,
        possible_own_ids=own_ids,
        clock=asyncio.get_running_loop().time,
        wall_clock=wall_clock,
        chance=random.Random(1),
    )
    watch = Watch(engine, fleet, source, log)
    source.on_change = watch.count
    task = asyncio.create_task(source.run())
    await asyncio.sleep(A_MOMENT)
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert all(subscription.ended.done() for subscription in engine.subscriptions)
        assert task.cancelled(), task.exception()


# Finding


@in_virtual_time
async def test_containers_that_run_already_are_found() -> None:
    engine = FakeEngine()
    engine.run("a")
    engine.run("b", labels={})

    async with watching(engine) as watch:
        assert watch.states == {"a": Lifecycle.RUNNING}
        assert watch.report("b").decision is Decision.IGNORED
        assert watch.source.published.is_connected
        assert watch.source.published.is_complete


@in_virtual_time
async def test_container_that_the_operator_lets_in_later_is_routed_without_asking_the_engine() -> None:
    engine = FakeEngine()
    engine.run("a", labels={})

    async with watching(engine) as watch:
        before, asked = watch.changes, len(engine.calls)
        watch.source.adjust(Surroundings(expose_by_default=True))
        assert watch.report("a").decision is not Decision.IGNORED
        assert (watch.changes, len(engine.calls)) == (before + 1, asked)
        watch.source.adjust(Surroundings(expose_by_default=True))
        assert watch.changes == before + 1


@in_virtual_time
async def test_events_are_subscribed_to_before_the_first_list() -> None:
    async with watching(FakeEngine()) as watch:
        assert watch.engine.calls == ["subscribe", "list"]


@in_virtual_time
async def test_container_that_starts_while_the_first_list_is_made_is_found() -> None:
    engine = FakeEngine()
    engine.during_list = functools.partial(engine.run, "a")

    async with watching(engine) as watch:
        assert watch.states == {"a": Lifecycle.RUNNING}


@in_virtual_time
async def test_container_that_starts_is_found_by_one_inspect() -> None:
    async with watching(FakeEngine()) as watch:
        watch.engine.run("a")
        await asyncio.sleep(A_MOMENT)

        assert watch.states == {"a": Lifecycle.RUNNING}
        assert watch.inspects == ["a"]


@in_virtual_time
async def test_several_events_of_one_container_at_once_are_one_inspect() -> None:
    async with watching(FakeEngine()) as watch:
        watch.engine.run("a")
        watch.engine.connect("a", "net", "10.0.0.9")
        watch.engine.turn("a", "starting")
        await asyncio.sleep(A_MOMENT)

        assert watch.inspects == ["a"]
        assert watch.states == {"a": Lifecycle.PENDING}


@in_virtual_time
async def test_nothing_is_published_before_everything_was_seen() -> None:
    engine = FakeEngine()
    engine.run("a")
    engine.run("b")
    engine.gates["b"] = asyncio.Event()

    async with watching(engine) as watch:
        assert watch.source.published.reports == ()
        engine.gates["b"].set()
        await asyncio.sleep(A_MOMENT)
        assert watch.states.keys() == {"a", "b"}


@in_virtual_time
async def test_health_of_the_engines_own_check_is_followed() -> None:
    engine = FakeEngine()
    engine.run("a", health="starting")

    async with watching(engine) as watch:
        seen = [watch.states["a"]]
        for health in ("healthy", "unhealthy"):
            engine.turn("a", health)
            await asyncio.sleep(A_MOMENT)
            seen.append(watch.states["a"])

        assert seen == [Lifecycle.PENDING, Lifecycle.RUNNING, Lifecycle.UNHEALTHY]


@in_virtual_time
async def test_renamed_container_has_its_new_name() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.rename("a", "b")
        await asyncio.sleep(A_MOMENT)
        assert watch.states.keys() == {"b"}


# Ending


@in_virtual_time
async def test_stop_signal_is_observed_at_once_and_without_an_inspect() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.calls.clear()
        engine.kill("a", TERM)
        await asyncio.sleep(0)  # the loop's next turn delivers the event: nothing but that
        await asyncio.sleep(0)

        assert watch.fleet.observed == [(identity("a"), Lifecycle.DRAINING)]
        assert watch.states == {"a": Lifecycle.DRAINING}
        assert engine.calls == []


@in_virtual_time
async def test_other_signal_changes_nothing() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.calls.clear()
        changes = watch.changes
        engine.kill("a", HUP)
        await asyncio.sleep(A_MOMENT)

        assert watch.fleet.observed == []
        assert watch.states == {"a": Lifecycle.RUNNING}
        assert (engine.calls, watch.changes) == ([], changes)


@in_virtual_time
async def test_container_told_to_stop_stays_out_through_lists_and_inspects() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.kill("a", TERM)
        engine.turn("a", "healthy")
        await asyncio.sleep(LIST + 2)
        assert watch.source.statistics.lists == 2
        assert len(watch.inspects) > 1
        assert watch.states == {"a": Lifecycle.DRAINING}


@in_virtual_time
async def test_container_told_to_stop_that_still_runs_comes_back_after_a_while() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.kill("a", TERM)
        await asyncio.sleep(STOPPING - 1)
        assert watch.states == {"a": Lifecycle.DRAINING}
        await asyncio.sleep(3)
        assert watch.states == {"a": Lifecycle.RUNNING}


@in_virtual_time
async def test_container_with_a_long_stop_timeout_is_given_that_long() -> None:
    engine = FakeEngine()
    engine.run("a", stop_timeout=300)

    async with watching(engine) as watch:
        engine.kill("a", TERM)
        await asyncio.sleep(299)
        assert watch.states == {"a": Lifecycle.DRAINING}
        await asyncio.sleep(3)
        assert watch.states == {"a": Lifecycle.RUNNING}


@in_virtual_time
async def test_container_that_restarts_is_back_at_once() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.kill("a", TERM)
        await asyncio.sleep(1)
        engine.die("a")
        await asyncio.sleep(A_MOMENT)
        assert watch.states == {}
        engine.start("a")
        await asyncio.sleep(A_MOMENT)

        assert watch.states == {"a": Lifecycle.RUNNING}
        assert watch.fleet.observed == [(identity("a"), Lifecycle.DRAINING), (identity("a"), Lifecycle.GONE)]


@in_virtual_time
async def test_restart_of_which_only_the_kill_was_heard_is_back_with_the_next_list() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.kill("a", TERM)
        await asyncio.sleep(1)
        engine.is_deaf = True
        engine.die("a")
        engine.start("a")
        await asyncio.sleep(LIST)

        assert watch.states == {"a": Lifecycle.RUNNING}


@in_virtual_time
async def test_container_killed_before_it_was_inspected_is_drained() -> None:
    engine = FakeEngine()

    async with watching(engine) as watch:
        engine.run("a", stop_signal="SIGUSR2")
        engine.kill("a", 12)
        await asyncio.sleep(A_MOMENT)

        assert watch.states == {"a": Lifecycle.DRAINING}


@in_virtual_time
async def test_paused_container_told_to_stop_is_drained_when_it_goes_on() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.pause("a")
        engine.kill("a", TERM)
        await asyncio.sleep(A_MOMENT)
        assert watch.states == {"a": Lifecycle.PAUSED}
        engine.unpause("a")
        await asyncio.sleep(A_MOMENT)
        assert watch.states == {"a": Lifecycle.DRAINING}


@in_virtual_time
async def test_pause_and_unpause() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.pause("a")
        await asyncio.sleep(A_MOMENT)
        assert watch.fleet.observed == [(identity("a"), Lifecycle.PAUSED)]
        assert watch.states == {"a": Lifecycle.PAUSED}
        engine.unpause("a")
        await asyncio.sleep(A_MOMENT)
        assert watch.states == {"a": Lifecycle.RUNNING}


@in_virtual_time
async def test_dead_container_is_observed_gone_and_is_no_backend() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.die("a")
        await asyncio.sleep(A_MOMENT)

        assert watch.fleet.observed == [(identity("a"), Lifecycle.GONE)]
        assert (watch.report("a").decision, watch.report("a").reason) == (Decision.IGNORED, "not running")


@in_virtual_time
async def test_out_of_memory_is_out_until_it_is_clear_that_it_lives() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.emit("oom", "a")
        engine.turn("a", "healthy")
        await asyncio.sleep(A_MOMENT)
        assert watch.fleet.observed == [(identity("a"), Lifecycle.GONE)]
        assert watch.states == {"a": Lifecycle.GONE}
        await asyncio.sleep(OOM + 1)
        assert watch.states == {"a": Lifecycle.RUNNING}


@in_virtual_time
async def test_container_disconnected_from_its_network_is_out_and_back_at_its_new_address() -> None:
    engine = FakeEngine()
    engine.run("a", networks={"net": "10.0.0.2"})

    async with watching(engine) as watch:
        engine.disconnect("a", "net")
        await asyncio.sleep(A_MOMENT)
        assert watch.fleet.observed == [(identity("a"), Lifecycle.GONE)]
        assert watch.report("a").problems[0].kind == kinds.NO_NETWORK
        engine.connect("a", "net", "10.0.0.7")
        await asyncio.sleep(A_MOMENT)
        assert [report.claims[0].backend.key.host for report in watch.routed] == ["10.0.0.7"]


@in_virtual_time
async def test_destroyed_container_is_forgotten() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.remove("a")
        await asyncio.sleep(A_MOMENT)

        assert watch.source.published.reports == ()
        assert watch.fleet.observed == [(identity("a"), Lifecycle.GONE)]


@in_virtual_time
async def test_container_that_vanished_before_its_inspect_is_forgotten() -> None:
    engine = FakeEngine()

    async with watching(engine) as watch:
        engine.emit("start", "a")
        await asyncio.sleep(A_MOMENT)

        assert watch.inspects == [identity("a")]
        assert watch.source.published.reports == ()


# What is seen is never older than what was heard


@in_virtual_time
async def test_inspect_asked_for_before_an_event_is_asked_for_again() -> None:
    engine = FakeEngine()
    engine.run("a")
    engine.run("b")

    async with watching(engine) as watch:
        engine.gates["a"] = asyncio.Event()
        engine.turn("a", "healthy")
        await asyncio.sleep(A_MOMENT)  # the engine has answered "running", and the answer is on its way
        engine.pause("a")
        await asyncio.sleep(A_MOMENT)
        engine.gates["a"].set()
        await asyncio.sleep(A_MOMENT)

        assert watch.states == {"a": Lifecycle.PAUSED, "b": Lifecycle.RUNNING}
        assert watch.inspects == ["a", "b", "a", "a"]


@in_virtual_time
async def test_list_asked_for_before_an_event_does_not_undo_it() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.during_list = functools.partial(engine.run, "b")
        await asyncio.sleep(LIST + 2)

        assert watch.source.statistics.lists == 2
        assert watch.states.keys() == {"a", "b"}


# The list that heals


@in_virtual_time
async def test_thousand_containers_at_rest_are_inspected_once() -> None:
    engine = FakeEngine()
    for number in range(1000):
        engine.run(f"c{number}")

    async with watching(engine) as watch:
        await asyncio.sleep(10 * LIST)

        assert watch.source.statistics.lists >= 9
        assert len(watch.inspects) == 1000
        assert len(watch.states) == 1000


@in_virtual_time
async def test_events_that_were_lost_are_made_up_for_by_the_next_list() -> None:
    engine = FakeEngine()
    for name in ("a", "b", "c", "d"):
        engine.run(name)

    async with watching(engine) as watch:
        engine.pause("d")
        await asyncio.sleep(A_MOMENT)
        engine.is_deaf = True
        engine.die("a")
        engine.pause("b")
        engine.remove("c")
        engine.unpause("d")
        engine.run("e")
        await asyncio.sleep(LIST + 2)

        assert watch.states == {"b": Lifecycle.PAUSED, "d": Lifecycle.RUNNING, "e": Lifecycle.RUNNING}
        assert (identity("c"), Lifecycle.GONE) in watch.fleet.observed


@in_virtual_time
async def test_ended_containers_without_our_labels_are_not_inspected() -> None:
    engine = FakeEngine()
    engine.run("ours", status="exited")
    engine.run("other", labels={}, status="exited")

    async with watching(engine) as watch:
        assert watch.inspects == ["ours"]
        assert watch.report("ours").reason == "not running"


# One container that cannot be inspected


@in_virtual_time
async def test_container_that_cannot_be_inspected_is_a_problem_of_its_own() -> None:
    engine = FakeEngine(broken={"a"})
    engine.run("a")
    engine.run("b")

    async with watching(engine) as watch:
        assert watch.states.keys() == {"b"}
        (problem,) = watch.report("a").problems
        assert (problem.kind, problem.where, problem.severity) == (kinds.UNREADABLE, "container a", Severity.ERROR)
        assert "500 Server Error" in problem.what
        engine.broken.clear()
        await asyncio.sleep(RETRY + 1)
        assert watch.states.keys() == {"a", "b"}
        assert watch.report("a").problems == ()


@in_virtual_time
async def test_container_described_in_no_known_format_is_a_problem_of_its_own() -> None:
    engine = FakeEngine(garbled={"a"})
    engine.run("a")
    engine.run("b")

    async with watching(engine) as watch:
        assert watch.states.keys() == {"b"}
        assert "State is missing" in watch.report("a").problems[0].what


@in_virtual_time
async def test_routed_container_whose_inspect_fails_stays_as_it_was_with_a_warning() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.broken.add("a")
        for _ in range(3):
            engine.turn("a", "healthy")
            await asyncio.sleep(A_MOMENT)
        assert watch.states == {"a": Lifecycle.RUNNING}
        assert [problem.severity for problem in watch.report("a").problems] == [Severity.WARNING]
        engine.kill("a", TERM)
        await asyncio.sleep(A_MOMENT)
        assert watch.states == {"a": Lifecycle.DRAINING}


@in_virtual_time
async def test_container_whose_inspect_hangs_holds_nobody_up() -> None:
    engine = FakeEngine()
    engine.run("a")
    engine.gates["a"] = asyncio.Event()
    for number in range(3 * INSPECTORS):
        engine.run(f"c{number}")

    async with watching(engine) as watch:
        await asyncio.sleep(PATIENCE)
        assert len(watch.states) == 3 * INSPECTORS
        engine.run("later")
        await asyncio.sleep(A_MOMENT)
        assert "later" in watch.states


# The engine comes and goes


@in_virtual_time
async def test_no_engine_at_start_is_a_problem_until_there_is_one() -> None:
    engine = FakeEngine(is_up=False)
    engine.run("a")

    async with watching(engine) as watch:
        await asyncio.sleep(60)
        published = watch.source.published
        assert not published.is_connected
        assert not published.is_complete
        (problem,) = published.problems
        assert (problem.kind, problem.where) == (kinds.ENGINE_UNREACHABLE, engine.url)
        assert "Connection refused" in problem.what
        assert problem.hint
        engine.come_up()
        await asyncio.sleep(1)
        assert watch.states == {"a": Lifecycle.RUNNING}
        assert watch.source.published.problems == ()
        assert watch.source.statistics.reconnects == 0


@in_virtual_time
async def test_attempts_to_connect_become_rarer_but_not_rare() -> None:
    engine = FakeEngine(is_up=False)
    loop = asyncio.get_running_loop()

    async with watching(engine) as watch:
        attempts: list[float] = []
        while len(attempts) < 20:
            if len(engine.calls) > len(attempts):
                attempts.append(loop.time())
            await asyncio.sleep(A_MOMENT)

        pauses = [later - earlier for earlier, later in itertools.pairwise(attempts)]
        assert pauses[0] <= 0.11
        assert all(0.2 <= pause <= 0.51 for pause in pauses[5:])
        assert len({round(pause, 3) for pause in pauses[5:]}) > 5  # not all proxies at once
        assert watch.changes == 1


@in_virtual_time
async def test_engine_lost_freezes_what_is_known() -> None:
    engine = FakeEngine()
    engine.run("a")
    engine.run("b")

    async with watching(engine) as watch:
        engine.go_down()
        await asyncio.sleep(A_MOMENT)
        assert not watch.source.published.is_connected
        await asyncio.sleep(3600)

        assert watch.states == {"a": Lifecycle.RUNNING, "b": Lifecycle.RUNNING}
        assert watch.source.published.is_complete
        assert watch.fleet.observed == []


@in_virtual_time
async def test_changes_made_while_the_engine_was_away_are_known_within_a_second() -> None:
    engine = FakeEngine()
    for name in ("a", "b", "c"):
        engine.run(name)

    async with watching(engine) as watch:
        engine.go_down()
        engine.is_deaf = True  # an engine that was stopped has no history
        engine.die("a")
        engine.remove("b")
        engine.run("d")
        await asyncio.sleep(100)
        engine.calls.clear()
        engine.come_up()
        await asyncio.sleep(0.6)

        assert watch.states.keys() == {"c", "d"}
        assert watch.source.published.is_connected
        assert watch.source.published.problems == ()
        assert watch.source.statistics.reconnects == 1
        assert "c" not in watch.inspects


@in_virtual_time
async def test_container_that_died_while_the_engine_was_away_is_no_backend_though_it_has_an_address() -> None:
    engine = FakeEngine()
    container = engine.run("a")

    async with watching(engine) as watch:
        engine.go_down()
        container.status, container.keeps_address = "exited", True
        engine.come_up()
        await asyncio.sleep(1)

        assert watch.report("a").reason == "not running"


@in_virtual_time
async def test_stop_signal_sent_while_the_stream_was_broken_is_caught_up_with() -> None:
    engine = FakeEngine()
    engine.run("a")
    engine.run("b")

    async with watching(engine) as watch:
        await asyncio.sleep(10)
        engine.go_down()
        engine.kill("a", TERM)
        engine.pause("b")
        await asyncio.sleep(5)
        engine.unpause("b")
        await asyncio.sleep(5)
        engine.come_up()
        await asyncio.sleep(1)

        assert watch.states == {"a": Lifecycle.DRAINING, "b": Lifecycle.RUNNING}
        assert watch.fleet.observed == []  # history is no fact: b is not paused any more
        assert watch.source.statistics.event_lag.count == 0


@in_virtual_time
async def test_container_stopping_when_the_engine_is_lost_is_still_stopping_when_it_is_back() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.kill("a", TERM)
        await asyncio.sleep(A_MOMENT)
        engine.go_down()
        await asyncio.sleep(5)
        engine.come_up()
        await asyncio.sleep(1)

        assert watch.states == {"a": Lifecycle.DRAINING}


@in_virtual_time
async def test_hung_engine_is_noticed() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.hangs = True
        await asyncio.sleep(PING + PATIENCE + 2)

        assert not watch.source.published.is_connected
        assert "no answer" in watch.source.published.problems[0].what
        assert watch.states == {"a": Lifecycle.RUNNING}


@in_virtual_time
async def test_inspect_cut_off_by_the_loss_of_the_engine_is_made_after_its_return() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.gates["a"] = asyncio.Event()
        engine.is_deaf = True
        engine.pause("a")
        await asyncio.sleep(LIST + 2)  # its inspect is asked for by the list, and hangs
        engine.go_down()
        await asyncio.sleep(A_MOMENT)
        engine.gates.clear()
        engine.come_up()
        await asyncio.sleep(1)

        assert watch.states == {"a": Lifecycle.PAUSED}


# Statistics and log


@in_virtual_time
async def test_events_and_their_lag_are_counted() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        engine.kill("a", HUP)
        engine.kill("a", TERM)
        await asyncio.sleep(A_MOMENT)

        statistics = watch.source.statistics
        assert (statistics.events, statistics.event_lag.count) == (2, 2)
        assert statistics.event_lag.total == 0.0
        assert (statistics.lists, statistics.inspects) == (1, 1)


@in_virtual_time
async def test_what_was_observed_is_counted() -> None:
    engine = FakeEngine()
    engine.run("a")

    async with watching(engine) as watch:
        before = watch.source.published.observations
        engine.kill("a", TERM)
        await asyncio.sleep(A_MOMENT)

        assert watch.source.published.observations == before + 1
        assert watch.fleet.observed == [(identity("a"), Lifecycle.DRAINING)]


@in_virtual_time
async def test_container_of_no_service_is_not_observed() -> None:
    engine = FakeEngine()
    engine.run("a", labels={})

    async with watching(engine) as watch:
        engine.kill("a", TERM)
        engine.die("a")
        engine.remove("a")
        await asyncio.sleep(A_MOMENT)

        assert watch.fleet.observed == []


# The proxy's own container


@in_virtual_time
async def test_containers_are_reached_through_the_networks_of_the_proxys_own() -> None:
    engine = FakeEngine()
    engine.run("proxy", labels={"seawall.proxy.listen": ":80"}, networks={"front": "10.1.0.9", "back": "10.2.0.9"})
    engine.run("near", networks={"back": "10.2.0.2", "database": "10.3.0.2"})
    engine.run("far", networks={"database": "10.3.0.3"})

    async with watching(engine, (identity("proxy"),)) as watch:
        assert watch.source.own is not None
        assert watch.source.own.labels == {"seawall.proxy.listen": ":80"}
        assert [report.claims[0].backend.key.host for report in watch.routed] == ["10.2.0.2"]
        assert watch.report("proxy").reason == "the proxy's own container"
        assert watch.report("far").problems[0].kind == kinds.NO_NETWORK


@in_virtual_time
async def test_proxy_connected_to_one_more_network_reaches_what_is_there() -> None:
    engine = FakeEngine()
    engine.run("proxy", networks={"front": "10.1.0.9"})
    engine.run("a", networks={"back": "10.2.0.2"})

    async with watching(engine, (identity("proxy"),)) as watch:
        assert watch.states == {}
        engine.connect("proxy", "back", "10.2.0.9")
        await asyncio.sleep(A_MOMENT)
        assert watch.states == {"a": Lifecycle.RUNNING}
