"""The dashboard in a real browser while things happen: traffic, a container that dies, a server that goes away."""

import asyncio
import re
from dataclasses import replace

import pytest
from playwright.async_api import Route, expect

from proxy.admin.events import EventLog
from proxy.fleet.interface import Transition
from proxy.problem import Problem, Severity
from proxy.spec.container import Claim, Decision
from proxy.spec.service import Lifecycle, ServiceSpec
from tests.admin.builders import ROUTES, backend_spec
from tests.admin.dashboard.stage import Stage, serve
from tests.admin.reports import report

pytestmark = pytest.mark.asyncio(loop_scope="module")

MISTAKE = Problem(kind="value", severity=Severity.ERROR, where="seawall.port", what="not a port", hint="try 80")


async def test_page_shows_every_backend_and_asks_nobody_else(stage: Stage) -> None:
    page = await stage.open()
    table = page.get_by_role("table", name="Backends of web")
    await expect(table.get_by_role("rowheader")).to_have_text(
        ["web-1 10.0.0.1:80", "web-2 weight 3, backup10.0.0.1:80"]
    )
    await expect(page.locator("#total-available")).to_have_text("2 of 2")
    await expect(page.locator("#lost")).to_be_hidden()
    assert {url.split("/")[2] for url in stage.requested} == {f"127.0.0.1:{stage.port}"}


async def test_traffic_shows_as_rate_share_and_latency(stage: Stage) -> None:
    page = await stage.open()
    stage.tick(web_1=90, web_2=30)
    row = page.get_by_role("row", name=re.compile("web-1"))
    await expect(row.locator(".rate")).to_have_text("90")
    await expect(row.locator(".figure")).to_have_text("75\u202f%")
    await expect(row.locator(".p50")).to_have_text("3.8\u202fms")  # half of the bucket from 2.5 to 5 ms
    await expect(page.locator("#total-rate")).to_have_text("120/s")
    await expect(page.locator(".chart.requests .line")).to_have_attribute("d", re.compile(r"^M240\.0 "))


async def test_answers_of_5xx_show_as_share_of_errors(stage: Stage) -> None:
    page = await stage.open()
    stage.scene.service().statistics.count_request(b"GET", 502, 0.001)
    stage.tick(web_1=3)
    await expect(page.locator(".chart.errors b")).to_have_text("25\u202f%")


async def test_container_that_dies_is_seen_dying(stage: Stage) -> None:
    page = await stage.open()
    stage.observe("web-1", Lifecycle.DRAINING)
    row = page.get_by_role("row", name=re.compile("web-1"))
    await expect(row.locator(".word")).to_have_text("draining")
    stage.observe("web-1", Lifecycle.GONE)
    await expect(row.locator(".word")).to_have_text("gone")
    await expect(row.get_by_role("button")).to_have_count(0)
    await expect(page.locator(".service .available")).to_have_text("1 of 2 available")
    await expect(page.locator("#timeline .change")).to_have_text(["draining → gone", "available → draining"])
    await expect(page.locator("#announcer")).to_have_text("web-1 in web: gone.")
    stage.scene.reconcile(backend_spec("web-2"))
    await expect(page.get_by_role("rowheader", name="web-1")).to_have_count(0)


async def test_many_that_change_alike_are_one_entry(stage: Stage) -> None:
    stage.scene.reconcile(*(backend_spec(f"web-{number}") for number in range(20)))
    page = await stage.open()
    for number in range(20):
        stage.observe(f"web-{number}", Lifecycle.DRAINING)
    await expect(page.locator("#timeline li")).to_have_count(1)
    await expect(page.locator("#timeline .who")).to_have_text("20 backends")


async def test_transition_is_told_as_it_happens_with_its_reason(stage: Stage) -> None:
    page = await stage.open()
    transition = Transition(service="web", backend="web-1", before="available", after="suspect", reason="refused")
    stage.scene.events.add([transition])
    await expect(page.locator("#timeline .change")).to_have_text("available → suspect · refused")
    await expect(page.locator("#announcer")).to_have_text("web-1 in web: suspect.")


