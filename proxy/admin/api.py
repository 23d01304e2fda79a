"""The endpoints: each reads what is there at that moment and answers."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from proxy.admin import documents, openapi
from proxy.admin.access import may_change
from proxy.admin.answers import error
from proxy.admin.documents import Document
from proxy.admin.events import follow
from proxy.admin.figures import FigureTaker
from proxy.admin.metrics import render
from proxy.admin.views import Views
from proxy.fleet.backend import Backend
from proxy.fleet.interface import Changes
from proxy.problem import did_you_mean

_EVENTS: Final = "/api/v1/events"


class Api:
    """The handlers of all endpoints. `token` allows changes from anywhere, None only from this machine."""

    def __init__(self, views: Views, token: str | None) -> None:
        self._views = views
        self._token = token
        self._taker = FigureTaker(views)
        self._one_scrape = asyncio.Lock()  # several threads that write would take several shares of the interpreter
        self._documents: dict[str, Callable[[], Document]] = {
            "/api/v1/services": self._services,
            "/api/v1/backends": self._backends,
            "/api/v1/containers": self._containers,
            "/api/v1/routes": self._routes,
            "/api/v1/config": self._configuration,
            openapi.PATH: lambda: openapi.DOCUMENT,
        }

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add every endpoint."""
        router.add_get("/healthz", self._health)
        router.add_get("/readyz", self._ready)
        router.add_get("/metrics", self._metrics)
        for path in self._documents:
            router.add_get(path, self._document)
        router.add_get(_EVENTS, self._events)
        router.add_get("/api/v1/backends/{name}", self._backend)
        router.add_post("/api/v1/backends/{name}/drain", self._drain)
        router.add_post("/api/v1/backends/{name}/undrain", self._undrain)

    async def _health(self, _: web.Request) -> web.Response:
        """The process lives: its loop answered."""
        return web.json_response({"status": "ok"})

    async def _ready(self, _: web.Request) -> web.Response:
        document = documents.readiness_document(self._views.readiness)
        return web.json_response(
            document, status=HTTPStatus.OK if document["ready"] else HTTPStatus.SERVICE_UNAVAILABLE
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        async with self._one_scrape:
            await self._views.refresh()
            figures = self._taker.take()
            body, content_type = await asyncio.to_thread(render, figures, request.headers.get("Accept", ""))
        response = web.Response(body=body, headers={"Content-Type": content_type})
        response.enable_compression()
        return response

    async def _document(self, request: web.Request) -> web.Response:
        await self._views.refresh()
        response = web.json_response(self._documents[request.path]())
        response.enable_compression()
        return response

    def _services(self) -> Document:
        now = self._views.clock()
        services = self._views.fleet.services.values()
        probe = self._views.probe
        return {"services": [documents.service_document(service, now, probe) for service in services]}

    def _backends(self) -> Document:
        now = self._views.clock()
        backends = self._views.fleet.backends()
        return {"backends": [documents.backend_document(backend, now, self._views.probe) for backend in backends]}

    def _containers(self) -> Document:
        return documents.containers_document(self._views.containers(), self._views.problems())

    def _routes(self) -> Document:
        return {"routes": [documents.route_document(entry) for entry in self._views.fleet.routes.entries]}

    def _configuration(self) -> Document:
        return documents.configuration_document(self._views.configuration(), self._views.fleet, self._views.workers())

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await follow(self._views.events, request)

    async def _drain(self, request: web.Request) -> web.Response:
        return await self._change(request, self._views.calls.drain)

    async def _undrain(self, request: web.Request) -> web.Response:
        return await self._change(request, self._views.calls.undrain)

    async def _backend(self, request: web.Request) -> web.Response:
        return await self._about(request, None)

    async def _change(self, request: web.Request, change: Callable[[str, float], Changes]) -> web.Response:
        if not may_change(request.remote or "", request.headers, self._token):
            return self._refusal()
        return await self._about(request, change)

    async def _about(self, request: web.Request, change: Callable[[str, float], Changes] | None) -> web.Response:
        """How the backends of the name in the path stand, after the change if there is one."""
        name = request.match_info["name"]
        backends = self._named(name)
        if not backends:
            known = {backend.name for backend in self._views.fleet.backends()}
            return error(404, f"there is no backend {name}", did_you_mean(name[:100], known))
        if change is not None:
            change(name, self._views.clock())
        await self._views.refresh()
        now = self._views.clock()
        return web.json_response(documents.drain_document(name, backends, now, self._views.probe))

    def _named(self, name: str) -> list[Backend]:
        return [backend for backend in self._views.fleet.backends() if backend.name == name]

    def _refusal(self) -> web.Response:
        if self._token is None:
            return error(403, "changes are allowed from this machine only", "set admin-token to allow them from others")
        hint = "send Authorization: Bearer and the admin-token, or ask from this machine"
        return error(401, "changes need the admin token", hint, {"WWW-Authenticate": 'Bearer realm="seawall"'})
