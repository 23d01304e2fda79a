"""What all answers of the admin server have in common: header fields, and JSON for whatever goes wrong."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from aiohttp import web

from proxy.problem import did_you_mean

_FIELDS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
_log: Final = structlog.get_logger("seawall.admin")


def error(status: int, what: str, hint: str = "", fields: Mapping[str, str] | None = None) -> web.Response:
    """An answer that says what went wrong and what to do about it."""
    return web.json_response({"error": what, "hint": hint}, status=status, headers=fields)


async def add_fields(_: web.Request, response: web.StreamResponse) -> None:
    """The header fields of every answer; a handler may choose its own, save for the server's name."""
    response.headers["Server"] = "seawall"
    for name, value in _FIELDS.items():
        response.headers.setdefault(name, value)


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever a handler raises, or the lack of one, as an error answer."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as refusal:
        allowed = ", ".join(sorted(refusal.allowed_methods))
        return error(405, f"{request.path} does not take {request.method}", f"use {allowed}", {"Allow": allowed})
    except web.HTTPNotFound:
        return error(404, f"there is nothing at {request.path}", _closest_path(request))
    except web.HTTPException as refusal:
        return error(refusal.status, refusal.reason)
    except Exception:
        _log.exception("an admin request failed", method=request.method, path=request.path)
        return error(500, "the admin server failed", "the log says how; requests through the proxy are not affected")


def _closest_path(request: web.Request) -> str:
    known = [resource.canonical for resource in request.app.router.resources()]
    return did_you_mean(request.path[:100], known) or "/ lists what there is"