async def test_where_events_cannot_be_had_transitions_are_what_differs(stage: Stage) -> None:
    await stage.page.route("**/api/v1/events", lambda route: route.fulfill(status=503, json={"error": "too many"}))
    page = await stage.open(source="seen once a second")
    stage.observe("web-1", Lifecycle.GONE)
    await expect(page.locator("#timeline .change")).to_have_text("available → gone")
    stage.scene.reconcile(backend_spec("web-2"), backend_spec("web-3"))
    await expect(page.locator("#timeline .who")).to_have_text(["web-1", "web-3", "web-1"])
    assert all("503" in complaint for complaint in stage.complaints)
    stage.complaints.clear()


async def test_what_happened_before_the_stream_was_there_is_not_lost(stage: Stage) -> None:
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await stage.page.route("**/api/v1/events", hold)
    page = await stage.open(source="seen once a second")
    stage.observe("web-1", Lifecycle.GONE)
    held.set()
    await expect(page.locator("#timeline-source")).to_have_text("as they happen")
    stage.observe("web-2", Lifecycle.GONE)
    await expect(page.locator("#timeline .who")).to_have_text(["web-2", "web-1"])


async def test_lost_connection_is_said_and_found_again(stage: Stage) -> None:
    page = await stage.open()
    await stage.server.stop()
    await expect(page.get_by_role("alert")).to_contain_text("does not answer")
    await expect(page.locator("#link-text")).to_have_text("Connection lost")
    stage.scene.events = EventLog()  # of the process that takes its place
    port, stage.server = stage.port, serve(stage.scene)
    await stage.server.start("127.0.0.1", port)
    await expect(page.locator("#link-text")).to_have_text("Live")
    await expect(page.get_by_role("alert")).to_have_count(0)
    stage.observe("web-1", Lifecycle.GONE)
    await expect(page.locator("#timeline .change")).to_have_text("available → gone")
    assert all("net::ERR_" in complaint for complaint in stage.complaints)
    stage.complaints.clear()


async def test_circuit_and_probe_show_how_a_backend_fares(stage: Stage) -> None:
    stage.scene.probe("web-1", 0.01, error="HTTP status 503")
    stage.scene.probe("web-2", 0.01)
    page = await stage.open()
    row = page.get_by_role("row", name=re.compile("web-1"))
    await expect(row.locator(".circuit")).to_have_text("closed")
    await expect(row.locator(".probe")).to_have_text("HTTP status 503")
    await expect(page.get_by_role("row", name=re.compile("web-2")).locator(".probe")).to_have_text("passing")
    stage.scene.probes.clear()
    await expect(page.get_by_role("columnheader", name="Last probe")).to_have_count(0)


async def test_every_container_says_why_it_is_or_is_not_routed(stage: Stage) -> None:
    route = replace(ROUTES[1], text="Host(a.example)")
    claim = Claim(service=ServiceSpec(name="web"), backend=backend_spec("web-1"), routes=(route,))
    stage.scene.reports = [
        report("database", Decision.IGNORED),
        report("web-1", Decision.ROUTED, claims=(claim,)),
        report("batch", Decision.PROBLEM, MISTAKE),
    ]
    page = await stage.open()
    table = page.get_by_role("table", name=re.compile("Every container"))
    await expect(table.locator("tbody .name")).to_have_text(["batch", "web-1", "database"])
    await expect(table.locator(".text")).to_have_text(["it is problem", "it is routed", "it is ignored"])
    await expect(table.get_by_text("not a port")).to_be_visible()
    await expect(table.locator("code")).to_have_text("Host(a.example)")
    await expect(page.get_by_text("1 problem in labels or settings")).to_be_visible()
    await expect(page.get_by_text("from-a-label")).to_have_count(0)


async def test_markup_in_a_name_stays_text(stage: Stage) -> None:
    hostile = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>'
    stage.scene.reconcile(backend_spec(hostile, service=hostile))
    problem = replace(MISTAKE, where=hostile, what=hostile, hint=hostile)
    stage.scene.reports = [report(hostile, Decision.PROBLEM, problem)]
    stage.scene.problems = [problem]
    page = await stage.open()
    stage.observe(hostile, Lifecycle.GONE)
    await expect(page.locator("#timeline .who")).to_have_text(hostile)
    await expect(page.locator("#container-rows .name")).to_have_text(hostile)
    await expect(page.locator(".service .name")).to_have_text(hostile)
    assert await page.locator("img, body script").count() == 0
    assert await page.evaluate("window.hacked") is None
