"""The OpenAPI document and the server held together, both ways: by the router's table, and by asking the server.

The document lets later versions add properties; here nothing may be there that it does not have.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
import requests
import schemathesis
from aiohttp import ClientSession
from hypothesis import given, settings
from schemathesis.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation

from proxy.admin.events import MOST_FOLLOWERS
from proxy.admin.openapi import DOCUMENT, PATH
from proxy.admin.server import AdminServer
from proxy.admin.views import Condition
from proxy.failure import Failure
from proxy.problem import Problem, Severity
from proxy.spec.config import resolve
from proxy.spec.container import Claim, Decision
from proxy.spec.service import ServiceSpec
from tests.admin.builders import ROUTES, Scene, backend_spec
from tests.admin.conftest import TOKEN
from tests.admin.reports import report

METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = [(method, path) for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item]
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 50  # of each operation, the same in every run
DRAIN = "/api/v1/backends/{name}/drain"
UNDRAIN = "/api/v1/backends/{name}/undrain"
BACKEND = "/api/v1/backends/{name}"
FILE = "/dashboard/{name}"
EVENTS = "/api/v1/events"


def closed(part: Any) -> Any:
    """The same with every object closed to properties that it does not name."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    copy = {key: closed(value) for key, value in part.items()}
    return {**copy, "additionalProperties": False} if isinstance(part.get("required"), list) else copy


SCHEMA = schemathesis.openapi.from_dict(closed(DOCUMENT))


def operation_of(method: str, path: str) -> APIOperation[Any, Any, Any, Any]:
    return SCHEMA[path][method.upper()]


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """Something of everything a document can hold."""
    scene.readiness.hold(Condition.LISTENING)
    scene.readiness.hold(Condition.SERVED)
    scene.readiness.hold(Condition.DISCOVERED)
    service = scene.service()
    service.statistics.count_request(b"GET", 200, 0.1)
    service.statistics.count_retry(Failure.REFUSED)
    backend = scene.backend("web-1")
    backend.statistics.responses[2] = 1
    for failure in (Failure.REFUSED, Failure.CLOSED, Failure.CLOSED, Failure.CLOSED):
        scene.fleet.report(service, backend, failure, scene.now)
    scene.probe("web-1", 0.002)
    scene.probe("web-2", 0.1, error="status 503, expected 200-399")
    scene.events.end()  # an answer that never ends cannot be looked at as a whole
    claim = Claim(service=ServiceSpec(name="web"), backend=backend_spec("a"), routes=ROUTES[1:])
    mistake = Problem(kind="no-port", where="container b", what="no port", hint="give one", severity=Severity.ERROR)
    scene.reports = [report("a", Decision.ROUTED, claims=(claim,)), report("b", Decision.PROBLEM, mistake)]
    scene.problems = [mistake]
    scene.resolved = resolve(
        cli={"listen": [":80"], "backend": ["api=http://10.0.0.7:8000"], "default": ["timeout.response=5s"]},
        environment={},
        own_labels={},
        toml_document={},
        in_container=True,
    )
    return scene


@asynccontextmanager
async def serving(scene: Scene, token: str | None = TOKEN) -> AsyncIterator[str]:
    """A server over the scene while entered: its URL."""
    server = AdminServer(scene.views, token)
    await server.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.address[1]}"
    finally:
        await server.stop()


# the routes


def test_every_route_of_the_server_is_in_the_document_and_no_other(scene: Scene) -> None:
    application = AdminServer(scene.views, TOKEN)._runner.app  # whoever added them
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in application.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert served == set(OPERATIONS)


async def test_document_is_served(client: ClientSession) -> None:
    async with client.get(PATH) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        assert await response.json() == json.loads(json.dumps(DOCUMENT))


def test_document_is_valid_openapi() -> None:
    SCHEMA.validate()


def test_every_part_is_referred_to_and_every_reference_leads_somewhere() -> None:
    components = DOCUMENT["components"]
    parts = {
        f"#/components/{kind}/{name}" for kind in components if kind != "securitySchemes" for name in components[kind]
    }
    assert set(references(DOCUMENT)) == parts


def references(part: Any) -> Iterator[str]:
    """Every `$ref` in it."""
    if isinstance(part, list):
        for each in part:
            yield from references(each)
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)


# the answers


class Asked(NamedTuple):
    """One question and the status that answers it."""

    method: str
    path: str
    status: int
    name: str = "web-1"
    fields: tuple[tuple[str, str], ...] = ()
    token: str | None = TOKEN
    ready: bool = True
    followers: int = 0


