"""Discovery on a real engine: every event that matters, and the engine's own end and return."""

import asyncio
import os
import re
import signal
import statistics
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.control.discovery import docker as docker_source
from proxy.control.discovery import docker_api
from proxy.control.discovery.docker import DockerSource
from proxy.control.discovery.docker_api import DockerEngine
from proxy.spec import kinds
from proxy.spec.container import ContainerReport, Decision, Surroundings
from proxy.spec.service import Lifecycle
from tests.docker.conftest import AnsweringEngine
from tests.support.containers import LABEL, Backend, RunBackend, Scope
from tests.support.fake_fleet import FakeFleet
from tests.support.private_engine import Engine
from tests.support.recording_log import RecordingLog
from tests.support.relay import Relay
from tests.support.waiting import wait_until_async

ENABLED = {"seawall.enable": "true", "seawall.service": "web"}
SOON = 10.0  # seconds; how soon exactly is measured where it matters


@dataclass
class Scene:
    """A source at work on the containers of one scope."""

    source: DockerSource
    fleet: FakeFleet
    changed: asyncio.Event

    def of(self, backend: Backend) -> ContainerReport | None:
        reports = (report for report in self.source.published.reports if report.container.id == backend.id)
        return next(reports, None)

    def state(self, backend: Backend) -> Lifecycle | None:
        """As routed; None when it is not."""
        report = self.of(backend)
        return report.container.lifecycle if report is not None and report.claims else None

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()

    async def until_state(self, backend: Backend, lifecycle: Lifecycle | None) -> None:
        await self.until(lambda: self.state(backend) is lifecycle)


async def no_thread_is_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("engine-")]


@asynccontextmanager
async def discovering(url: str, scope: Scope, own_ids: tuple[str, ...] = ()) -> AsyncIterator[Scene]:
    engine, fleet, log = DockerEngine(url), FakeFleet(), RecordingLog()
    surroundings = Surroundings(constraints=((LABEL, scope.id),))
    source = DockerSource(engine, fleet, surroundings, log.log, possible_own_ids=own_ids)
    scene = Scene(source, fleet, asyncio.Event())
    source.on_change = scene.changed.set
    task = asyncio.create_task(source.run())
    try:
        await scene.until(lambda: source.published.is_complete)
        yield scene
    finally:
        task.cancel()
        await asyncio.wait([task])
        await engine.close()
        # A call to an engine that is busier than `close` is patient ends by itself, at its timeout at the latest.
        await wait_until_async(no_thread_is_left, "the engine's threads to end", docker_api.TIMEOUT + 2)
    assert task.cancelled(), task.exception()


# Finding


async def test_labelled_container_is_found_whether_it_ran_before_or_starts_later(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend
) -> None:
    before = await run_backend("before", labels=ENABLED)

    async with discovering(engine.url, scope) as scene:
        assert scene.state(before) is Lifecycle.RUNNING
        later = await run_backend("later", labels=ENABLED)
        await scene.until_state(later, Lifecycle.RUNNING)

        report = scene.of(later)
        assert report is not None
        (claim,) = report.claims
        assert (claim.service.name, claim.backend.name) == ("web", later.container.name)
        assert (claim.backend.key.host, claim.backend.key.port) == (later.ip, later.port)


async def test_containers_not_meant_for_us_are_ignored(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend
) -> None:
    plain = await run_backend("plain")
    one_off = await run_backend("one-off", labels={**ENABLED, "com.docker.compose.oneoff": "True"})

    async with discovering(engine.url, scope) as scene:
        reports = [scene.of(plain), scene.of(one_off)]

    assert [report and report.decision for report in reports] == [Decision.IGNORED, Decision.IGNORED]
    assert reports[1] is not None
    assert "one-off" in reports[1].reason


async def test_proxy_in_a_container_reaches_those_in_its_own_networks(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend
) -> None:
    here, there = scope.create_network("here"), scope.create_network("there")
    proxy = await run_backend("proxy", network=here)
    near = await run_backend("near", labels=ENABLED, network=there, more_networks=[here])
    far = await run_backend("far", labels=ENABLED, network=there)

    async with discovering(engine.url, scope, (proxy.id[:12],)) as scene:
        report = scene.of(near)
        near.container.reload()
        assert report is not None
        assert report.claims[0].backend.key.host == _address(near, str(here.name))
        assert scene.state(far) is None
        await asyncio.to_thread(there.connect, proxy.container)
        await scene.until_state(far, Lifecycle.RUNNING)


