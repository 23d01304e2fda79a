"""`seawall run` with workers: who serves, what is shown of them, and what the end of a process costs."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support.clients import Clients
from tests.support.prelude import Prelude
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, Holding, ScriptedBackend
from tests.support.seawall_process import SeawallProcess, is_alive, memory
from tests.support.waiting import wait_until_async

MEGABYTE = 1 << 20
HEAVY = (
    "aiohttp",
    "docker",
    "requests",
    "structlog",
    "typer",
    "rich",
    "prometheus_client",
    "proxy.control",
    "proxy.app",
)
RESTARTS = re.compile(r"^seawall_worker_restarts_total (\S+)", re.MULTILINE)
REQUESTS = re.compile(r'^seawall_requests_total\{[^}]*code="200"[^}]*\} (\S+)', re.MULTILINE)


def run_workers(backend: ScriptedBackend, count: int, *options: str) -> SeawallProcess:
    url = f"http://127.0.0.1:{backend.port}"
    return SeawallProcess("--no-docker", "--backend", url, "--workers", str(count), *options)


async def eventually(is_so: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    async def ask() -> bool:
        return is_so()

    await wait_until_async(ask, what, seconds)


async def metric(seawall: SeawallProcess, pattern: re.Pattern[str]) -> float:
    async with aiohttp.ClientSession() as session, session.get(seawall.admin_url + "/metrics") as response:
        return sum(map(float, pattern.findall(await response.text())))


# who serves


async def test_worker_imports_nothing_of_the_control_plane() -> None:
    code = "import sys, proxy.processes.worker; print(*sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    loaded = output.decode().split()
    assert "proxy.dataplane.plane" in loaded
    assert [name for name in HEAVY if name in loaded] == []


async def test_every_worker_serves_and_their_figures_are_one() -> None:
    async with ScriptedBackend() as backend, run_workers(backend, 2) as seawall:
        for _ in range(40):
            async with RawClient(seawall.port) as client:
                assert (await client.get()).status == 200
        (service,) = (await seawall.admin("/api/v1/services"))["services"]
        assert service["requests"] == {"200": 40}
        assert service["backends"][0]["requests"] == {"2xx": 40}
        assert await metric(seawall, REQUESTS) == 40
        assert backend.accepted >= 3  # one connection of each worker's pool, and the prober's


async def test_configuration_shows_which_version_each_worker_serves() -> None:
    async with ScriptedBackend() as backend, run_workers(backend, 3) as seawall:
        document = await seawall.admin("/api/v1/config")
        assert sorted(worker["pid"] for worker in document["workers"]) == seawall.workers
        assert {worker["fleet_version"] for worker in document["workers"]} == {document["fleet_version"]}
        assert {worker["restarts"] for worker in document["workers"]} == {0}


async def test_operator_drains_a_backend_in_every_worker() -> None:
    at_once = ("--default", "limit.wait=0s")  # nobody waits for the backend to come back
    async with ScriptedBackend() as backend, run_workers(backend, 2, *at_once) as seawall:
        name = f"127.0.0.1:{backend.port}"
        url = f"{seawall.admin_url}/api/v1/backends/{name}"
        async with aiohttp.ClientSession() as session:
            for change, statuses in (("drain", {503}), ("undrain", {200})):
                async with session.post(f"{url}/{change}") as response:
                    assert response.status == 200
                answers = set()
                for _ in range(20):
                    async with RawClient(seawall.port) as client:
                        answers.add((await client.get()).status)
                assert answers == statuses


async def test_pinned_workers_keep_to_one_core_each() -> None:
    async with ScriptedBackend() as backend, run_workers(backend, 2, "--pin-workers") as seawall:
        cores = [os.sched_getaffinity(pid) for pid in seawall.workers]
        assert [len(each) for each in cores] == [1, 1]
        if len(os.sched_getaffinity(0)) > 1:
            assert cores[0] != cores[1]


async def test_access_log_has_a_whole_line_for_each_request_of_every_worker() -> None:
    async with ScriptedBackend() as backend, run_workers(backend, 2, "--access-log", "json") as seawall:
        async with Clients(seawall.port) as clients:
            await clients.answered(100)
        output = seawall.process.stdout
        assert output is not None
        lines = [json.loads(await asyncio.wait_for(output.readline(), 5)) for _ in clients.requests]
        assert {line["status"] for line in lines} == {200}


async def test_memory_of_worker_and_supervisor_stays_within_bounds() -> None:
    async with ScriptedBackend() as backend, run_workers(backend, 1) as seawall:
        async with RawClient(seawall.port) as client:
            assert (await client.get()).status == 200
        assert seawall.rss < 45 * MEGABYTE
        assert memory(seawall.process.pid) < 100 * MEGABYTE


# what is in flight is shared


class Busy:
    """A backend that takes its time, and counts how many it has at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun: list[int] = []  # how many there were with each that began
        self._now = 0

    async def serve(self, connection: BackendConnection) -> None:
        while True:
            await connection.read_request()
            self._now += 1
            self.begun.append(self._now)
            await asyncio.sleep(self.seconds)
            self._now -= 1
            await connection.write(OK)


async def test_slow_backend_has_as_much_in_flight_as_with_one_process() -> None:
    slow, quick, other = Busy(0.2), Busy(0.01), Busy(0.01)
    async with (
        ScriptedBackend(slow.serve) as one,
        ScriptedBackend(quick.serve) as two,
        ScriptedBackend(other.serve) as three,
        run_workers(one, 4, *(f"--backend=http://127.0.0.1:{backend.port}" for backend in (two, three))) as seawall,
    ):
        async with Clients(seawall.port, 6) as clients:
            await clients.answered(400)
        assert clients.failed == []
    # Of six at once five are under way when one begins, so there is a backend with no more than one.
    crowded = [count for count in slow.begun if count > 2]
    assert len(crowded) <= len(slow.begun) / 20, slow.begun


