"""The admin API in OpenAPI 3.1, as it is served at `/api/v1/openapi.json`.

Law: every route of api.py is here with every status it can answer; tests hold the two together, by the router's table
and by asking a running server.
"""

from typing import Any, Final, TypeAlias

from proxy import __version__
from proxy.admin.schemas import SCHEMAS, reference

PATH: Final = "/api/v1/openapi.json"

_Part: TypeAlias = dict[str, Any]

_JSON: Final = "application/json"
_HEALTH: Final = "health"
_STATE: Final = "state"
_CHANGES: Final = "changes"
_DASHBOARD: Final = "dashboard"

_TAGS: Final = (
    {"name": _HEALTH, "description": "For orchestrators and scrapers."},
    {"name": _STATE, "description": "What there is at this moment. Open to whoever reaches the address."},
    {"name": _CHANGES, "description": "Need the admin token, or a client on the same machine."},
    {"name": _DASHBOARD, "description": "The page at / and what it is made of."},
)


def _json(description: str, schema: str) -> _Part:
    return {"description": description, "content": {_JSON: {"schema": reference(schema)}}}


def _text(description: str, *media_types: str) -> _Part:
    return {"description": description, "content": {each: {"schema": {"type": "string"}} for each in media_types}}


def _refusal(status: int) -> _Part:
    return {str(status): {"$ref": f"#/components/responses/{status}"}}


def _read(operation: str, tag: str, summary: str, answer: _Part, **others: _Part) -> _Part:
    """A path that takes GET. `others` are answers besides 200 by their status, written `status_503`."""
    by_status = {name.removeprefix("status_"): other for name, other in others.items()}
    responses = {"200": answer, **by_status, **_refusal(500)}
    return {"get": {"operationId": operation, "tags": [tag], "summary": summary, "responses": responses}}


def _state(operation: str, summary: str, schema: str) -> _Part:
    return _read(operation, _STATE, summary, _json("As of now.", schema))


def _change(operation: str, summary: str) -> _Part:
    """A path that takes POST without a body and names a backend."""
    responses = {"200": _json("How the backends of this name stand now.", "NamedBackends")}
    for status in (401, 403, 404, 500):
        responses |= _refusal(status)
    post = {
        "operationId": operation,
        "tags": [_CHANGES],
        "summary": summary,
        "security": [{"token": []}, {}],
        "responses": responses,
    }
    return _with({"post": post}, "Name")


def _with(path: _Part, *parameters: str) -> _Part:
    """A path that takes parameters."""
    return {"parameters": [{"$ref": f"#/components/parameters/{name}"} for name in parameters], **path}


_METRICS: Final = _text(
    "The text format, or OpenMetrics if the Accept header asks for it.", "text/plain", "application/openmetrics-text"
)

_UNCHANGED: Final[_Part] = {"description": "It is what the client has."}

_EVENTS: Final[_Part] = {
    "description": "Server-sent events as long as the client stays. The data of each is JSON of the schema named here.",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "x-data": reference("Transition")}},
}

_PATHS: Final[_Part] = {
    "/": _with(
        _read("page", _DASHBOARD, "The dashboard", _text("A page.", "text/html"), status_304=_UNCHANGED), "IfNoneMatch"
    ),
    "/dashboard/{name}": _with(
        _read(
            "file",
            _DASHBOARD,
            "A file of the dashboard",
            _text("A file.", "text/html", "text/css", "text/javascript"),
            status_304=_UNCHANGED,
            status_404=_json("There is no such file.", "Error"),
        ),
        "File",
        "IfNoneMatch",
    ),
    "/api/v1/overview": _state("overview", "Everything that moves, in one document", "Overview"),
    "/healthz": _read("health", _HEALTH, "Whether the process lives", _json("It does.", "Health")),
    "/readyz": _read(
        "readiness",
        _HEALTH,
        "Whether requests should be sent here",
        _json("They should.", "Readiness"),
        status_503=_json("They should not: starting, or draining.", "Readiness"),
    ),
    "/metrics": _read("metrics", _HEALTH, "All figures, for Prometheus", _METRICS),
    "/api/v1/services": _state("services", "Every service with its backends", "Services"),
    "/api/v1/backends": _state("backends", "Every backend and why it does or does not take requests", "Backends"),
    "/api/v1/containers": _state("containers", "Every container seen and what was decided about it", "Containers"),
    "/api/v1/routes": _state("routes", "Every route in the order of matching", "Routes"),
    "/api/v1/config": _state("configuration", "Every setting and where it came from", "Configuration"),
    PATH: _state("openapi", "This document", "OpenAPI"),
    "/api/v1/events": _with(
        _read(
            "events",
            _STATE,
            "Every transition of a backend as it happens",
            _EVENTS,
            status_503=_json("Too many clients follow already.", "Error"),
        ),
        "LastEventID",
    ),
    "/api/v1/backends/{name}": _with(
        _read(
            "backend",
            _STATE,
            "The backends of one name",
            _json("How they stand.", "NamedBackends"),
            status_404={"$ref": "#/components/responses/404"},
        ),
        "Name",
    ),
    "/api/v1/backends/{name}/drain": _change("drain", "Give a backend no new requests; those under way may finish"),
    "/api/v1/backends/{name}/undrain": _change("undrain", "Give a drained backend requests again"),
}

_CHALLENGE: Final[_Part] = {
    "headers": {"WWW-Authenticate": {"description": "Asks for the token.", "schema": {"type": "string"}}}
}

_COMPONENTS: Final[_Part] = {
    "schemas": SCHEMAS,
    "parameters": {
        "Name": {
            "name": "name",
            "in": "path",
            "required": True,
            "description": "A backend's name; all backends of that name are meant, in whichever services.",
            "schema": {"type": "string", "minLength": 1},
        },
        "File": {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}},
        "IfNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "description": "The ETag of what the client has.",
            "schema": {"type": "string"},
        },
        "LastEventID": {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The id of the last event the client has seen; it gets those kept since. Without: new ones.",
            "schema": {"type": "string"},
        },
    },
    "responses": {
        "401": {**_json("The token is wrong, or there is none and the client is elsewhere.", "Error"), **_CHALLENGE},
        "403": _json("There is no token that would allow it, and the client is not on this machine.", "Error"),
        "404": _json("There is no backend of this name; the hint has the closest.", "Error"),
        "500": _json("The admin server failed; the log says how.", "Error"),
    },
    "securitySchemes": {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "The setting admin-token. A client on the same machine needs none.",
        }
    },
}

DOCUMENT: Final[_Part] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Seawall admin API",
        "version": __version__,
        "description": "Why each container does or does not receive traffic, and what may be changed about it.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/"}],
    "tags": list(_TAGS),
    "paths": _PATHS,
    "components": _COMPONENTS,
}