async def test_health_of_the_engines_check_is_followed(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend
) -> None:
    check = {"test": ["CMD-SHELL", "test ! -e /tmp/ill"], "interval": 500_000_000, "retries": 1}

    async with discovering(engine.url, scope) as scene:
        backend = await run_backend("a", labels=ENABLED, healthcheck=check)
        await scene.until_state(backend, Lifecycle.RUNNING)
        await asyncio.to_thread(backend.container.exec_run, ["touch", "/tmp/ill"])
        await scene.until_state(backend, Lifecycle.UNHEALTHY)


async def test_renamed_container_has_its_new_name(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend
) -> None:
    backend = await run_backend("a", labels=ENABLED)
    name = scope.unique("renamed")

    async with discovering(engine.url, scope) as scene:
        await asyncio.to_thread(backend.container.rename, name)

        def is_renamed() -> bool:
            report = scene.of(backend)
            return report is not None and report.claims[0].backend.name == name

        await scene.until(is_renamed)


# Ending


async def test_container_told_to_stop_is_observed_within_20_ms(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend
) -> None:
    backends = [await run_backend(labels=ENABLED, env={"LINGER": 1}) for _ in range(5)]
    delays = []

    async with discovering(engine.url, scope) as scene:
        for backend in backends:
            await backend.kill("SIGTERM")
            await scene.until_state(backend, Lifecycle.DRAINING)
            heard = scene.fleet.moments[scene.fleet.observed.index((backend.id, Lifecycle.DRAINING))]
            # What the app itself saw of the signal is the honest beginning: the engine's event comes after it.
            delays.append(heard - await _told(backend))

    print("milliseconds from the signal to the fleet:", [round(delay * 1000, 2) for delay in delays])
    assert statistics.median(delays) < 0.020, delays


async def test_hup_drains_nobody(engine: AnsweringEngine, scope: Scope, run_backend: RunBackend) -> None:
    backend = await run_backend("a", labels=ENABLED)
    other = await run_backend("b", labels=ENABLED)

    async with discovering(engine.url, scope) as scene:
        await backend.kill("SIGHUP")
        await other.kill("SIGTERM")  # comes after it
        await scene.until_state(other, Lifecycle.DRAINING)

        assert scene.state(backend) is Lifecycle.RUNNING
        assert scene.fleet.observed == [(other.id, Lifecycle.DRAINING)]


async def test_containers_own_stop_signal_drains(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend
) -> None:
    backend = await run_backend("a", labels=ENABLED, stop_signal="SIGHUP")

    async with discovering(engine.url, scope) as scene:
        await backend.kill("SIGHUP")
        await scene.until_state(backend, Lifecycle.DRAINING)


async def test_list_does_not_bring_a_stopping_container_back(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_source, "LIST", 0.1)
    monkeypatch.setattr(docker_source, "TICK", 0.05)
    backend = await run_backend("a", labels=ENABLED, env={"LINGER": 30})  # longer than five lists take

    async with discovering(engine.url, scope) as scene:
        await backend.kill("SIGTERM")
        await scene.until_state(backend, Lifecycle.DRAINING)
        lists, inspects = scene.source.statistics.lists, scene.source.statistics.inspects
        seen = set()
        while scene.source.statistics.lists < lists + 5:
            seen.add(scene.state(backend))
            await asyncio.sleep(0.02)

        assert await backend.state() == "running"
        assert scene.source.statistics.inspects > inspects
        assert seen == {Lifecycle.DRAINING}


async def test_stopped_container_is_gone_and_started_again_is_back(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend
) -> None:
    backend = await run_backend("a", labels=ENABLED, env={"LINGER": 0})

    async with discovering(engine.url, scope) as scene:
        await backend.stop()
        await scene.until_state(backend, None)
        report = scene.of(backend)
        assert report is not None
        assert report.reason == "not running"
        assert scene.fleet.observed == [(backend.id, Lifecycle.DRAINING), (backend.id, Lifecycle.GONE)]
        await asyncio.to_thread(backend.container.start)
        await scene.until_state(backend, Lifecycle.RUNNING)
        await backend.remove()
        await scene.until(lambda: scene.of(backend) is None)