async def test_limit_of_a_backend_holds_over_all_workers() -> None:
    busy = Busy(0.02)
    options = ("--default", "limit.inflight=2", "--default", "limit.wait=5s")
    async with ScriptedBackend(busy.serve) as backend, run_workers(backend, 4, *options) as seawall:
        async with Clients(seawall.port, 12) as clients:
            await clients.answered(100)
        assert clients.failed == []
    crowded = [count for count in busy.begun if count > 2]
    assert len(crowded) <= len(busy.begun) / 20, busy.begun


# a worker ends


async def test_killed_worker_costs_what_was_in_flight_in_it_and_no_more() -> None:
    async with (
        ScriptedBackend() as backend,
        run_workers(backend, 2) as seawall,
        Clients(seawall.port) as clients,
    ):
        before = seawall.workers
        await clients.answered(100)
        counted = await metric(seawall, REQUESTS)
        killed = time.monotonic()
        os.kill(before[0], signal.SIGKILL)
        await seawall.logged("worker ended", how="SIGKILL")
        await eventually(lambda: len(seawall.workers) == 2, "another worker")
        await clients.answered(200)
        assert [request for request in clients.failed if request.began > killed + 0.05] == []
        assert len(clients.failed) <= 8
        assert await metric(seawall, REQUESTS) >= counted
        assert await metric(seawall, RESTARTS) == 1
        assert before[1] in seawall.workers


async def test_hung_worker_is_replaced_and_its_backlog_served() -> None:
    async with ScriptedBackend() as backend, run_workers(backend, 1) as seawall:
        (hung,) = seawall.workers
        os.kill(hung, signal.SIGSTOP)
        async with RawClient(seawall.port) as client:
            assert (await client.get()).status == 200
        await seawall.logged("worker hangs", pid=hung)
        assert seawall.workers != [hung]


async def test_worker_told_to_end_by_somebody_else_is_replaced_and_nothing_is_lost() -> None:
    async with ScriptedBackend() as backend, run_workers(backend, 2) as seawall:
        async with Clients(seawall.port) as clients:
            await clients.answered(50)
            os.kill(seawall.workers[0], signal.SIGTERM)
            await seawall.logged("worker ended", how="exit code 0")
            await clients.answered(100)
        assert clients.failed == []


async def readiness(seawall: SeawallProcess) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(seawall.admin_url + "/readyz") as response:
        return response.status, (await response.json()).get("error", "")


async def test_proxy_is_not_ready_while_no_worker_serves_and_ready_again_once_one_does(tmp_path: Path) -> None:
    prelude = Prelude(tmp_path)
    options = ("--no-docker", "--workers", "2")
    async with SeawallProcess(*options, environment=prelude.environment) as seawall:

        async def ready() -> bool:
            return (await readiness(seawall))[0] == 200

        await wait_until_async(ready, "the start", 5)
        one, two = seawall.workers
        prelude.kill("proxy.processes.worker")
        os.kill(one, signal.SIGKILL)
        await seawall.logged("worker ended", again_in=0.2)
        assert await ready()
        os.kill(two, signal.SIGKILL)
        await seawall.logged("no worker serves")
        for _ in range(5):
            assert await readiness(seawall) == (503, "does not hold: a worker serves")
        prelude.clear()
        await wait_until_async(ready, "a worker", 15)
        async with RawClient(seawall.port) as client:
            assert (await client.get()).status == 404


# the supervisor ends


@pytest.mark.timeout(60)
async def test_workers_serve_on_while_the_supervisor_stands_still() -> None:
    async with ScriptedBackend() as backend, run_workers(backend, 2) as seawall:
        before = seawall.workers
        async with Clients(seawall.port) as clients:
            seawall.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(10.0)  # the time itself is what is tested
            seawall.process.send_signal(signal.SIGCONT)
            await clients.answered(50)
        assert clients.failed == []
        assert await metric(seawall, REQUESTS) == len(clients.requests)
        await asyncio.sleep(1.5)  # a check of the heartbeats or two
        assert seawall.workers == before


async def test_workers_of_a_killed_supervisor_finish_and_end() -> None:
    holding = Holding()
    async with ScriptedBackend(holding) as backend, run_workers(backend, 2) as seawall:
        workers = seawall.workers
        async with RawClient(seawall.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await holding.asked.wait()
            seawall.process.kill()
            await seawall.process.wait()
            await eventually(lambda: sum(map(is_alive, workers)) == 1, "the end of the worker with nothing to do")
            holding.release.set()
            assert (await client.read_response()).body == b"ok"
        await eventually(lambda: not any(map(is_alive, workers)), "the end of the other")


async def test_interrupt_of_a_terminal_lets_requests_finish() -> None:
    holding = Holding()
    async with (
        ScriptedBackend(holding) as backend,
        run_workers(backend, 2) as seawall,
        RawClient(seawall.port) as client,
    ):
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await holding.asked.wait()
        for pid in seawall.workers:
            os.kill(pid, signal.SIGHUP)
        for pid in (seawall.process.pid, *seawall.workers):
            os.kill(pid, signal.SIGINT)
        await seawall.logged("draining")
        holding.release.set()
        assert (await client.read_response()).body == b"ok"
        assert await asyncio.wait_for(seawall.process.wait(), 5) == 0
