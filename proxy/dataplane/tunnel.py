"""What follows a 101 (Switching Protocols): bytes of another protocol, both ways, until both sides have ended.

RFC 9110 section 7.8. The two connections keep their flow control; a side that ends is passed on as a half-close.
"""

import time
from typing import TYPE_CHECKING, Final

from proxy.failure import Failure

if TYPE_CHECKING:
    from proxy.dataplane.downstream import Downstream
    from proxy.dataplane.exchange import Exchange
    from proxy.dataplane.upstream import Upstream

HALF_CLOSED: Final = 60.0  # seconds in which the other side may still say something when one has ended


class Tunnel:
    """One tunnel, open `since` (monotonic seconds). `idle` is how long it may carry nothing, in seconds."""

    __slots__ = ("_downstream", "_exchange", "_upstream", "backend_ended", "client_ended", "idle", "since")

    def __init__(self, exchange: "Exchange", downstream: "Downstream", upstream: "Upstream", idle: float) -> None:
        self._exchange = exchange
        self._downstream = downstream
        self._upstream = upstream
        self.idle = idle
        self.since = time.monotonic()
        self.client_ended = False
        self.backend_ended = False

    def on_client_data(self, data: bytes) -> None:
        """Bytes from the client."""
        self._exchange.request_bytes += len(data)
        self._upstream.write(data)
        self._exchange.extend_deadline()

    def on_backend_data(self, data: bytes) -> None:
        """Bytes from the backend."""
        self._exchange.response_bytes += len(data)
        self._downstream.write(data)
        self._exchange.extend_deadline()

    def on_client_end(self) -> bool:
        """The client sends no more; whether the connection stays for the backend's last words."""
        self.client_ended = True
        if self.backend_ended or not self._upstream.end():
            self._exchange.on_tunnel_over(None)
            return False
        self._shorten()
        return True

    def on_backend_end(self) -> bool:
        """The backend sends no more; whether the connection stays for the client's last words."""
        self.backend_ended = True
        if self.client_ended or not self._downstream.end():
            self._exchange.on_tunnel_over(None)
            return False
        self._shorten()
        return True

    def on_lost(self, exc: Exception | None, failure: Failure) -> None:
        """One of the connections is gone: with `exc` the other must see that it was cut."""
        self._exchange.on_tunnel_over(failure if exc is not None else None)

    def _shorten(self) -> None:
        self.idle = min(self.idle, HALF_CLOSED)
        self._exchange.extend_deadline()

    def __repr__(self) -> str:
        return f"<Tunnel client_ended={self.client_ended} backend_ended={self.backend_ended}>"
