"""Opening upstream connections, each in a task of its own. Coroutines, which stay Python (setup.py)."""

import asyncio
import errno
import ssl
from typing import TYPE_CHECKING, Final

from proxy.dataplane.upstream import Upstream
from proxy.failure import Failure
from proxy.fleet.backend import Backend

if TYPE_CHECKING:
    from proxy.dataplane.attempts import Attempts
    from proxy.dataplane.plane import DataPlane

_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)


class Connector:
    """Owns the tasks that open connections."""

    __slots__ = ("_connects", "_plane", "_tls")

    def __init__(self, plane: "DataPlane") -> None:
        self._plane = plane
        self._connects: set[asyncio.Task[None]] = set()
        self._tls: ssl.SSLContext | None = None

    # called by the pool

    def connect(self, backend: Backend, exchange: "Attempts") -> asyncio.Task[None]:
        """Open a connection for an exchange, told by `on_connected` or `on_connect_failed`. Cancel to call it off."""
        task = asyncio.get_running_loop().create_task(self._connect(backend, exchange))
        self._connects.add(task)
        task.add_done_callback(self._connects.discard)
        return task

    async def close(self) -> None:
        """Call off what is being opened."""
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
            if upstream.is_lost:  # the backend took it and closed it, before there was anybody to tell
                exchange.on_connect_failed(Failure.RESET)
                return
            upstream.count()
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
