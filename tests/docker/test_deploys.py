"""What the product is for: containers come and go under a constant rate of requests, and no client notices.

Open loop, half of it POST with a body of 100 bytes. The app closes its listener at SIGTERM and exits two seconds later,
as most frameworks do.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator

import pytest

from tests.docker.conftest import AnsweringEngine
from tests.docker.scene import told
from tests.support.containers import Backend, RunBackend, Scope
from tests.support.load import Load
from tests.support.private_engine import Engine
from tests.support.seawall_process import SeawallProcess

RATE = 150  # requests a second
LABELS = {"seawall.enable": "true", "seawall.service": "web", "seawall.port": "8000"}
ENV = {"LINGER": 2, "LOG_REQUESTS": 1}


@pytest.fixture
async def seawall(engine: AnsweringEngine, scope: Scope) -> AsyncIterator[SeawallProcess]:
    async with SeawallProcess("--docker", engine.url, "--constraint", scope.constraint) as process:
        yield process


async def replicas(run_backend: RunBackend, count: int = 3, prefix: str = "web", **options: object) -> list[Backend]:
    """Backends of one service, all of them up."""
    started = [run_backend(f"{prefix}-{number}", labels=LABELS, env=ENV, **options) for number in range(count)]
    return list(await asyncio.gather(*started))


async def until_serving(seawall: SeawallProcess, *backends: Backend) -> None:
    """The proxy knows these backends and holds them available."""
    for backend in backends:
        await seawall.logged("backend", within=20, backend=backend.container.name, after="available")


async def settle(seconds: float) -> None:
    """Let the load go on for a while: here time itself is what is tested."""
    await asyncio.sleep(seconds)


async def moments_of_requests(backend: Backend) -> list[float]:
    """When the app had each of its requests, in seconds since the epoch."""
    return [entry["at"] for entry in await backend.log() if entry["event"] == "request"]


def posts_seen_twice(ids: list[str]) -> set[str]:
    return {request_id for request_id in ids if ids.count(request_id) > 1}


async def test_rolling_replacement_loses_no_request(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    old = await replicas(run_backend, prefix="old")
    await until_serving(seawall, *old)
    new: list[Backend] = []
    async with Load(seawall.url, rate=RATE, max_seconds=60) as load:
        await settle(0.5)
        for number, backend in enumerate(old):  # start first, one after the other
            replacement = await run_backend(f"new-{number}", labels=LABELS, env=ENV)
            await until_serving(seawall, replacement)
            await backend.stop(10)
            new.append(replacement)
        await settle(0.5)
    report = load.report
    assert len(report.records) > 3 * RATE
    assert not report.failed, report
    assert {backend.name for backend in new} <= set(report.by_backend)
    ids = [request_id for backend in (*old, *new) for request_id in await backend.request_ids()]
    assert not posts_seen_twice(ids)
    assert len(ids) == len(report.of("POST").records)


async def test_from_the_kill_event_to_the_last_new_request_it_is_under_20_ms(
    engine: AnsweringEngine, seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    *leaving, staying = await replicas(run_backend, 6)
    await until_serving(seawall, *leaving, staying)
    since = time.time()
    killed = []
    async with Load(seawall.url, rate=2 * RATE, max_seconds=60) as load:
        await settle(0.5)
        for backend in leaving:
            await backend.kill("SIGTERM")
            await seawall.logged("backend", backend=backend.container.name, after="draining")
            killed.append(await told(engine, backend, "kill", since))
        await settle(0.5)
    assert not load.report.failed, load.report
    delays = [max(await moments_of_requests(backend)) - at for backend, at in zip(leaving, killed, strict=True)]
    assert statistics.median(delays) < 0.020, delays  # of five: a busy machine may not let one of them see its last


async def test_sigkill_of_one_loses_no_get(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    backends = await replicas(run_backend)
    await until_serving(seawall, *backends)
    async with Load(f"{seawall.url}/?delay=20", rate=RATE, max_seconds=30) as load:
        await settle(0.5)
        await backends[0].kill("SIGKILL")
        await settle(1)
    report = load.report
    assert not report.of("GET").failed, report
    # a POST may fail only if it was in flight there: 20 ms of a third of the POSTs, and as many again for the event
    assert len(report.of("POST").failed) <= 4 + report.of("POST").burst / len(backends), report
    assert backends[0].name not in {record.backend for record in report.records[-RATE // 2 :]}


async def test_pause_is_seen_only_by_what_was_in_flight(
    engine: AnsweringEngine, seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    backends = await replicas(run_backend)
    await until_serving(seawall, *backends)
    async with Load(f"{seawall.url}/?delay=10", rate=RATE, max_seconds=30, patience=20) as load:
        await settle(0.5)
        begun = time.time()
        await backends[0].pause()
        paused = await told(engine, backends[0], "pause", begun)
        await settle(2)
        await backends[0].unpause()
        await load.until_served_by(backends[0].name)
    report = load.report
    slow = [record for record in report.records if record.latency > 1]
    # in flight at that moment, and sent there before the engine told: POSTs, for a GET goes elsewhere
    sent = (paused - begun) * RATE / 2 / len(backends)
    assert len(slow) <= 4 + sent + report.of("POST").burst / len(backends), report
    assert not [record for record in report.failed if record not in slow], report


async def test_hup_does_not_drain(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    (backend,) = await replicas(run_backend, count=1)
    await until_serving(seawall, backend)
    async with Load(seawall.url, rate=50, max_seconds=10) as load:
        await backend.kill("SIGHUP")
        await settle(0.5)
    assert not load.report.failed, load.report
    (known,) = (await seawall.admin("/api/v1/backends"))["backends"]
    assert known["state"] == "available"


async def test_compose_oneoff_gets_nothing(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    (backend,) = await replicas(run_backend, count=1)
    oneoff = await run_backend("oneoff", labels={**LABELS, "com.docker.compose.oneoff": "True"})
    await until_serving(seawall, backend)
    async with Load(seawall.url, rate=50, max_seconds=10) as load:
        await settle(0.5)
    assert set(load.report.by_backend) == {backend.name}
    containers = (await seawall.admin("/api/v1/containers"))["containers"]
    (seen,) = [container for container in containers if container["name"] == oneoff.container.name]
    assert seen["decision"] == "ignored"
    assert seen["reason"]


async def test_newcomer_that_boots_slowly_costs_no_request(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    backends = await replicas(run_backend)
    await until_serving(seawall, *backends)
    async with Load(seawall.url, rate=RATE, max_seconds=30) as load:
        await settle(0.3)
        booting = [
            await run_backend(f"slow-{number}", labels=LABELS, env={**ENV, "BOOT_SECONDS": 2}, ready=False)
            for number in range(3)
        ]
        for backend in booting:
            await load.until_served_by(backend.name)
    assert not load.report.failed, load.report


@pytest.mark.timeout(180)
async def test_engine_restart_loses_no_request_and_is_caught_up_with(
    restartable_engine: Engine, restartable_scope: Scope
) -> None:
    scope = restartable_scope
    backends = await replicas(scope.run_backend)
    arguments = ("--docker", restartable_engine.url, "--constraint", scope.constraint)
    async with SeawallProcess(*arguments) as seawall:
        await until_serving(seawall, *backends)
        async with Load(seawall.url, rate=RATE, max_seconds=100) as load:
            await settle(0.3)
            await asyncio.to_thread(restartable_engine.stop)
            await settle(1)
            (service,) = (await seawall.admin("/api/v1/services"))["services"]
            assert len(service["backends"]) == len(backends)  # frozen
            await asyncio.to_thread(restartable_engine.start)
            newcomer = await scope.run_backend("newcomer", labels=LABELS, env=ENV)
            await load.until_served_by(newcomer.name)
        assert not load.report.failed, load.report


async def test_label_mistakes_harm_only_their_container(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    good = await run_backend("good", labels=LABELS)
    mistakes = {
        "bad-port": {"seawall.port": "http"},
        "bad-rule": {"seawall.rule": "Host(`a`"},
        "bad-policy": {"seawall.policy": "magic"},
        "no-such-network": {"seawall.network": "nowhere"},
    }
    for name, labels in mistakes.items():
        await run_backend(name, labels={**LABELS, **labels}, ready=False)
    await run_backend("typo", labels={**LABELS, "seawall.wieght": "3"})
    await until_serving(seawall, good)
    for name in (*mistakes, "typo"):
        await seawall.logged_about(name)
    async with Load(seawall.url, rate=50, max_seconds=40) as load:
        for name in ("good", "typo"):
            await load.until_served_by(name)
    assert not load.report.failed, load.report
    assert {name.partition("-")[0] for name in load.report.by_backend} == {"good", "typo"}
    seen = {each["name"]: each for each in (await seawall.admin("/api/v1/containers"))["containers"]}
    for name in mistakes:
        (container,) = [each for full, each in seen.items() if full.startswith(name)]
        assert container["decision"] == "problem"
        assert container["problems"][0]["hint"]
    (typo,) = [each for full, each in seen.items() if full.startswith("typo")]
    assert typo["decision"] == "routed"
    assert "weight" in typo["problems"][0]["hint"]
