"""A receiver of traces that takes only what OTLP's JSON encoding allows, and can be told to answer otherwise."""

import asyncio
import json
import re
from typing import Any, Self

from aiohttp import web

Span = dict[str, Any]

_SPAN_KEYS = {
    "traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "status",
}  # fmt: skip
_VALUES: dict[str, type] = {"stringValue": str, "intValue": str, "doubleValue": float, "boolValue": bool}


class OtlpReceiver:
    """Listens on a free port of 127.0.0.1 while entered. `statuses` are its next answers; 200 when there are none."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.answer: dict[str, Any] = {}
        self.posts = 0
        self.errors: list[BaseException] = []
        self._came = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        if self.errors:
            raise self.errors[0]

    async def wait_posts(self, least: int, within: float = 10.0) -> None:
        """Until it was sent so many batches."""
        async with asyncio.timeout(within):
            while self.posts < least:
                self._came.clear()
                await self._came.wait()

    async def _take(self, request: web.Request) -> web.Response:
        self.posts += 1
        self._came.set()
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        try:
            assert request.content_type == "application/json"
            for source, span in checked(json.loads(await request.read())):
                self.resources.append(source)
                self.spans.append(span)
        except AssertionError as error:
            self.errors.append(error)
            return web.Response(status=400)
        return web.json_response(self.answer)


def checked(document: dict[str, Any]) -> list[tuple[dict[str, Any], Span]]:
    """(attributes of the resource, span) for every span of an export request that has nothing wrong."""
    assert set(document) == {"resourceSpans"}
    found: list[tuple[dict[str, Any], Span]] = []
    for of_resource in document["resourceSpans"]:
        source = attributes_of(of_resource["resource"])
        for of_scope in of_resource["scopeSpans"]:
            assert isinstance(of_scope["scope"]["name"], str)
            found.extend((source, span) for span in of_scope["spans"])
    for _, span in found:
        _check_span(span)
    return found


def _check_span(span: Span) -> None:
    assert set(span) <= _SPAN_KEYS
    assert re.fullmatch(r"(?!0{32})[0-9a-f]{32}", span["traceId"])
    assert re.fullmatch(r"(?!0{16})[0-9a-f]{16}", span["spanId"])
    assert re.fullmatch(r"[0-9a-f]{16}", span.get("parentSpanId", "0" * 16))
    assert span["kind"] in range(1, 6)
    assert isinstance(span["name"], str)
    times = span["startTimeUnixNano"], span["endTimeUnixNano"]
    assert all(isinstance(each, str) and re.fullmatch(r"[0-9]{19}", each) for each in times)
    assert int(times[0]) <= int(times[1])
    assert span["status"].get("code", 0) in (0, 1, 2)
    attributes_of(span)


def attributes_of(holder: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a span or resource, by key; integers as such."""
    found: dict[str, Any] = {}
    for attribute in holder["attributes"]:
        assert set(attribute) == {"key", "value"}
        assert attribute["key"] not in found
        ((kind, value),) = attribute["value"].items()
        assert isinstance(value, _VALUES[kind])
        found[attribute["key"]] = int(str(value)) if kind == "intValue" else value
    return found
