"""One verdict on health, on real containers: what clients saw, what backends were asked, what the proxy says of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.cli.seawall import end, start
from tests.docker.conftest import AnsweringEngine
from tests.docker.scene import (
    LABELS,
    become,
    following,
    logged_transitions,
    metric,
    probes_of,
    replicas,
    requests_of,
    settle,
    standing,
    states_of,
    until,
    until_left_alone,
    until_serving,
)
from tests.support.containers import Backend, RunBackend, Scope
from tests.support.load import Load
from tests.support.seawall_process import SeawallProcess
from tests.support.waiting import wait_until_async

RATE = 100  # requests a second
PROBED = {**LABELS, "seawall.health.path": "/health", "seawall.health.interval": "300ms"}


@pytest.fixture
async def seawall(engine: AnsweringEngine, scope: Scope) -> AsyncIterator[SeawallProcess]:
    async with SeawallProcess("--docker", engine.url, "--constraint", scope.constraint) as process:
        yield process


# newcomers


async def test_newcomer_that_accepts_and_never_answers_gets_no_request(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    (good,) = await replicas(run_backend, 1, labels=PROBED)
    await until_serving(seawall, good)
    async with Load(seawall.url, rate=RATE, max_seconds=30) as load:
        silent = await run_backend("silent", labels=PROBED, env={"SILENT": 1}, ready=False)
        await until(seawall, silent, "pending")
        await settle(2)
    assert not load.report.failed, load.report
    assert await probes_of(silent) > 0
    assert await requests_of(silent) == 0
    assert await metric(seawall, "seawall_backend_unavailable", silent, reason="pending") == 1


async def test_newcomer_that_boots_for_5_s_costs_nobody_anything(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    (sibling,) = await replicas(run_backend, 1)
    await until_serving(seawall, sibling)
    async with Load(seawall.url, rate=RATE, max_seconds=30) as load:
        booting = await run_backend("booting", labels=LABELS, env={"BOOT_SECONDS": 5}, ready=False)
        await until(seawall, booting, "pending")
        await until_serving(seawall, booting)
        await load.until_served_by(booting.name)
    report = load.report
    assert not report.failed, report
    assert report.percentile(100) < 1, report
    assert not (await standing(seawall, booting))["failures"]


async def test_docker_healthcheck_says_when_a_backend_serves(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    (sibling,) = await replicas(run_backend, 1)
    await until_serving(seawall, sibling)
    check = {
        "test": ["CMD-SHELL", "test -e /tmp/well"],
        "interval": 400_000_000,
        "start_period": 60_000_000_000,
        "retries": 1,
    }
    async with Load(seawall.url, rate=RATE, max_seconds=30) as load:
        checked = await run_backend("checked", labels=LABELS, healthcheck=check)
        own = await requests_of(checked)  # those of the fixture, which has seen it answer
        await until(seawall, checked, "pending")
        await settle(0.7)
        assert await requests_of(checked) == own
        await in_container(checked, "touch", "/tmp/well")
        await until_serving(seawall, checked)
        await wait_until_async(lambda: has_been_asked(checked, own + 1), "a request to the healthy one", 5)
        await in_container(checked, "rm", "/tmp/well")
        await until(seawall, checked, "unhealthy")
        out = await until_left_alone(seawall, checked)
        await settle(0.5)
        assert await requests_of(checked) == out
        await in_container(checked, "touch", "/tmp/well")
        await until_serving(seawall, checked)
        await wait_until_async(lambda: has_been_asked(checked, out + 1), "a request to the healthy one", 5)
    assert not load.report.failed, load.report


# what requests tell


@pytest.mark.parametrize(
    ("labels", "manners"),
    [
        pytest.param({}, {"FAIL_PERCENT": 40}, id="by chance, which now and then is three in a row"),
        pytest.param({"seawall.circuit.ratio": "0.3"}, {"FAIL_EVERY": 5, "FAIL_COUNT": 2}, id="evenly, by the ratio"),
    ],
)
async def test_backend_that_answers_503_on_2_of_5_requests_is_out_after_its_share_of_2_s(
    seawall: SeawallProcess, run_backend: RunBackend, labels: dict[str, str], manners: dict[str, int]
) -> None:
    good = await replicas(run_backend, 2, labels=labels)
    (flaky,) = await replicas(run_backend, 1, "flaky", labels=labels, env={**manners, "FAIL_STATUS": 503})
    await until_serving(seawall, *good, flaky)
    async with Load(seawall.url, rate=RATE, post_share=0, max_seconds=30) as load:
        await until(seawall, flaky, "circuit_open")
        asked = await until_left_alone(seawall, flaky)
        assert asked <= 2 * RATE / 3
        await settle(1)
        assert await requests_of(flaky) == asked
    assert not load.report.failed, load.report  # each 503 was made good by a retry
    assert (await standing(seawall, flaky))["circuit"]["state"] == "open"
    assert await metric(seawall, "seawall_circuit_opened_total", flaky) == 1


async def test_backend_that_fails_at_once_costs_less_than_20_requests(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    labels = {"seawall.policy": "least-connections"}
    good = await replicas(run_backend, 2, labels=labels)
    (failing,) = await replicas(run_backend, 1, "failing", labels=labels)
    await until_serving(seawall, *good, failing)
    async with Load(f"{seawall.url}/?delay=30", rate=RATE, max_seconds=30) as load:
        await settle(1)
        # 500 in a millisecond: it looks idle, and least connections loves that
        before = await become(failing, fail_every=1)
        await until(seawall, failing, "circuit_open")
        await settle(2)
        cost = await requests_of(failing) - before
    assert len(load.report.failed) < 20, load.report  # a 500 may be the application's own: it is not sent again
    assert cost < 20
    assert (await standing(seawall, failing))["circuit"]["opened"] == {"server-errors": 1}


async def test_poisonous_url_takes_nobody_out_for_other_clients(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    backends = await replicas(run_backend, 3)
    await until_serving(seawall, *backends)
    async with Load(seawall.url, rate=2 * RATE, max_seconds=30) as load:
        rounds = 0
        while rounds < 10 or not await each_was_reset(seawall, backends):
            rounds += 1
            assert rounds < 50, "the policy never sends it to one of the three"
            assert await poison(seawall, 1) == {502}
            # well answered by each of them: three resets in a row, with nothing between, are more than one bad URL
            counts = {backend: await answers_of(seawall, backend) for backend in backends}
            await wait_until_async(partial(all_have_answered, seawall, counts), "an answer of each", 5)
    assert not load.report.failed, load.report
    await until_serving(seawall, *backends)  # the last suspicion is cleared
    for backend in backends:
        assert set(states_of(seawall, backend)) <= {"pending", "available", "suspect"}


async def test_poisonous_url_alone_leaves_the_service_up(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    backends = await replicas(run_backend, 3)
    await until_serving(seawall, *backends)
    assert await poison(seawall, 20) == {502}
    async with Load(seawall.url, rate=RATE, max_seconds=30) as load:
        await settle(1)
    assert not load.report.failed, load.report
    standings = [await standing(seawall, backend) for backend in backends]
    assert sum(each["circuit"]["state"] == "closed" for each in standings) >= 2


# what probes tell


async def test_slow_health_page_of_the_only_backend_causes_no_503(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    labels = {**PROBED, "seawall.health.timeout": "200ms", "seawall.health.fast-interval": "100ms"}
    (only,) = await replicas(run_backend, 1, labels=labels)
    await until_serving(seawall, only)
    async with Load(seawall.url, rate=RATE, max_seconds=30) as load:
        await settle(0.3)
        await become(only, health_delay=3000)

        async def is_failing() -> bool:
            return bool((await standing(seawall, only))["probe"]["verdict"] == "failing")

        await wait_until_async(is_failing, "its probes to fail", 5)
        await settle(2)
    assert not load.report.failed, load.report
    assert (await standing(seawall, only))["state"] == "available"
    assert states_of(seawall, only)[-1] == "available as the last one"


# what stays


async def test_deploys_and_restarts_of_others_reset_nobodys_state(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    labels = {**PROBED, "seawall.circuit.open": "60s"}
    well, ill, redeployed = await replicas(run_backend, 3, labels=labels)
    unrelated = await run_backend("unrelated", env={"LINGER": 0})
    other = await run_backend("other", labels={**LABELS, "seawall.service": "other"}, env={"LINGER": 0})
    await until_serving(seawall, well, ill, redeployed, other)
    await become(ill, fail_every=1)
    async with Load(seawall.url, rate=RATE, max_seconds=30) as load:
        await until(seawall, ill, "circuit_open")
        before = {backend: await fixed_facts(seawall, backend) for backend in (well, ill)}
        failed = len(load.report.failed)
        await redeployed.remove()
        changed = {**labels, "seawall.weight": "3", "seawall.policy": "random", "seawall.retry.attempts": "2"}
        newcomer = await run_backend("newcomer", labels=changed)
        await until_serving(seawall, newcomer)
        for container in (unrelated.container, other.container):
            await asyncio.to_thread(container.restart, timeout=5)
        await seawall.logged("backend", backend=other.container.name, after="gone")
        await until_serving(seawall, other)
        await settle(0.5)
        after = {backend: await fixed_facts(seawall, backend) for backend in (well, ill)}
        asked = await until_left_alone(seawall, ill)
        await settle(0.5)
        assert await requests_of(ill) == asked
    services = {service["name"]: service for service in (await seawall.admin("/api/v1/services"))["services"]}
    assert services["web"]["policy"] == "random"  # the newest labels hold
    for backend, (facts, since) in before.items():
        assert after[backend][0] == facts
        assert after[backend][1] == pytest.approx(since, abs=1)  # far less than all of it took
    lost = load.report.failed[failed:]
    assert len(lost) <= 2, load.report  # the redeployed one was removed by force: what was in flight there


# coming back


async def test_unpaused_backend_gets_one_trial_first(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    backends = await replicas(run_backend, 2)
    away = backends[0]
    await until_serving(seawall, *backends)
    await away.pause()
    await until(seawall, away, "paused")
    async with Load(f"{seawall.url}/?delay=2500", rate=30, max_seconds=30) as load:
        await away.unpause()
        before = await requests_of(away)
        await wait_until_async(lambda: has_been_asked(away, before + 1), "the trial", 5)
        await settle(0.5)  # a fifth of the trial's time, and 15 requests
        assert await requests_of(away) == before + 1
        assert (await standing(seawall, away))["reason"] == "on_trial"
        await until_serving(seawall, away)
        await wait_until_async(lambda: has_been_asked(away, before + 2), "a request after the trial", 5)
    assert not load.report.failed, load.report
    assert states_of(seawall, away)[-3:] == ["paused", "on trial", "available"]


# the operator


async def test_drain_by_command_waits_until_nothing_is_in_flight(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    backends = await replicas(run_backend, 2)
    leaving = backends[0]
    await until_serving(seawall, *backends)
    name = str(leaving.container.name)
    async with Load(f"{seawall.url}/?delay=2000", rate=20, max_seconds=30) as load:
        await wait_until_async(lambda: has_been_asked(leaving, 3), "requests in flight there", 5)
        command = await start("drain", name, "--admin", f"127.0.0.1:{seawall.admin_port}")
        await until(seawall, leaving, "drained")
        assert (await standing(seawall, leaving))["in_flight"] > 0
        assert command.returncode is None
        ended = await end(command)
        assert (await standing(seawall, leaving))["in_flight"] == 0
        assert ended.code == 0, ended.err
        assert "drained, nothing is in flight" in ended.out
        asked = await requests_of(leaving)
        await settle(0.3)
        assert await requests_of(leaving) == asked
    assert not load.report.failed, load.report
    assert await metric(seawall, "seawall_backend_in_flight", leaving) == 0


async def test_every_transition_is_one_event_and_one_line(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    backends = await replicas(run_backend, 2, env={"LINGER": 0})
    first, second = backends
    async with following(seawall) as heard:
        await until_serving(seawall, *backends)
        await first.pause()
        await until(seawall, first, "paused")
        await first.unpause()
        await until(seawall, first, "on_trial")
        async with Load(seawall.url, rate=20, post_share=0, max_seconds=30):
            await until_serving(seawall, first)
        await become(second, fail_every=1)
        async with Load(seawall.url, rate=RATE, max_seconds=30):
            await until(seawall, second, "circuit_open")
        await first.stop()
        await seawall.logged("backend", backend=first.container.name, after="gone")
        await wait_until_async(lambda: is_same(heard, seawall), "the events to be the log's", 10)
    states = states_of(seawall, first)
    expected = ["available", "paused", "on trial", "available", "draining", "gone"]
    assert [state for state in states if state in expected] == expected
    assert "circuit open" in states_of(seawall, second)


async def is_same(heard: list[tuple[str, ...]], seawall: SeawallProcess) -> bool:
    return bool(heard) and heard == logged_transitions(seawall)


async def has_been_asked(backend: Backend, times: int) -> bool:
    return await requests_of(backend) >= times


async def all_have_answered(seawall: SeawallProcess, counts: dict[Backend, int]) -> bool:
    """Whether each has answered more than that."""
    return all([await answers_of(seawall, backend) > count for backend, count in counts.items()])


async def each_was_reset(seawall: SeawallProcess, backends: list[Backend]) -> bool:
    return all([(await standing(seawall, each))["failures"].get("reset", 0) for each in backends])


async def in_container(backend: Backend, *command: str) -> None:
    ended = await asyncio.to_thread(backend.container.exec_run, list(command))
    assert ended.exit_code == 0, ended.output


async def poison(seawall: SeawallProcess, times: int) -> set[int | None]:
    """What a client gets for so many requests, 20 a second, that make every backend reset."""
    async with Load(f"{seawall.url}/?reset=1", rate=20, post_share=0, max_seconds=times / 20) as load:
        report = await load.finish()
    assert len(report.records) == times
    return {record.status for record in report.records}


async def answers_of(seawall: SeawallProcess, backend: Backend) -> int:
    """How many requests it answered well, as the proxy counts them."""
    return int((await standing(seawall, backend))["requests"].get("2xx", 0))


async def fixed_facts(seawall: SeawallProcess, backend: Backend) -> tuple[dict[str, object], float]:
    """What only the backend itself may change, and the moment since when it is so."""
    document = await standing(seawall, backend)
    facts = {key: document[key] for key in ("state", "reason", "circuit")}
    return {**facts, "verdict": document["probe"]["verdict"]}, time.monotonic() - document["since"]
