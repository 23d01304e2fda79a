"""One listen address: its socket and its accept loop."""

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from proxy.dataplane.downstream import Downstream
from proxy.errors import BindError
from proxy.spec.proxy import ListenAddress

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane

BACKLOG: Final = 4096


class Listener:
    """A bound address. An empty host stands for every address of both families."""

    __slots__ = ("_server", "addresses")

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.addresses: list[tuple[str, int]] = [socket_.getsockname()[:2] for socket_ in server.sockets]

    @classmethod
    async def bind(cls, plane: "DataPlane", address: ListenAddress) -> "Listener":
        """Bind and listen, but accept nobody yet; BindError says which address and why."""
        bound = _bind(address.host, address.port)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Downstream(plane, address.proxy_protocol), sock=bound, backlog=BACKLOG, start_serving=False
        )
        return cls(server)

    async def serve(self) -> None:
        """Accept, first of all those who wait in the backlog."""
        await self._server.start_serving()

    def close(self) -> None:
        """Accept no more; connections live on."""
        self._server.close()

    async def wait_closed(self) -> None:
        """Close; returns when the last of its connections is gone too."""
        self._server.close()
        await self._server.wait_closed()

    def __repr__(self) -> str:
        return f"<Listener {self.addresses}>"


def _bind(host: str, port: int) -> socket.socket:
    """A bound TCP socket; for an empty host one that takes IPv6 and IPv4, or IPv4 where there is no IPv6."""
    where = f"{host or '*'}:{port}"
    try:
        if host:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            return _listening(family, (host, port), dual=False)
        if socket.has_dualstack_ipv6():
            return _listening(socket.AF_INET6, ("::", port), dual=True)
        return _listening(socket.AF_INET, ("0.0.0.0", port), dual=False)
    except OSError as error:
        raise BindError(
            f"cannot listen on {where}: {error.strerror or error} (is another process using it? try --listen :0)"
        ) from error


def _listening(family: int, address: tuple[str, int], dual: bool) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        listening.bind(address)
        listening.listen(BACKLOG)  # whoever comes before `serve` waits and is not refused
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening
