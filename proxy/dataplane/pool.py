"""Upstream connections between requests: leased at once when one is idle, opened when none is."""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from proxy.dataplane.connector import Connector
from proxy.dataplane.upstream import Upstream
from proxy.fleet.backend import Backend, Tier
from proxy.retry.decision import IDEMPOTENT
from proxy.wire.head import RequestHead

if TYPE_CHECKING:
    from proxy.dataplane.attempts import Attempts
    from proxy.dataplane.plane import DataPlane

# A request that must not be sent twice takes an idle connection only when it served within this many seconds: a
# backend that closes idle connections has hardly done so yet, and the request cannot be lost to a stale one.
FRESH: Final = 1.0
MAX_IDLE: Final = 1024  # per backend


class Pool:
    """Idle connections by backend, the last used first: the rest of a burst grows old and is closed."""

    def __init__(self, plane: "DataPlane") -> None:
        self._idle: dict[Backend, list[Upstream]] = {}
        self._connector = Connector(plane)
        self.open = 0  # connections, idle or not

    # called by exchanges

    def lease(self, backend: Backend, head: RequestHead, now: float) -> Upstream | None:
        """An idle connection to `backend` for the request of `head`, or None: then `connect`."""
        idle = self._idle.get(backend)
        while idle:
            upstream = idle.pop()
            if upstream.expires <= now:
                upstream.close()
                continue
            if now - upstream.idle_since < FRESH or head.method in IDEMPOTENT:
                return upstream
            idle.append(upstream)
            break
        return None

    def connect(self, backend: Backend, exchange: "Attempts") -> asyncio.Task[None]:
        """Open a connection for an exchange, told by `on_connected` or `on_connect_failed`. Cancel to call it off.

        Where connections are limited the oldest idle one makes room: whoever is in flight has one, or will have.
        """
        limit = exchange.service.spec.limit.connections
        idle = self._idle.get(backend)
        if limit is not None and idle and backend.in_flight + len(idle) > limit:
            idle.pop(0).close()
        return self._connector.connect(backend, exchange)

    def release(self, upstream: Upstream, now: float) -> None:
        """Take back a connection on which an exchange ended cleanly on both sides."""
        backend = upstream.backend
        idle = self._idle.get(backend)
        if idle is None:
            idle = self._idle[backend] = []
        withdrawn = backend.unavailable is not None and backend.tier is Tier.NEVER
        if withdrawn or len(idle) >= MAX_IDLE or upstream.expires <= now:
            upstream.close()
            return
        upstream.idle_since = now
        idle.append(upstream)

    # called by connections

    def on_idle_lost(self, upstream: Upstream) -> None:
        """An idle connection was closed by its backend, or sent what nobody asked for."""
        idle = self._idle.get(upstream.backend)
        if idle is not None and upstream in idle:
            idle.remove(upstream)

    # called by the plane

    def forget(self, backend: Backend) -> None:
        """Close what is idle to a backend that takes no more requests."""
        for upstream in self._idle.pop(backend, ()):
            upstream.close()

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long."""
        for backend, idle in tuple(self._idle.items()):
            expired = [upstream for upstream in idle if upstream.expires <= now]
            for upstream in expired:
                idle.remove(upstream)
                upstream.close()
            if not idle:
                del self._idle[backend]

    @property
    def idle(self) -> int:
        """How many connections are idle."""
        return sum(map(len, self._idle.values()))

    def close(self) -> Awaitable[None]:
        """Close everything idle at once; what is being opened is called off when awaited."""
        for backend in tuple(self._idle):
            self.forget(backend)
        return self._connector.close()
