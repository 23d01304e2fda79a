"""What does a plain, well-written aiohttp reverse proxy cost? The baseline that Seawall is held against.

Server and ClientSession of aiohttp, bodies streamed both ways, backends in turn: the straightforward good way, on
asyncio's own loop as `web.run_app` has it, or on uvloop with `--uvloop`.
Run: `python -m benchmarks.rig.aiohttp_proxy [--uvloop] PORT BACKEND_PORT…`.
"""

import itertools
import sys
from collections.abc import AsyncIterator, Mapping

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


class Relay:
    """Sends each request to the next backend and streams the answer back."""

    def __init__(self, backend_ports: list[int]) -> None:
        self._origins = itertools.cycle([URL(f"http://127.0.0.1:{port}") for port in backend_ports])
        self._session: aiohttp.ClientSession | None = None

    async def keep_session(self, _: web.Application) -> AsyncIterator[None]:
        """Open the client session while the server runs."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        async with aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60),
        ) as self._session:
            yield

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Relay one request and its answer."""
        assert self._session is not None
        async with self._session.request(
            request.method,
            next(self._origins).join(request.rel_url),
            headers=forwarded(request),
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(
                status=answer.status, reason=answer.reason, headers=end_to_end(answer.headers)
            )
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The fields without the hop-by-hop ones (RFC 9110 section 7.6.1)."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


def forwarded(request: web.Request) -> CIMultiDict[str]:
    """The fields to send to the backend."""
    headers = end_to_end(request.headers)
    headers["X-Forwarded-For"] = request.remote or "unknown"
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Forwarded-Host"] = request.host
    return headers


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM."""
    with_uvloop = "--uvloop" in arguments
    port, *backend_ports = (int(argument) for argument in arguments if argument != "--uvloop")
    relay = Relay(backend_ports)
    application = web.Application(client_max_size=0)
    application.cleanup_ctx.append(relay.keep_session)
    application.router.add_route("*", "/{tail:.*}", relay.forward)
    web.run_app(
        application,
        host="127.0.0.1",
        port=port,
        access_log=None,
        print=None,
        backlog=4096,
        loop=uvloop.new_event_loop() if with_uvloop else None,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
