"""Spans as OTLP has them in JSON (opentelemetry.io/docs/specs/otlp), named by the semantic conventions for HTTP.

In this encoding ids are hex digits, 64-bit integers are strings, and enums are numbers. No query is ever in a span: it
may hold what nobody should read in a trace.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from proxy import __version__
from proxy.failure import Failure
from proxy.fleet.spans import AttemptSpan, RequestSpan

Document: TypeAlias = dict[str, Any]

_SERVER: Final = 2
_CLIENT: Final = 3
_ERROR: Final = 2
_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"))


def resource(instance: str) -> Document:
    """Who exports; `instance` tells processes of one service apart."""
    return {
        "attributes": _attributes(
            {"service.name": "seawall", "service.version": __version__, "service.instance.id": instance}
        )
    }


def export_request(requests: Iterable[RequestSpan], source: Document) -> Document:
    """The body of one POST; `source` is what `resource` made."""
    spans = [span for request in requests for span in _spans(request)]
    scope = {"name": "seawall", "version": __version__}
    return {"resourceSpans": [{"resource": source, "scopeSpans": [{"scope": scope, "spans": spans}]}]}


def _spans(request: RequestSpan) -> Iterator[Document]:
    yield _request(request)
    for number, attempt in enumerate(request.attempts):
        yield _attempt(request, attempt, number)


def _request(request: RequestSpan) -> Document:
    attributes = {
        **_method(request.method),
        "url.scheme": "http",
        "url.path": _text(request.path),
        "server.address": _text(request.host),
        "client.address": _text(request.client),
        "network.protocol.version": f"1.{request.minor}",
        "http.response.status_code": request.status,
        "http.request.body.size": request.request_bytes,
        "http.response.size": request.response_bytes,
        "seawall.service": request.service,
        "seawall.request_id": _text(request.request_id),
        "seawall.queue_ms": round(request.queued * 1000, 3),
    }
    error = _error(request.failure, request.status, least=500)
    return _span(request, request.span, request.parent, _SERVER, (request.began, request.ended), attributes, error)


def _attempt(request: RequestSpan, attempt: AttemptSpan, number: int) -> Document:
    outcome = attempt.outcome
    attributes: dict[str, str | int | float] = {
        **_method(request.method),
        "server.address": attempt.host,
        "server.port": attempt.port,
        "network.protocol.version": "1.1",
        "seawall.service": request.service,
        "seawall.backend": attempt.backend,
    }
    if number:
        attributes["http.request.resend_count"] = number
    if isinstance(outcome, int):
        attributes["http.response.status_code"] = outcome
        error = _error(None, outcome, least=400)
    else:
        error = outcome.label if outcome is not None else "called-off"
    return _span(request, attempt.span, request.span, _CLIENT, (attempt.began, attempt.ended), attributes, error)


def _span(
    request: RequestSpan,
    span: bytes,
    parent: bytes,
    kind: int,
    times: tuple[int, int],
    attributes: dict[str, str | int | float],
    error: str,
) -> Document:
    """A span; `error` empty when it is none, `times` are begin and end in ns since the epoch."""
    document: Document = {
        "traceId": _text(request.trace),
        "spanId": _text(span),
        "name": _text(request.method) if request.method in _METHODS else "HTTP",
        "kind": kind,
        "startTimeUnixNano": str(times[0]),
        "endTimeUnixNano": str(times[1]),
        "attributes": _attributes({**attributes, "error.type": error} if error else attributes),
        "status": {"code": _ERROR} if error else {},
    }
    if parent:
        document["parentSpanId"] = _text(parent)
    return document


def _error(failure: Failure | None, status: int, least: int) -> str:
    """What makes it an error: a failure that is not the client's own, or a status of `least` and more."""
    if failure is not None and failure.status >= least:
        return failure.label
    return str(status) if status >= least else ""


def _method(method: bytes) -> dict[str, str | int | float]:
    """Methods are few, whatever clients send."""
    if method in _METHODS:
        return {"http.request.method": _text(method)}
    return {"http.request.method": "_OTHER", "http.request.method_original": _text(method)}


def _attributes(values: Mapping[str, str | int | float]) -> list[Document]:
    """Those that say something."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value != ""]


def _value(value: str | int | float) -> Document:
    if isinstance(value, str):
        return {"stringValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}


def _text(value: bytes) -> str:
    return value.decode("latin-1")
