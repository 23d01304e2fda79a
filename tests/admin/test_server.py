"""The admin server over a real socket: every endpoint, every error, starting and stopping."""

import json
import socket

import pytest
from aiohttp import ClientSession

from proxy import __version__
from proxy.admin.server import AdminServer
from proxy.admin.views import Condition
from proxy.errors import BindError
from proxy.failure import Failure
from proxy.fleet.service import Service
from proxy.problem import Problem, Severity
from proxy.spec.config import resolve
from proxy.spec.container import Claim, Decision
from proxy.spec.service import ServiceSpec
from proxy.spec.settings import SETTINGS
from tests.admin.builders import ROUTES, Scene, backend_spec
from tests.admin.conftest import TOKEN
from tests.admin.reports import report

READS = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/services",
    "/api/v1/backends",
    "/api/v1/containers",
    "/api/v1/routes",
    "/api/v1/config",
    "/api/v1/openapi.json",
)


# health


async def test_process_that_answers_is_alive(client: ClientSession) -> None:
    async with client.get("/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})


async def test_not_ready_says_what_does_not_hold(scene: Scene, client: ClientSession) -> None:
    scene.readiness.hold(Condition.LISTENING)
    scene.readiness.hold(Condition.SERVED)
    async with client.get("/readyz") as response:
        document = await response.json()
    assert response.status == 503
    assert document["ready"] is False
    assert document["conditions"] == {
        "listening": True,
        "a worker serves": True,
        "first discovery done": False,
        "not draining": True,
    }
    assert document["error"] == "does not hold: first discovery done"
    assert "missing=['first discovery done']" in repr(scene.readiness)


async def test_ready_when_everything_holds(scene: Scene, client: ClientSession) -> None:
    scene.readiness.hold(Condition.LISTENING)
    scene.readiness.hold(Condition.SERVED)
    scene.readiness.hold(Condition.DISCOVERED)
    async with client.get("/readyz") as response:
        assert (response.status, (await response.json())["ready"]) == (200, True)


async def test_draining_is_not_ready(scene: Scene, client: ClientSession) -> None:
    scene.readiness.hold(Condition.LISTENING)
    scene.readiness.hold(Condition.SERVED)
    scene.readiness.hold(Condition.DISCOVERED)
    scene.readiness.lose(Condition.NOT_DRAINING)
    async with client.get("/readyz") as response:
        assert response.status == 503
        assert (await response.json())["error"] == "does not hold: not draining"


# reading


async def test_services(scene: Scene, client: ClientSession) -> None:
    statistics = scene.service().statistics
    statistics.count_request(b"GET", 200, 0.1)
    statistics.count_request(b"POST", 200, 0.1)
    statistics.count_retry(Failure.RESET)
    async with client.get("/api/v1/services") as response:
        (service,) = (await response.json())["services"]
    backends = service.pop("backends")
    assert [backend["name"] for backend in backends] == ["web-1", "web-2"]
    assert service == {
        "name": "web",
        "policy": "least-connections",
        "available": 2,
        "requests": {"200": 2},
        "retries": {"reset": 1},
        "request_bytes": 0,
        "response_bytes": 0,
    }


async def test_backends(scene: Scene, client: ClientSession) -> None:
    backend = scene.backend("web-2")
    Service.take_again(backend)
    backend.statistics.responses[2] = 9
    backend.statistics.count_failure(Failure.CLOSED)
    scene.now += 1.5
    scene.fleet.drain("web-2", scene.now)
    scene.now += 2.25
    async with client.get("/api/v1/backends") as response:
        available, drained = (await response.json())["backends"]
    assert (available["state"], available["reason"], available["since"]) == ("available", None, 3.75)
    assert drained == {
        "name": "web-2",
        "service": "web",
        "container": "id-web-2",
        "address": "http://10.0.0.1:80",
        "state": "unavailable",
        "reason": "drained",
        "since": 2.25,
        "in_flight": 1,
        "weight": 3,
        "backup": True,
        "requests": {"2xx": 9},
        "failures": {"closed": 1},
        "circuit": {"state": "closed", "opened": {}},
        "probe": None,
    }


async def test_containers_with_decision_and_problems(scene: Scene, client: ClientSession) -> None:
    claim = Claim(service=ServiceSpec(name="web"), backend=backend_spec("a"), routes=ROUTES[1:])
    mistake = Problem(kind="no-port", where="container b", what="no port", hint="give one", severity=Severity.ERROR)
    scene.reports = [report("a", Decision.ROUTED, claims=(claim,)), report("b", Decision.PROBLEM, mistake)]
    scene.problems = [mistake]
    async with client.get("/api/v1/containers") as response:
        text = await response.text()
    document = json.loads(text)
    routed, refused = document["containers"]
    shown = {"kind": "no-port", "severity": "error", "where": "container b", "what": "no port", "hint": "give one"}
    assert routed == {
        "id": "id-a",
        "name": "a",
        "lifecycle": "running",
        "started": "1970-01-02T00:00:00+00:00",
        "decision": "routed",
        "reason": "it is routed",
        "services": [{"name": "web", "address": "http://10.0.0.1:80", "rules": ["Host(a.example)"]}],
        "problems": [],
    }
    assert (refused["decision"], refused["problems"]) == ("problem", [shown])
    assert document["problems"] == [shown]
    assert "from-a-label" not in text


async def test_routes_in_the_order_of_matching(client: ClientSession) -> None:
    async with client.get("/api/v1/routes") as response:
        routes = (await response.json())["routes"]
    assert routes == [
        {"position": 0, "rule": "Host(a.example)", "priority": 7, "service": "web"},
        {"position": 1, "rule": "everything", "priority": None, "service": "web"},
    ]


async def test_configuration_with_origins(scene: Scene, client: ClientSession) -> None:
    scene.resolved = resolve(
        cli={"listen": [":80", "[::1]:81"], "backend": ["api=http://10.0.0.7:8000"], "policy": "random"},
        environment={"SEAWALL_TRUSTED_PROXIES": "10.0.0.0/8", "SEAWALL_CONSTRAINT": "a,b=c"},
        own_labels={},
        toml_document={"defaults": {"timeout": {"response": "5s"}}},
        in_container=True,
    )
    async with client.get("/api/v1/config") as response:
        document = await response.json()
    settings = document["settings"]
    assert (document["version"], document["fleet_version"]) == (__version__, scene.fleet.version)
    assert set(settings) == set(SETTINGS)
    assert settings["listen"] == {"value": [":80", "[::1]:81"], "origin": "command line --listen"}
    assert settings["admin"] == {"value": ":9900", "origin": "default"}
    assert settings["backend"]["value"] == ["api=http://10.0.0.7:8000"]
    assert settings["policy"] == {"value": "random", "origin": "command line --policy"}
    assert settings["trusted-proxies"] == {
        "value": ["10.0.0.0/8"],
        "origin": "environment SEAWALL_TRUSTED_PROXIES",
    }
    assert settings["constraint"]["value"] == ["a", "b=c"]
    assert settings["drain"]["value"] == 30.0
    assert settings["admin-token"]["value"] is None
    response_timeout = settings["default"]["value"]["timeout.response"]
    assert response_timeout["value"] == "5s"
    assert "seawall.toml" in response_timeout["origin"]


async def test_secrets_are_shown_nowhere(scene: Scene, client: ClientSession) -> None:
    scene.resolved = resolve(
        cli={"admin-token": TOKEN, "default": ["health.headers.authorization=Bearer t0psecret"]},
        environment={},
        own_labels={},
        toml_document={},
        in_container=False,
    )
    for path in READS:
        async with client.get(path) as response:
            text = await response.text()
        assert TOKEN not in text
        assert "t0psecret" not in text
    async with client.get("/api/v1/config") as response:
        settings = (await response.json())["settings"]
    assert settings["admin-token"] == {"value": "(hidden)", "origin": "command line --admin-token"}
    assert settings["default"]["value"]["health.headers.authorization"]["value"] == "(hidden)"


async def test_metrics_are_scraped(client: ClientSession) -> None:
    async with client.get("/metrics", headers={"Accept-Encoding": "gzip"}) as response:
        text = await response.text()
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert response.headers["Content-Encoding"] == "gzip"
    assert 'seawall_backend_available{backend="web-1",service="web"} 1.0\n' in text


async def test_metrics_in_openmetrics_when_asked(client: ClientSession) -> None:
    async with client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}) as response:
        text = await response.text()
    assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize("path", [*READS, "/nothing"])
