"""Upstream connections between requests: leased at once when one is idle, opened when none is."""

import asyncio
import errno
import ssl
from typing import TYPE_CHECKING, Final

from proxy.dataplane.upstream import Upstream
from proxy.failure import Failure
from proxy.fleet.backend import Backend, Tier

if TYPE_CHECKING:
    from proxy.dataplane.attempts import Attempts
    from proxy.dataplane.plane import DataPlane

# A request that must not be sent twice takes an idle connection only when it served within this many seconds: a
# backend that closes idle connections has hardly done so yet, and the request cannot be lost to a stale one.
FRESH: Final = 1.0
MAX_IDLE: Final = 1024  # per backend

_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)


class Pool:
    """Idle connections by backend, the last used first: the rest of a burst grows old and is closed."""

    def __init__(self, plane: "DataPlane") -> None:
        self._plane = plane
        self._idle: dict[Backend, list[Upstream]] = {}
        self._connects: set[asyncio.Task[None]] = set()
        self._tls: ssl.SSLContext | None = None
        self.open = 0  # connections, idle or not

    # called by exchanges

    def lease(self, backend: Backend, idempotent: bool, now: float) -> Upstream | None:
        """An idle connection to `backend`, or None: then `connect`."""
        idle = self._idle.get(backend)
        while idle:
            upstream = idle.pop()
            if upstream.expires <= now:
                upstream.close()
                continue
            if idempotent or now - upstream.idle_since < FRESH:
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
        task = asyncio.get_running_loop().create_task(self._connect(backend, exchange))
        self._connects.add(task)
        task.add_done_callback(self._connects.discard)
        return task

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

    async def close(self) -> None:
        """Close everything idle and call off what is being opened."""
        for backend in tuple(self._idle):
            self.forget(backend)
        connects = tuple(self._connects)
        for task in connects:
            task.cancel()
        await asyncio.gather(*connects, return_exceptions=True)

    async def _connect(self, backend: Backend, exchange: "Attempts") -> None:
        upstream = Upstream(self._plane, backend)
        key = backend.key
        timeout = exchange.service.spec.timeout.connect
        tls = self._client_tls() if backend.spec.scheme == "https" else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                await loop.create_connection(lambda: upstream, key.host, key.port, ssl=tls)
        except OSError as error:  # TimeoutError and SSLError among them
            upstream.close()
            exchange.on_connect_failed(_failure_of(error))
        except asyncio.CancelledError:
            upstream.close()
            raise
        else:
            exchange.on_connected(upstream)

    def _client_tls(self) -> ssl.SSLContext:
        """Towards containers TLS hides, it does not identify: they are found by address, which no certificate names."""
        if self._tls is None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def _failure_of(error: OSError) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure.CONNECT_TIMEOUT
    if isinstance(error, ConnectionRefusedError):
        return Failure.REFUSED
    if isinstance(error, ssl.SSLError):
        return Failure.TLS
    return Failure.NO_DESCRIPTORS if error.errno in _OUT_OF_DESCRIPTORS else Failure.UNREACHABLE