ASKED = {
    **{f"{path} answers": Asked("get", path, 200) for method, path in OPERATIONS if method == "get"},
    f"{FILE} answers": Asked("get", FILE, 200, "main.js"),
    **{f"{path} again": Asked("get", path, 304, "main.js", (("If-None-Match", "*"),)) for path in ("/", FILE)},
    f"{FILE} of a file there is not": Asked("get", FILE, 404, "passwd"),
    f"{BACKEND} of a backend there is not": Asked("get", BACKEND, 404, "nobody"),
    f"{EVENTS} when too many follow": Asked("get", EVENTS, 503, followers=MOST_FOLLOWERS),
    "/readyz while starting": Asked("get", "/readyz", 503, ready=False),
    "/metrics in OpenMetrics": Asked("get", "/metrics", 200, fields=(("Accept", "application/openmetrics-text"),)),
    **{
        f"{path} {what}": Asked("post", path, status, name, fields, token)
        for path in (DRAIN, UNDRAIN)
        for what, status, name, fields, token in (
            ("of a backend", 200, "web-1", (), TOKEN),
            ("of a backend there is not", 404, "nobody", (), TOKEN),
            ("with a wrong token", 401, "web-1", (("Authorization", "Bearer wrong"),), TOKEN),
            ("from elsewhere where no token is set", 403, "web-1", (("Via", "1.1 other"),), None),
        )
    },
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_answer_is_as_documented(scene: Scene, asked: Asked) -> None:
    if not asked.ready:
        scene.readiness.lose(Condition.DISCOVERED)
    scene.events.followers = asked.followers
    operation = operation_of(asked.method, asked.path)
    case = operation.Case(path_parameters={"name": asked.name} if "{name}" in asked.path else {})
    async with serving(scene, asked.token) as url:
        response = await asyncio.to_thread(case.call, base_url=url, headers=dict(asked.fields))
    case.validate_response(response, checks=CHECKS)
    assert response.status_code == asked.status


def test_every_documented_status_is_asked_for() -> None:
    documented = {
        (method, path, int(status))
        for method, path in OPERATIONS
        for status in DOCUMENT["paths"][path][method]["responses"]
        if status != "500"
    }
    assert {(asked.method, asked.path, asked.status) for asked in ASKED.values()} == documented


async def test_failure_of_the_server_is_as_documented(scene: Scene) -> None:
    scene.connections = 1  # type: ignore[assignment]
    case = operation_of("get", "/metrics").Case()
    async with serving(scene) as url:
        response = await asyncio.to_thread(case.call, base_url=url)
    case.validate_response(response, checks=CHECKS)
    assert response.status_code == 500


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part)
async def test_whatever_is_asked_the_answer_is_as_documented(scene: Scene, method: str, path: str) -> None:
    async with serving(scene) as url:
        await asyncio.to_thread(ask_at_random, operation_of(method, path), url)


def ask_at_random(operation: APIOperation[Any, Any, Any, Any], url: str) -> None:
    """Ask what the document lets one ask; raises on an answer that is not in it."""

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None)
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=url, checks=CHECKS)

    ask()


async def test_data_of_an_event_is_as_documented() -> None:
    scene = Scene()
    scene.reconcile(backend_spec("web-1"))
    schema = DOCUMENT["components"]["schemas"]["Transition"]
    async with serving(scene) as url, ClientSession(url) as client, client.get(EVENTS) as response:
        scene.events.add(scene.fleet.drain("web-1", scene.now).transitions)
        async for line in response.content:
            if line.startswith(b"data: "):
                break
    data = json.loads(line.removeprefix(b"data: "))
    assert data.keys() == schema["properties"].keys() == set(schema["required"])
    assert {type(value) for value in data.values()} == {str}


# and that these tests can fail


@pytest.mark.parametrize(
    ("status", "body"),
    [(418, {"error": "a", "hint": ""}), (404, {"error": "a"}), (404, {"error": "a", "hint": "", "more": 1})],
    ids=["a status that is not documented", "a property that is missing", "a property that is not documented"],
)
def test_answer_that_is_not_documented_is_refused(status: int, body: dict[str, Any]) -> None:
    response = requests.Response()
    response.status_code = status
    response.headers["Content-Type"] = "application/json"
    response._content = json.dumps(body).encode()
    response.request = requests.Request("POST", "http://localhost/").prepare()
    case = operation_of("post", DRAIN).Case(path_parameters={"name": "web-1"})
    with pytest.raises(FailureGroup):
        case.validate_response(response, checks=CHECKS)