async def test_every_answer_has_the_common_fields(client: ClientSession, path: str) -> None:
    async with client.get(path) as response:
        headers = response.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers.getall("Server") == ["seawall"]


# changing


async def test_backend_is_drained_and_given_back(scene: Scene, client: ClientSession) -> None:
    backend = scene.backend("web-1")
    Service.take_again(backend)
    async with client.post("/api/v1/backends/web-1/drain") as response:
        document = await response.json()
    assert response.status == 200
    assert (document["backend"], document["drained"], document["in_flight"]) == ("web-1", True, 1)
    assert document["backends"][0]["reason"] == "drained"
    assert [change.transitions[0].after for change in scene.announced] == ["drained by the operator"]
    async with client.post("/api/v1/backends/web-1/undrain", headers={"Authorization": f"Bearer {TOKEN}"}) as response:
        assert (await response.json())["drained"] is False
    assert backend.unavailable is None


async def test_one_backend_is_shown_by_its_name(scene: Scene, client: ClientSession) -> None:
    scene.backend("web-2").in_flight = 3
    async with client.get("/api/v1/backends/web-2") as response:
        document = await response.json()
    assert (response.status, document["backend"], document["drained"], document["in_flight"]) == (
        200,
        "web-2",
        False,
        3,
    )
    assert [backend["name"] for backend in document["backends"]] == ["web-2"]
    async with client.get("/api/v1/backends/web-3") as response:
        assert (response.status, (await response.json())["error"]) == (404, "there is no backend web-3")
    assert scene.announced == []


