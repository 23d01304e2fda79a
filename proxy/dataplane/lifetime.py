"""How a data plane begins and ends. Coroutines, so apart from what is compiled (setup.py)."""

import asyncio
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from proxy.dataplane.listener import Listener
from proxy.spec.proxy import ListenAddress

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane

ANNOUNCING: Final = 3  # rounds of the loop, at most, in which a connection that is accepted becomes a downstream
LAST_WORDS: Final = 1.0  # seconds in which what was written to tunnels may still reach clients


class Lifetime:
    """The listeners of a plane, and waiting until the last of its connections is gone."""

    __slots__ = ("_all_gone", "_listeners", "_plane")

    def __init__(self, plane: "DataPlane") -> None:
        self._plane = plane
        self._listeners: list[Listener] = []
        self._all_gone = asyncio.Event()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, ports as bound."""
        return [address for listener in self._listeners for address in listener.addresses]

    async def start(self, addresses: Sequence[ListenAddress]) -> None:
        """See DataPlane."""
        await self.bind(addresses)
        await self.serve()

    async def bind(self, addresses: Sequence[ListenAddress]) -> None:
        """See DataPlane."""
        self._plane.sweep()
        try:
            for address in addresses:
                self._listeners.append(await Listener.bind(self._plane, address))
        except BaseException:
            await self.close()
            raise

    async def adopt(self, bound: Sequence[tuple[socket.socket, bool]]) -> None:
        """See DataPlane."""
        self._plane.sweep()
        for each, proxy_protocol in bound:
            self._listeners.append(await Listener.over(self._plane, each, proxy_protocol))

    async def serve(self) -> None:
        """See DataPlane."""
        for listener in self._listeners:
            await listener.serve()

    async def drain(self, deadline: float) -> bool:
        """See DataPlane."""
        plane = self._plane
        plane.draining = True
        for listener in self._listeners:
            listener.close()
        for _ in range(ANNOUNCING):
            await asyncio.sleep(0)
        for downstream in tuple(plane.downstreams):
            downstream.wind_down()
        if not plane.downstreams:
            return True
        self._all_gone.clear()
        try:
            async with asyncio.timeout(deadline):
                await self._all_gone.wait()
        except TimeoutError:
            return await self._end_tunnels()
        return True

    async def _end_tunnels(self) -> bool:
        """The time to drain is over: tunnels, which have no end of their own, are closed; whether that was all."""
        for downstream in tuple(self._plane.downstreams):
            exchange = downstream.exchange
            if exchange is not None:
                exchange.close_tunnel()
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._all_gone.wait()
        except TimeoutError:
            return False
        return True

    def on_all_gone(self) -> None:
        """The last client connection is closed."""
        self._all_gone.set()

    async def close(self) -> None:
        """See DataPlane."""
        plane = self._plane
        plane.draining = True
        for listener in self._listeners:
            listener.close()
        for downstream in tuple(plane.downstreams):
            downstream.abort()
        await plane.pool.close()
        if plane.downstreams:
            self._all_gone.clear()
            await self._all_gone.wait()
        for listener in self._listeners:
            await listener.wait_closed()
        self._listeners.clear()
        plane.stop_sweeping()
        if plane.access_log is not None:
            plane.access_log.close()

    def __repr__(self) -> str:
        return f"<Lifetime of {self._plane!r}>"
