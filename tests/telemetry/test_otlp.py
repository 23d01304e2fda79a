"""Spans as OTLP has them: every field of a good one, and what is an error for whom."""

import json
from typing import Any

import pytest

from proxy import __version__
from proxy.failure import Failure
from proxy.fleet.spans import AttemptSpan, RequestSpan
from proxy.telemetry.otlp import export_request, resource
from tests.support.otlp_receiver import attributes_of, checked
from tests.support.spans import BEGAN, attempt, request


def spans_of(*requests: RequestSpan) -> list[dict[str, Any]]:
    document = json.loads(json.dumps(export_request(requests, resource("one"))))
    return [span for _, span in checked(document)]


def test_every_figure_of_a_request_is_in_its_span() -> None:
    (span,) = spans_of(request(parent=b"b7ad6b7169203331", queued=0.25, request_bytes=7))
    assert attributes_of(span) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/x",
        "server.address": "a.example",
        "client.address": "192.0.2.7",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
        "http.request.body.size": 7,
        "http.response.size": 123,
        "seawall.service": "web",
        "seawall.request_id": "r1",
        "seawall.queue_ms": 250.0,
    }
    del span["attributes"]
    assert span == {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "00f067aa0ba902b7",
        "parentSpanId": "b7ad6b7169203331",
        "name": "GET",
        "kind": 2,
        "startTimeUnixNano": str(BEGAN),
        "endTimeUnixNano": str(BEGAN + 5_000_000),
        "status": {},
    }


def test_attempts_are_children_of_their_request() -> None:
    first = attempt(span=b"1111111111111111", outcome=Failure.REFUSED)
    whole, failed, good = spans_of(request(attempts=(first, attempt())))
    assert "parentSpanId" not in whole
    assert {failed["traceId"], good["traceId"]} == {whole["traceId"]}
    assert {failed["parentSpanId"], good["parentSpanId"]} == {whole["spanId"]}
    assert (failed["kind"], failed["status"]) == (3, {"code": 2})
    assert attributes_of(failed)["error.type"] == "refused"
    assert "http.request.resend_count" not in attributes_of(failed)
    assert attributes_of(good) == {
        "http.request.method": "GET",
        "server.address": "10.0.0.1",
        "server.port": 80,
        "network.protocol.version": "1.1",
        "seawall.service": "web",
        "seawall.backend": "web-1",
        "http.request.resend_count": 1,
        "http.response.status_code": 200,
    }


REQUESTS = {
    "a response with 200": (request(), ""),
    "a response with 404": (request(status=404), ""),
    "a response with 503 of a backend": (request(status=503), "503"),
    "an answer of ours": (request(status=502, failure=Failure.REFUSED), "refused"),
    "a response that was cut": (request(failure=Failure.TRUNCATED), "truncated"),
    "a client that left": (request(status=499, failure=Failure.CLIENT_GONE), ""),
}


@pytest.mark.parametrize(("whole", "error"), REQUESTS.values(), ids=REQUESTS)
def test_request_is_an_error_when_it_is_not_the_clients(whole: RequestSpan, error: str) -> None:
    (span,) = spans_of(whole)
    assert attributes_of(span).get("error.type", "") == error
    assert span["status"] == ({"code": 2} if error else {})


ATTEMPTS = {
    "a response with 200": (attempt(), ""),
    "a response with 404": (attempt(outcome=404), "404"),
    "a connection that was reset": (attempt(outcome=Failure.RESET), "reset"),
    "a try that was called off": (attempt(outcome=None), "called-off"),
}


@pytest.mark.parametrize(("one", "error"), ATTEMPTS.values(), ids=ATTEMPTS)
def test_attempt_is_an_error_when_a_client_of_the_backend_would_say_so(one: AttemptSpan, error: str) -> None:
    _, span = spans_of(request(attempts=(one,)))
    assert attributes_of(span).get("error.type", "") == error


def test_method_that_is_nobodys_is_one_of_few_names() -> None:
    (span,) = spans_of(request(method=b"BREW"))
    assert span["name"] == "HTTP"
    assert attributes_of(span)["http.request.method"] == "_OTHER"
    assert attributes_of(span)["http.request.method_original"] == "BREW"


def test_bytes_of_a_client_are_text() -> None:
    (span,) = spans_of(request(path=b'/\xff"\\'))
    assert attributes_of(span)["url.path"] == '/ÿ"\\'


def test_resource_says_who_exports() -> None:
    document = export_request([request()], resource("one"))
    ((source, _),) = checked(document)
    assert source == {"service.name": "seawall", "service.version": __version__, "service.instance.id": "one"}