async def test_drain_twice_is_as_good_as_once(scene: Scene, client: ClientSession) -> None:
    for _ in range(2):
        async with client.post("/api/v1/backends/web-1/drain") as response:
            assert (response.status, (await response.json())["drained"]) == (200, True)


async def test_backend_named_by_host_and_port_is_found(scene: Scene, client: ClientSession) -> None:
    scene.reconcile(backend_spec("[::1]:80"))
    async with client.post("/api/v1/backends/%5B::1%5D:80/drain") as response:
        assert response.status == 200


async def test_unknown_backend_gets_the_closest_name(client: ClientSession) -> None:
    async with client.post("/api/v1/backends/wbe-1/drain") as response:
        document = await response.json()
    assert response.status == 404
    assert document == {"error": "there is no backend wbe-1", "hint": "did you mean web-1?"}


async def test_wrong_token_changes_nothing(scene: Scene, client: ClientSession) -> None:
    async with client.post("/api/v1/backends/web-1/drain", headers={"Authorization": "Bearer wrong"}) as response:
        document = await response.json()
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert document["error"] == "changes need the admin token"
    assert scene.backend("web-1").unavailable is None


async def test_without_a_token_only_this_machine_may_change(scene: Scene) -> None:
    server = AdminServer(scene.views, token=None)
    await server.start("127.0.0.1", 0)
    async with ClientSession(f"http://127.0.0.1:{server.address[1]}") as session:
        path = "/api/v1/backends/web-1/drain"
        async with session.post(path, headers={"X-Forwarded-For": "10.0.0.9"}) as response:
            document = await response.json()
        assert response.status == 403
        assert "admin-token" in document["hint"]
        assert scene.backend("web-1").unavailable is None
        async with session.post(path) as response:
            assert response.status == 200
    await server.stop()


# errors


async def test_unknown_path_gets_the_closest_one(client: ClientSession) -> None:
    async with client.get("/api/v1/service") as response:
        document = await response.json()
    assert response.status == 404
    assert document == {"error": "there is nothing at /api/v1/service", "hint": "did you mean /api/v1/services?"}


async def test_wrong_method_gets_the_right_one(client: ClientSession) -> None:
    async with client.get("/api/v1/backends/web-1/drain") as response:
        document = await response.json()
    assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert document == {"error": "/api/v1/backends/web-1/drain does not take GET", "hint": "use POST"}


async def test_handler_that_breaks_is_an_error_in_json_and_in_the_log(
    scene: Scene, client: ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.connections = 1  # type: ignore[assignment]
    async with client.get("/metrics") as response:
        document = await response.json()
    assert response.status == 500
    assert document["error"] == "the admin server failed"
    captured = capsys.readouterr()
    assert "an admin request failed" in captured.out + captured.err
    async with client.get("/healthz") as response:
        assert response.status == 200


# starting and stopping


async def test_taken_address_is_named_with_a_hint(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = AdminServer(scene.views, token=None)
        with pytest.raises(BindError, match=rf"127\.0\.0\.1:{port} for admin: Address already in use .*--admin"):
            await server.start("127.0.0.1", port)
        await server.stop()


async def test_host_that_is_none_is_named(scene: Scene) -> None:
    with pytest.raises(BindError, match=r"cannot listen on 300\.0\.0\.1:0 for admin"):
        await AdminServer(scene.views, token=None).start("300.0.0.1", 0)


async def test_empty_host_listens_everywhere(scene: Scene) -> None:
    server = AdminServer(scene.views, token=None)
    await server.start("", 0)
    port = server.address[1]
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/healthz") as response:
        assert response.status == 200
    assert f":{port}" in repr(server)
    await server.stop()


async def test_stopped_server_listens_no_more(scene: Scene) -> None:
    server = AdminServer(scene.views, token=None)
    await server.start("127.0.0.1", 0)
    await server.stop()
    with socket.create_server(server.address):
        pass
