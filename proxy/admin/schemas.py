"""The shape of every document in documents.py, as JSON Schema 2020-12, for the OpenAPI document.

Law: what documents.py writes is required here, and a test refuses what it writes and is not here.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

from proxy.admin.views import Condition
from proxy.admin.words import CIRCUIT_STATES, REASONS
from proxy.failure import Failure
from proxy.health.circuit import Cause
from proxy.health.verdict import Verdict
from proxy.problem import Severity
from proxy.spec.container import Decision
from proxy.spec.service import Lifecycle, PolicyName
from proxy.spec.settings import SETTINGS

Schema: TypeAlias = dict[str, Any]


def reference(name: str) -> Schema:
    """A reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(description: str, optional: Sequence[str] = (), **properties: Schema) -> Schema:
    """All properties are required but the optional ones; later versions may add some."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "description": description, "required": required, "properties": properties}


def _extended(schema: Schema, description: str, **properties: Schema) -> Schema:
    """The same object with more properties, or with others of the same name."""
    return _object(description, **{**schema["properties"], **properties})


def _list(of: str) -> Schema:
    return {"type": "array", "items": reference(of)}


def _text(description: str, *values: str) -> Schema:
    """A string, one of the values if there are any."""
    schema: Schema = {"type": "string", "description": description}
    return {**schema, "enum": list(values)} if values else schema


def _one_of(description: str, values: type[Enum]) -> Schema:
    return _text(description, *(member.value for member in values))


def _truth(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _count(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description}


def _seconds(description: str) -> Schema:
    return {"type": "number", "minimum": 0, "description": f"{description}, in seconds"}


def _buckets(description: str) -> Schema:
    return {"type": "array", "items": {"type": "integer", "minimum": 0}, "description": f"{description}, by bucket."}


def _counts(description: str, keys: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "propertyNames": keys,
        "additionalProperties": {"type": "integer", "minimum": 0},
    }


def _or_null(schema: Schema) -> Schema:
    """Also null. An enum has to name it."""
    nullable = {**schema, "type": [schema["type"], "null"]}
    return {**nullable, "enum": [*schema["enum"], None]} if "enum" in schema else nullable


_STATUS: Final[Schema] = {"pattern": "^[1-9][0-9]{2}$"}
_STATUS_CLASS: Final[Schema] = {"pattern": "^[0-9]xx$"}
_FAILURE: Final[Schema] = {"enum": [failure.label for failure in Failure]}
_CAUSE: Final[Schema] = {"enum": [cause.value for cause in Cause]}

_SERVICE: Final = _object(
    "A group of backends behind one policy.",
    name=_text("Its name."),
    policy=_one_of("How it chooses a backend.", PolicyName),
    available=_count("How many of its backends take new requests."),
    backends=_list("Backend"),
    requests=_counts("Requests that have ended, by the status the client got.", _STATUS),
    retries=_counts("Attempts after the first, by the failure of the attempt before.", _FAILURE),
    request_bytes=_count("Bytes of request bodies taken from clients."),
    response_bytes=_count("Bytes of answers given to clients, heads included."),
)

_BACKEND: Final = _object(
    "One container's address that serves.",
    name=_text("As its container is called; a static one by host and port."),
    service=_text("The service it belongs to."),
    container=_text("The container's id; of a static one its URL."),
    address=_text("The URL it is reached at."),
    state=_text("Whether it takes new requests.", "available", "unavailable"),
    reason=_or_null(_text("Why it takes none; null while it does.", *REASONS.values())),
    since=_seconds("How long the state has lasted"),
    in_flight=_count("Requests under way there now."),
    weight={"type": "integer", "minimum": 0, "description": "Its share beside the other backends."},
    backup=_truth("Whether it serves only when no other is available."),
    requests=_counts("Answers it began, by class of status.", _STATUS_CLASS),
    failures=_counts("Attempts that failed, by failure.", _FAILURE),
    circuit=reference("Circuit"),
    probe={"description": "Null where nobody probes.", "oneOf": [reference("Probe"), {"type": "null"}]},
)

_OVERVIEW: Final = _object(
    "Everything that moves, for a page that asks once a second.",
    version=_text("Of Seawall."),
    at=_seconds("When, by a clock that only goes forward"),
    missing={"type": "array", "items": {"enum": [condition.value for condition in Condition]}},
    connected={"type": ["boolean", "null"], "description": "Whether the engine is heard; null without one."},
    fleet_version=_count("How often the fleet has changed."),
    containers=_counts("Containers seen, by decision.", {"enum": [decision.value for decision in Decision]}),
    problems=_count("Mistakes in labels and settings."),
    unrouted=_count("Requests that no route fits."),
    bounds={"type": "array", "items": {"type": "number"}, "description": "Of the buckets, in seconds; one has none."},
    services=_list("ServiceOverview"),
)

_CONTAINER: Final = _object(
    "A container the engine runs. Its labels are not shown: they may hold secrets.",
    id=_text("The engine's id."),
    name=_text("Its name."),
    lifecycle=_one_of("Where it is in its life.", Lifecycle),
    started=_or_null({"type": "string", "format": "date-time", "description": "When it was started, in UTC."}),
    decision=_one_of("What became of it.", Decision),
    reason=_text("Why, in words."),
    services=_list("Claim"),
    problems=_list("Problem"),
)

_PROBLEM: Final = _object(
    "A mistake in labels or settings.",
    kind=_text("What sort of mistake, as in the metric seawall_discovery_problems."),
    severity=_one_of("A warning leaves something at its default; for an error something is not used.", Severity),
    where=_text("The container, label or setting."),
    what=_text("What is wrong."),
    hint=_text("What to do about it; may be empty."),
)

_READINESS: Final = _object(
    "Whether requests should be sent here. The error and hint are there when they should not.",
    optional=("error", "hint"),
    ready=_truth("Whether every condition holds."),
    conditions={
        "type": "object",
        "description": "Each condition and whether it holds.",
        "required": [condition.value for condition in Condition],
        "properties": {condition.value: {"type": "boolean"} for condition in Condition},
    },
    error=_text("The conditions that do not hold."),
    hint=_text("What to do about it."),
)

_SETTINGS: Final[Schema] = {
    "type": "object",
    "description": "Every setting by its key.",
    "required": list(SETTINGS),
    "properties": {key: {**reference("Setting"), "description": setting.meaning} for key, setting in SETTINGS.items()},
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Error": _object(
        "What every refusal says.",
        error=_text("What went wrong."),
        hint=_text("What to do about it; may be empty."),
    ),
    "Health": _object("The process lives.", status=_text("Always the same.", "ok")),
    "Readiness": _READINESS,
    "Service": _SERVICE,
    "Services": _object("Every service.", services=_list("Service")),
    "Backend": _BACKEND,
    "Backends": _object("Every backend of every service.", backends=_list("Backend")),
    "Overview": _OVERVIEW,
    "ServiceOverview": _extended(
        _SERVICE,
        "A service with its durations.",
        backends=_list("BackendOverview"),
        duration=_buckets("Requests from their head to the end of their answer"),
    ),
    "BackendOverview": _extended(
        _BACKEND, "A backend with its durations.", first_byte=_buckets("Attempts to the first byte of their answer")
    ),
    "Circuit": _object(
        "What lets requests to a backend flow, or not.",
        state=_text("Open lets none through, half-open one on trial.", *CIRCUIT_STATES.values()),
        opened=_counts("Times that it opened, by what opened it.", _CAUSE),
    ),
    "Probe": _object(
        "What the active probes of a backend came to.",
        verdict=_one_of("What they say together.", Verdict),
        error=_or_null(_text("What was wrong with the last one; null when it passed or there was none.")),
        passed=_count("Probes that passed."),
        failed=_count("Probes that failed."),
    ),
    "Claim": _object(
        "What a container asks to be part of.",
        name=_text("The service's name."),
        address=_text("The URL it is reached at."),
        rules={"type": "array", "description": "The rules of its routes.", "items": {"type": "string"}},
    ),
    "Container": _CONTAINER,
    "Containers": _object(
        "Every container seen, and the problems that belong to none of them.",
        containers=_list("Container"),
        problems=_list("Problem"),
    ),
    "Problem": _PROBLEM,
    "Route": _object(
        "One place in the order of matching: the first that fits is taken.",
        position=_count("Its place, from 0."),
        rule=_text("What it matches."),
        priority=_or_null({"type": "integer", "description": "As labelled; null where specificity decides."}),
        service=_text("Where it leads."),
    ),
    "Routes": _object("Every route, in the order of matching.", routes=_list("Route")),
    "Setting": _object(
        "A setting. Secrets read (hidden).",
        value={"description": "Durations are seconds. Of `default`: label-level settings, each again a setting."},
        origin=_text("Where the value came from, such as `environment SEAWALL_LISTEN`."),
    ),
    "Configuration": _object(
        "What runs here, and with what settings.",
        version=_text("Of Seawall."),
        wire=_text("The codec in use.", "compiled", "reference"),
        python=_text("Of the interpreter."),
        fleet_version=_count("How often the fleet has changed."),
        workers=_list("Worker"),
        settings=_SETTINGS,
    ),
    "Worker": _object(
        "A process that answers clients.",
        pid=_or_null(_count("Of the process; null while it is being replaced.")),
        fleet_version=_count("The one that it serves."),
        restarts=_count("How often it was replaced."),
    ),
    "NamedBackends": _object(
        "How the backends of one name stand, in whichever services.",
        backend=_text("The name."),
        drained=_truth("Whether the operator has drained all of them."),
        in_flight=_count("Requests still under way at them."),
        backends=_list("Backend"),
    ),
    "Transition": _object(
        "The data of an event: a backend's state changed.",
        time={"type": "string", "format": "date-time", "description": "When, in UTC."},
        service=_text("The service."),
        backend=_text("The backend."),
        before=_text("The state it was in, in words."),
        after=_text("The state it is in."),
        reason=_text("Why; may be empty."),
    ),
    "OpenAPI": _object(
        "This document.",
        openapi=_text("The version of OpenAPI."),
        info={"type": "object"},
        servers={"type": "array"},
        tags={"type": "array"},
        paths={"type": "object"},
        components={"type": "object"},
    ),
}
