"""What is held against a backend is shown with it: its circuit, and what its probes came to."""

from aiohttp import ClientSession

from proxy.failure import Failure
from tests.admin.builders import Scene


async def test_open_circuit_says_why(scene: Scene, client: ClientSession) -> None:
    service, backend = scene.service(), scene.backend("web-1")
    for _ in range(3):
        scene.fleet.report(service, backend, Failure.CLOSED, scene.now)
    async with client.get("/api/v1/backends/web-1") as response:
        (shown,) = (await response.json())["backends"]
    assert shown["circuit"] == {"state": "open", "opened": {"gateway-failures": 1}}
    assert (shown["state"], shown["reason"]) == ("unavailable", "circuit_open")


async def test_probe_of_a_backend_says_what_is_wrong(scene: Scene, client: ClientSession) -> None:
    scene.probe("web-1", 0.002)
    scene.probe("web-2", 0.002)
    scene.probe("web-2", 0.1, 0.2, error="status 503, expected 200-399")
    async with client.get("/api/v1/backends") as response:
        well, ill = (await response.json())["backends"]
    assert well["probe"] == {"verdict": "passing", "error": None, "passed": 1, "failed": 0}
    assert ill["probe"] == {"verdict": "failing", "error": "status 503, expected 200-399", "passed": 1, "failed": 2}
