"""Retries, rescue, holding and limits, on real containers: something breaks under a constant rate, and clients go on.

Open loop, 200 requests a second that take 10 ms, half of them POST. A POST that was in flight where something broke may
fail, for it must not be sent twice; nothing else may.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest

from tests.docker.conftest import AnsweringEngine
from tests.docker.scene import replicas, settle, told, until, until_serving
from tests.support.containers import Backend, RunBackend, Scope
from tests.support.load import Connection, Load, Report
from tests.support.seawall_process import SeawallProcess

RATE = 200  # requests a second
WORK = "/?delay=10"
HARD_WORK = "/?delay=400"  # so long that what a busy machine adds to it is little
IN_FLIGHT = 4  # POSTs at one backend at once, at most: 200 a second, 10 ms, five backends; and its share of a burst


@pytest.fixture
async def seawall(engine: AnsweringEngine, scope: Scope) -> AsyncIterator[SeawallProcess]:
    async with SeawallProcess("--docker", engine.url, "--constraint", scope.constraint) as process:
        yield process


@pytest.fixture
async def five(seawall: SeawallProcess, run_backend: RunBackend) -> list[Backend]:
    backends = await replicas(run_backend, 5)
    await until_serving(seawall, *backends)
    return backends


# one of five


async def test_sigkill_of_one_fails_no_get(seawall: SeawallProcess, five: list[Backend]) -> None:
    async with Load(seawall.url + WORK, rate=RATE, max_seconds=30) as load:
        await settle(1)
        await five[0].kill("SIGKILL")
        await settle(2)
    report = load.report
    assert not report.of("GET").failed, report
    assert len(report.of("POST").failed) <= IN_FLIGHT + report.of("POST").burst / len(five), report
    assert five[0].name not in {record.backend for record in report.records[-RATE:]}


async def test_pause_for_20_s_delays_no_get_and_only_posts_in_flight(
    engine: AnsweringEngine, seawall: SeawallProcess, five: list[Backend]
) -> None:
    async with Load(seawall.url + WORK, rate=RATE, max_seconds=40, patience=30) as load:
        await settle(1)
        begun = time.time()
        await five[0].pause()
        paused = await told(engine, five[0], "pause", begun)
        await settle(20)
        await five[0].unpause()
        await load.until_served_by(five[0].name)
    report = load.report
    assert not report.of("GET").failed, report
    assert not report.of("GET").slower_than(1), report
    posts = report.of("POST")
    concerned = {record.id for record in (*posts.failed, *posts.slower_than(1))}
    sent = (paused - begun) * RATE / 2 / len(five)  # there before the engine told
    assert len(concerned) <= IN_FLIGHT + sent + posts.burst / len(five), report


@pytest.mark.parametrize(
    ("labels", "most"),
    [
        pytest.param({"seawall.health.path": "/health"}, 5, id="asked by HTTP, which ends it"),
        # The kernel still connects, so each suspicion is cleared, and it takes three tries in a row that time out.
        pytest.param({}, 12, id="asked by a connect, which passes"),
    ],
)
async def test_stopped_process_of_which_the_engine_knows_nothing_delays_few_requests(
    seawall: SeawallProcess, run_backend: RunBackend, labels: dict[str, str], most: int
) -> None:
    backends = await replicas(run_backend, 5, labels=labels)
    stopped = backends[0]
    await until_serving(seawall, *backends)
    async with Load(seawall.url + WORK, rate=RATE, max_seconds=40, patience=30) as load:
        await settle(1.5)  # more than 100 requests, from which the try timeout is learned
        await stopped.kill("SIGSTOP")  # not a stop signal, so its event says nothing
        await settle(5)
        await stopped.kill("SIGCONT")
        await settle(1)
    report = load.report
    assert not report.of("GET").failed, report
    assert len(report.slower_than(1)) <= most + report.burst / len(backends), report.slower_than(1)
    assert max(record.latency for record in report.of("GET").records) < 3, report


# the only one


async def test_only_replica_replaced_start_first_fails_nothing(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    (old,) = await replicas(run_backend, 1, "old")
    await until_serving(seawall, old)
    async with Load(seawall.url + WORK, rate=RATE, max_seconds=30) as load:
        await settle(0.5)
        (new,) = await replicas(run_backend, 1, "new")
        await until_serving(seawall, new)
        await old.stop()
        await settle(0.5)
    report = load.report
    assert not report.failed, report
    assert {record.backend for record in report.records[-RATE // 4 :]} == {new.name}


async def test_only_replica_restarted_fails_nothing_because_requests_are_held(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    # An engine alone takes about 800 ms for it; a busy machine more, so the line is longer than by default. The app
    # serves for half a second after the signal: that far can its event be behind it on such a machine.
    labels = {"seawall.limit.wait": "8s", "seawall.limit.queue": "2000"}
    (only,) = await replicas(run_backend, 1, labels=labels, env={"LINGER": 0.5})
    await until_serving(seawall, only)
    async with Load(seawall.url + WORK, rate=RATE, max_seconds=30) as load:
        await settle(0.5)
        before = len(load.report.records)
        await asyncio.to_thread(only.container.restart, timeout=5)
        await until_serving(seawall, only)
        await settle(1)
    report = load.report
    assert not report.failed, report
    held = [record for record in report.records[before:] if record.latency > 0.2]
    assert held, "it was never away"


# too much


async def test_twice_the_capacity_leaves_goodput_and_latency_of_the_accepted(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    labels = {"seawall.limit.inflight": "20", "seawall.slow-start": "0s"}
    backends = await replicas(run_backend, 2, labels=labels, env={"CAPACITY": 20})
    await until_serving(seawall, *backends)
    capacity = await answered_a_second(seawall, 40, 2)  # nearly 100
    normal = await run_load(seawall, capacity / 2, 3)
    assert not normal.failed, normal
    overload = await run_load(seawall, capacity * 2, 6)
    assert set(overload.errors) == {"GET 503"}, overload
    # not the beginning, when the line is short, nor the end, when those who are left in it get their turn after all
    begun = overload.records[0].due + 1
    steady = Report(tuple(record for record in overload.records if begun <= record.due < begun + 3.5)).accepted
    assert len(steady.records) / 3.5 >= 0.9 * capacity, (capacity, overload)
    assert steady.p99 <= 3 * normal.p99, (normal, steady)


async def run_load(seawall: SeawallProcess, rate: float, seconds: float) -> Report:
    async with Load(seawall.url + HARD_WORK, rate=rate, post_share=0, max_seconds=seconds) as load:
        return await load.finish()


async def answered_a_second(seawall: SeawallProcess, clients: int, seconds: float) -> float:
    """What so many clients get through, each of which sends its next request when the last is answered."""
    clock = asyncio.get_running_loop().time
    begun = clock()

    async def work() -> int:
        connection = await Connection.open("127.0.0.1", seawall.port)
        answers = 0
        while clock() - begun < seconds:
            answers += (await connection.exchange(request("GET", HARD_WORK, {"Host": "web"}))).status == 200
        connection.close()
        return answers

    answers = await asyncio.gather(*(work() for _ in range(clients)))
    return sum(answers) / (clock() - begun)


# clients that stay


async def test_sticky_client_moves_on_when_its_backend_goes(seawall: SeawallProcess, run_backend: RunBackend) -> None:
    backends = await replicas(run_backend, 3, labels={"seawall.sticky": "at"})
    await until_serving(seawall, *backends)
    by_name = {backend.name: backend for backend in backends}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        first = await names_seen(session, seawall, 10)
        assert len(first) == 1
        await by_name[first.pop()].stop()
        second = await names_seen(session, seawall, 10)
        assert len(second) == 1
        await by_name[second.pop()].kill("SIGKILL")
        assert len(await names_seen(session, seawall, 10)) == 1


async def names_seen(session: aiohttp.ClientSession, seawall: SeawallProcess, requests: int) -> set[str]:
    """Which backends answer this client; all of its requests are answered."""
    names = set()
    for _ in range(requests):
        async with session.get(seawall.url) as response:
            assert response.status == 200
            names.add((await response.json())["name"])
    return names


async def test_websocket_lives_on_in_a_drain_and_is_closed_at_its_end(
    seawall: SeawallProcess, run_backend: RunBackend
) -> None:
    (backend,) = await replicas(run_backend, 1, labels={"seawall.drain": "2s"}, env={"LINGER": 8})
    await until_serving(seawall, backend)
    reader, writer = await asyncio.open_connection("127.0.0.1", seawall.port)
    writer.write(request("GET", "/chat", {"Host": "web", "Connection": "Upgrade", "Upgrade": "websocket"}))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    clock = asyncio.get_running_loop().time
    stopping = asyncio.create_task(backend.stop())
    await until(seawall, backend, "draining")
    draining = clock()
    writer.write(b"still there?")
    assert await reader.readexactly(12) == b"still there?"
    async with asyncio.timeout(6):
        assert await reader.read() == b""
    assert 1 < clock() - draining < 4
    writer.close()
    await stopping


def request(method: str, target: str, fields: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()
