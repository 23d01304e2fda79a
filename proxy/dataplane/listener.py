"""One listen address: its socket and its accept loop."""

import asyncio
import socket
from typing import TYPE_CHECKING

from proxy.dataplane.binding import BACKLOG, bind
from proxy.dataplane.downstream import Downstream
from proxy.spec.proxy import ListenAddress

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane


class Listener:
    """A bound address. An empty host stands for every address of both families."""

    __slots__ = ("_server", "addresses")

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.addresses: list[tuple[str, int]] = [socket_.getsockname()[:2] for socket_ in server.sockets]

    @classmethod
    async def bind(cls, plane: "DataPlane", address: ListenAddress) -> "Listener":
        """Bind and listen, but accept nobody yet; BindError says which address and why."""
        return await cls.over(plane, bind(address.host, address.port), address.proxy_protocol)

    @classmethod
    async def over(cls, plane: "DataPlane", bound: socket.socket, proxy_protocol: bool) -> "Listener":
        """The same on a socket that listens already."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Downstream(plane, proxy_protocol), sock=bound, backlog=BACKLOG, start_serving=False
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
