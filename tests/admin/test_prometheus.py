"""A served proxy, scraped and asked: by promtool, and by a Prometheus that really runs."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from benchmarks.scrape_cost import fleet_of, views_of
from proxy.admin.server import AdminServer
from tests.admin import expressions
from tests.support.prometheus import PrometheusProcess, promtool
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend
from tests.support.seawall_process import SeawallProcess

ANSWER_TIME = 0.15  # seconds: within the bucket from 0.1 to 0.25
REQUESTS = 20
MANY = 1000  # backends
LONGEST_SCRAPE = 0.3  # seconds of CPU, the client's too: 0.05 on a quiet machine


async def answer_in_time(connection: BackendConnection) -> None:
    while True:
        await connection.read_request()
        await asyncio.sleep(ANSWER_TIME)  # a slow answer is what is to be measured
        await connection.write(OK)


async def close(connection: BackendConnection) -> None:
    await connection.read_request()


@pytest.fixture
async def seawall() -> AsyncIterator[SeawallProcess]:
    """A proxy with one backend that takes its time and one that never answers."""
    async with ScriptedBackend(answer_in_time) as backend, ScriptedBackend(close) as other:
        backends = [f"web=http://127.0.0.1:{each.port}" for each in (backend, other)]
        arguments = [argument for each in backends for argument in ("--backend", each)]
        async with SeawallProcess("--no-docker", *arguments) as process:
            yield process


async def ask(seawall: SeawallProcess, count: int = REQUESTS) -> None:
    """So many requests at the same time, and one that is no request."""
    async with aiohttp.ClientSession() as session:

        async def one() -> int:
            async with session.get(seawall.url) as response:
                return response.status

        assert set(await asyncio.gather(*(one() for _ in range(count)))) == {200}
    _, writer = await asyncio.open_connection("127.0.0.1", seawall.port)
    writer.write(b"nonsense\r\n\r\n")
    writer.close()
    await writer.wait_closed()


async def test_scrape_is_accepted_by_promtool(seawall: SeawallProcess) -> None:
    await ask(seawall)
    async with aiohttp.ClientSession() as session, session.get(f"{seawall.admin_url}/metrics") as response:
        text = await response.text()
    assert f'seawall_requests_total{{code="200",method="GET",service="web"}} {REQUESTS:.1f}' in text
    assert 'failure="closed"' in text
    done = await asyncio.to_thread(promtool, "check", "metrics", standard_input=text)
    assert (done.returncode, done.stdout) == (0, "")


def test_promtool_refuses_what_is_wrong() -> None:
    done = promtool("check", "metrics", standard_input="# TYPE seawall_things counter\nseawall_things 1\n")
    assert done.returncode != 0
    assert "_total" in done.stdout


async def test_prometheus_scrapes_and_answers(seawall: SeawallProcess, tmp_path: Path) -> None:
    async with PrometheusProcess(f"127.0.0.1:{seawall.admin_port}", tmp_path) as prometheus:
        await prometheus.wait_for('up{job="seawall"}', 1)
        asked = 'seawall_requests_total{service="web", method="GET", code="200"}'
        for total in (REQUESTS, 2 * REQUESTS):
            await ask(seawall)
            await prometheus.wait_for(asked, total)
        (rate,) = await prometheus.query(f"rate({asked}[1m])")
        assert REQUESTS <= rate * 60 <= 3 * REQUESTS  # the second half of them, and what is made up at both ends
        for quantile in (0.5, 0.99):
            duration = "sum by (le) (rate(seawall_request_duration_seconds_bucket[1m]))"
            (value,) = await prometheus.query(f"histogram_quantile({quantile}, {duration})")
            assert 0.1 < value <= 1.0  # in its bucket, or one of the next where the machine was busy
        assert await prometheus.query("count(seawall_backend_available)") == [2]
        assert sum(await prometheus.query('seawall_backend_failures_total{failure="closed"}')) >= 1
        await check_rules(prometheus)
        for expression in (*expressions.of_dashboard().values(), *expressions.of_document().values()):
            await prometheus.query(expression)


async def check_rules(prometheus: PrometheusProcess) -> None:
    """All alerts are loaded and can be evaluated; with a backend available none of them fires."""
    groups = (await prometheus.get("rules"))["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert len(rules) == expressions.ALERTS.read_text().count("- alert:")
    assert {name for name, rule in rules.items() if rule["health"] == "err"} == set()
    assert {name for name, rule in rules.items() if rule["state"] == "firing"} == set()


async def test_scrape_of_a_thousand_backends_is_quick() -> None:
    server = AdminServer(views_of(fleet_of(MANY)), token=None)
    await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            begun = time.process_time()
            async with session.get(f"http://127.0.0.1:{server.address[1]}/metrics") as response:
                text = await response.text()
            taken = time.process_time() - begun
    finally:
        await server.stop()
    assert text.count("\nseawall_backend_available{") == MANY
    assert taken < LONGEST_SCRAPE