async def test_paused_container_is_out_until_it_goes_on(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend
) -> None:
    backend = await run_backend("a", labels=ENABLED)

    async with discovering(engine.url, scope) as scene:
        await backend.pause()
        await scene.until_state(backend, Lifecycle.PAUSED)
        assert scene.fleet.observed == [(backend.id, Lifecycle.PAUSED)]
        await backend.unpause()
        await scene.until_state(backend, Lifecycle.RUNNING)


async def test_container_disconnected_from_its_network_is_out_until_it_is_connected(
    engine: AnsweringEngine, scope: Scope, run_backend: RunBackend
) -> None:
    backend = await run_backend("a", labels=ENABLED)
    network = scope.network
    assert network is not None

    async with discovering(engine.url, scope) as scene:
        await asyncio.to_thread(network.disconnect, backend.container)
        await scene.until_state(backend, None)
        report = scene.of(backend)
        assert report is not None
        assert [problem.kind for problem in report.problems] == [kinds.NO_NETWORK]
        assert scene.fleet.observed == [(backend.id, Lifecycle.GONE)]
        await asyncio.to_thread(network.connect, backend.container)
        await scene.until_state(backend, Lifecycle.RUNNING)


# The engine


async def test_only_reads_are_sent_to_the_engine(
    engine: AnsweringEngine,
    scope: Scope,
    run_backend: RunBackend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not engine.url.startswith("unix://"):
        pytest.skip("the engine has no Unix socket to stand in front of")
    for name in ("LIST", "PING", "TICK"):
        monkeypatch.setattr(docker_source, name, 0.05)

    async with (
        Relay(tmp_path / "s", engine.url.removeprefix("unix://")) as relay,
        discovering(f"unix://{tmp_path}/s", scope) as scene,
    ):
        backend = await run_backend("a", labels=ENABLED, env={"LINGER": 0})
        await scene.until_state(backend, Lifecycle.RUNNING)
        await backend.stop()
        await scene.until_state(backend, None)
        await wait_until_async(lambda: _has_listed(scene, 3), "three lists", SOON)

    paths = {re.sub(r"^/v[\d.]+|\?.*|(?<=containers/)[0-9a-f]{64}", "", target) for _, target in relay.requests}
    assert {method for method, _ in relay.requests} == {"GET"}
    assert paths == {"/version", "/_ping", "/containers/json", "/containers//json", "/events"}


async def test_engine_stopped_and_started_changes_nothing_but_what_has_changed(
    restartable_engine: Engine, restartable_scope: Scope
) -> None:
    stays = await restartable_scope.run_backend("stays", labels=ENABLED)
    ends = await restartable_scope.run_backend("ends", labels=ENABLED, env={"LINGER": 0})
    ends.container.reload()
    process = ends.container.attrs["State"]["Pid"]

    async with discovering(restartable_engine.url, restartable_scope) as scene:
        await asyncio.to_thread(restartable_engine.stop)
        await scene.until(lambda: not scene.source.published.is_connected)
        (problem,) = scene.source.published.problems
        os.kill(process, signal.SIGKILL)  # nobody is there to tell of it
        await asyncio.sleep(2)
        assert scene.state(stays) is scene.state(ends) is Lifecycle.RUNNING
        assert scene.fleet.observed == []

        await asyncio.to_thread(restartable_engine.start)
        returned = time.monotonic()
        await scene.until(lambda: scene.state(ends) is None and scene.source.published.is_connected)
        known = time.monotonic() - returned

        assert scene.state(stays) is Lifecycle.RUNNING
        assert scene.source.published.problems == ()
        await asyncio.to_thread(ends.container.start)
        await scene.until_state(ends, Lifecycle.RUNNING)

    print(f"known {known:.3f} s after the engine's return")
    assert (problem.kind, problem.where) == (kinds.ENGINE_UNREACHABLE, restartable_engine.url)
    assert known < 1.0


def _address(backend: Backend, network: str) -> str:
    return str(backend.container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"])


async def _told(backend: Backend) -> float:
    """When the app was told to stop, in seconds since the epoch. It may be known here before the app has logged it."""
    moments: list[float] = []

    async def has_logged() -> bool:
        moments.extend(entry["at"] for entry in await backend.log() if entry["event"] == "terminating")
        return bool(moments)

    await wait_until_async(has_logged, f"{backend!r} to be told", SOON)
    return moments[0]


async def _has_listed(scene: Scene, count: int) -> bool:
    return scene.source.statistics.lists >= count
