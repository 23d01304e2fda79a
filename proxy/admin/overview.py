"""What a page that is kept open asks for once a second: everything that moves, in one document.

Counters and histograms are shown as they stand; whoever asks twice has the rates. `at` is when, in seconds of a clock
that only goes forward, so that a rate is right however late an answer comes.
"""

import asyncio
import json
from collections import Counter

from aiohttp import web

from proxy import __version__
from proxy.admin.documents import Document, service_document
from proxy.admin.views import Views
from proxy.fleet.service import Service
from proxy.fleet.statistics import BOUNDS


class Overview:
    """The handler of the endpoint."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._one_writer = asyncio.Lock()  # several threads that write would take several shares of the interpreter

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the endpoint."""
        router.add_get("/api/v1/overview", self._overview)

    async def _overview(self, _: web.Request) -> web.Response:
        """Collected on the loop in one go, a millisecond for 500 backends; written out and compressed beside it."""
        async with self._one_writer:
            await self._views.refresh()
            text = await asyncio.to_thread(json.dumps, overview_document(self._views))
        response = web.Response(text=text, content_type="application/json")
        response.enable_compression()
        return response


def overview_document(views: Views) -> Document:
    """Services and backends as in their own documents, with durations by bucket; containers only as how many.

    `bounds` are the upper bounds of the buckets in seconds; one more bucket is above the last.
    """
    now = views.clock()
    reports = views.containers()
    return {
        "version": __version__,
        "at": round(now, 3),
        "missing": [condition.value for condition in views.readiness.missing],
        "connected": views.discovery().connected,
        "fleet_version": views.fleet.version,
        "containers": Counter(report.decision.value for report in reports),
        "problems": sum(len(report.problems) for report in reports) + len(views.problems()),
        "unrouted": views.plane.unrouted,
        "bounds": BOUNDS,
        "services": [_service_overview(service, now, views) for service in views.fleet.services.values()],
    }


def _service_overview(service: Service, now: float, views: Views) -> Document:
    document = service_document(service, now, views.probe)
    document["duration"] = list(service.statistics.duration.counts)
    for shown, backend in zip(document["backends"], service.backends.values(), strict=True):
        shown["first_byte"] = list(backend.statistics.first_byte.counts)
    return document
