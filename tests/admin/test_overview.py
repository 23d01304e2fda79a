"""The one document that a page which is kept open asks for."""

from aiohttp import ClientSession

from proxy.fleet.statistics import BOUNDS
from proxy.problem import Problem, Severity
from proxy.spec.container import Decision
from tests.admin.builders import Scene
from tests.admin.reports import report


async def test_overview_has_durations_by_bucket(scene: Scene, client: ClientSession) -> None:
    scene.backend("web-1").statistics.first_byte.observe(0.002)
    scene.service().statistics.count_request(b"GET", 200, 20.0)
    async with client.get("/api/v1/overview") as response:
        document = await response.json()
    (service,) = document["services"]
    assert document["bounds"] == list(BOUNDS)
    assert service["duration"] == [0] * 13 + [1]
    assert [backend["first_byte"][1] for backend in service["backends"]] == [1, 0]
    assert service["backends"][1]["name"] == "web-2"
    assert service["available"] == 2


async def test_overview_says_how_the_proxy_stands(scene: Scene, client: ClientSession) -> None:
    mistake = Problem(kind="value", severity=Severity.ERROR, where="here", what="wrong", hint="")
    scene.now = 123.4567
    scene.problems = [mistake]
    scene.reports = [report("a", Decision.PROBLEM, mistake, mistake), report("b", Decision.IGNORED)]
    async with client.get("/api/v1/overview") as response:
        document = await response.json()
    assert document["at"] == 123.457
    assert document["missing"] == ["listening", "a worker serves", "first discovery done"]
    assert document["connected"] is True
    assert document["containers"] == {"problem": 1, "ignored": 1}
    assert document["problems"] == 3
