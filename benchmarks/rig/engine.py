"""A container engine's API on a Unix socket, as far as discovery asks, for containers that exist in a file only.

Static backends take every host, so host rules can only come from containers; 10 000 rules need an engine, not 10 000
containers. Run: `python -m benchmarks.rig.engine SOCKET FILE`, the file a JSON list of what `inspect` would say.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

from aiohttp import web

VERSION: Final = {"ApiVersion": "1.44", "MinAPIVersion": "1.24", "Version": "stand-in"}
CONTAINERS: Final = web.AppKey("containers", dict[str, dict[str, Any]])


async def version(_: web.Request) -> web.Response:
    return web.json_response(VERSION)


async def ping(_: web.Request) -> web.Response:
    return web.Response(text="OK")


async def listed(request: web.Request) -> web.Response:
    return web.json_response([_short(each) for each in request.app[CONTAINERS].values()])


async def inspected(request: web.Request) -> web.Response:
    found = request.app[CONTAINERS].get(request.match_info["id"])
    return web.json_response(found or {"message": "No such container"}, status=200 if found else 404)


async def events(request: web.Request) -> web.StreamResponse:
    """A stream in which nothing happens."""
    stream = web.StreamResponse(headers={"Content-Type": "application/json"})
    await stream.prepare(request)
    await asyncio.Event().wait()
    return stream


def _short(container: dict[str, Any]) -> dict[str, object]:
    """As the list has it."""
    return {
        "Id": container["Id"],
        "Names": [container["Name"]],
        "Labels": container["Config"]["Labels"],
        "State": "running",
        "Status": "Up",
        "Created": 1767225600,
        "NetworkSettings": container["NetworkSettings"],
        "Ports": [],
    }


def application(containers: list[dict[str, Any]]) -> web.Application:
    """All of the API, with and without a version in the path."""
    app = web.Application()
    app[CONTAINERS] = {container["Id"]: container for container in containers}
    for prefix in ("", "/v{version:[0-9.]+}"):
        app.router.add_get(prefix + "/version", version)
        app.router.add_get(prefix + "/_ping", ping)
        app.router.add_get(prefix + "/containers/json", listed)
        app.router.add_get(prefix + "/containers/{id}/json", inspected)
        app.router.add_get(prefix + "/events", events)
    return app


if __name__ == "__main__":
    web.run_app(application(json.loads(Path(sys.argv[2]).read_text())), path=sys.argv[1], print=None)
