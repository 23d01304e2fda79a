"""The admin server: an aiohttp application on the admin address."""

import os
import socket
from typing import Final

from aiohttp import web

from proxy.admin.answers import add_fields, errors_as_json
from proxy.admin.api import Api
from proxy.admin.overview import Overview
from proxy.admin.pages import Pages
from proxy.admin.views import Views
from proxy.admin.words import address
from proxy.errors import BindError
from proxy.spec.proxy import Address

_LAST_ANSWERS: Final = 1.0  # seconds for answers under way when it stops
_LONGEST_BODY: Final = 64 * 1024  # bytes; no endpoint reads any


class AdminServer:
    """Answers from start to stop; reads are open to whoever reaches the address, changes are not (access.py)."""

    def __init__(self, views: Views, token: str | None) -> None:
        self.address: Address = ("", 0)  # as bound
        self.configured: Address = ("", 0)
        self.listening: socket.socket | None = None
        application = web.Application(middlewares=[errors_as_json], client_max_size=_LONGEST_BODY)
        application.on_response_prepare.append(add_fields)
        self._events = views.events
        application.on_shutdown.append(self._end_events)
        Pages().add_to(application.router)
        Api(views, token).add_to(application.router)
        Overview(views).add_to(application.router)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_LAST_ANSWERS)

    async def start(self, host: str, port: int, inherited: socket.socket | None = None) -> None:
        """Bind and begin to answer. Raises BindError. An empty host stands for every address of both families.

        `inherited` listens already, in the place of one that would be bound.
        """
        listening = self.listening = inherited if inherited is not None else _bind(host, port)
        self.configured, self.address = (host, port), listening.getsockname()[:2]
        try:
            await self._runner.setup()
            await web.SockSite(self._runner, listening).start()
        except BaseException:
            listening.close()
            raise

    async def stop(self) -> None:
        """Close, also when it never started; answers under way have a second."""
        await self._runner.cleanup()

    async def _end_events(self, _: web.Application) -> None:
        """Who follows would keep it from stopping."""
        self._events.end()

    def __repr__(self) -> str:
        return f"<AdminServer {address(*self.address)}>"


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket; for an empty host one that takes IPv6 and IPv4, or IPv4 where there is no IPv6."""
    where = address(host or "*", port)
    try:
        if host:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            return socket.create_server((host, port), family=family)
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except socket.gaierror as failure:
        raise BindError(f"cannot listen on {where} for admin: {failure.strerror} (try --admin :0)") from failure
    except OSError as failure:
        why = os.strerror(failure.errno) if failure.errno else str(failure)
        hint = "is another process using it? try --admin :0"
        raise BindError(f"cannot listen on {where} for admin: {why} ({hint})") from failure
