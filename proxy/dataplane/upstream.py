"""A connection to a backend: sends it requests, one after the other, and is idle in the pool between them."""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from proxy.dataplane.response_reader import ResponseReader
from proxy.failure import Failure
from proxy.wire.head import UNTIL_CLOSE, ResponseHead

if TYPE_CHECKING:
    from proxy.dataplane.asker import Asker
    from proxy.dataplane.plane import DataPlane
    from proxy.fleet.backend import Backend

WRITE_LIMIT: Final = 256 * 1024  # bytes held for a peer that does not read


class Upstream(ResponseReader):
    """One connection to one backend. It serves one exchange at a time and is idle in the pool between them."""

    __slots__ = (
        "_is_counted",
        "backend",
        "expires",
        "idle_since",
        "is_lost",
        "is_write_paused",
        "served",
        "transport",
    )

    def __init__(self, plane: "DataPlane", backend: "Backend") -> None:
        super().__init__(plane)
        self.backend = backend
        self.transport: asyncio.Transport | None = None
        self._is_counted = False  # among the pool's
        self.is_lost = False
        self.is_write_paused = False
        self.served = 0  # exchanges that ended well
        self.idle_since = 0.0
        self.expires = 0.0  # monotonic seconds; when it may not be used any more once idle

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_LIMIT)

    def eof_received(self) -> bool:
        """The backend sends no more. True keeps a tunnel for what the client may still say."""
        tunnel = self.tunnel
        return tunnel is not None and tunnel.on_backend_end() and self._can_end

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whichever side."""
        self.is_lost = True
        if self._is_counted:
            self._is_counted = False
            self._plane.pool.open -= 1
        exchange = self.exchange
        if exchange is None:
            self._plane.pool.on_idle_lost(self)
            return
        response = self._response
        if self.tunnel is not None:
            self.tunnel.on_lost(exc, Failure.RESET)
        elif response is None:
            self._fail(self._failure_before_head(exc))
        elif response.body == UNTIL_CLOSE and exc is None:
            self._end(response, b"", [])
        else:
            self._fail(Failure.TRUNCATED)

    def pause_writing(self) -> None:
        """The backend does not read as fast as the client sends."""
        self.is_write_paused = True
        if self.exchange is not None:
            self.exchange.pause_downstream()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.is_write_paused = False
        if self.exchange is not None:
            self.exchange.resume_downstream()

    # called by the connector

    def count(self) -> None:
        """It is open and somebody's. One that is called off as it connects may never hear of its end (uvloop)."""
        self._is_counted = True
        self._plane.pool.open += 1

    # called by the exchange and the pool

    def begin(self, exchange: "Asker", head: bytes) -> None:
        """Serve `exchange`, whose request head this is."""
        self.exchange = exchange
        if self.transport is not None:
            self.transport.write(head)

    def write(self, data: bytes) -> None:
        """Send bytes of a request."""
        if self.transport is not None:
            self.transport.write(data)

    def pause_reading(self) -> None:
        """The client does not read as fast as the backend sends."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """It has caught up."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def end(self) -> bool:
        """Close the sending side behind what was written; False when this connection cannot."""
        if self.transport is None or not self._can_end or self.transport.is_closing():
            return False
        self.transport.write_eof()
        return True

    def finish(self) -> None:
        """Let go of the connection behind what was written to it."""
        if self.transport is None or self.is_flushed:
            self.close()
            return
        self.exchange = self.tunnel = None
        self.transport.close()

    def close(self) -> None:
        """Let go of the connection at once, whatever is under way on it."""
        self.exchange = self.tunnel = None
        if self.transport is not None:
            self.transport.abort()

    @property
    def _can_end(self) -> bool:
        """Whether one side can be closed without the other: not with TLS."""
        return self.transport is not None and self.transport.can_write_eof()

    @property
    def is_flushed(self) -> bool:
        """Whether the backend has been given every byte of the request."""
        return self.transport is not None and self.transport.get_write_buffer_size() == 0

    @property
    def is_reused(self) -> bool:
        """Whether it has served before, so that the backend may have closed it unseen."""
        return self.served > 0

    # called by the reader

    def _settle(self, response: ResponseHead, now: float) -> None:
        """Back to the state between exchanges, and until when the backend keeps the connection for the next."""
        self._response = self._decoder = None
        self._interims = 0
        self.served += 1
        if not response.persistent:
            self.expires = 0.0
        elif response.keep_alive is None:
            self.expires = now + self.backend.keep_alive
        else:
            self.expires = now + min(self.backend.keep_alive, response.keep_alive - 1.0)

    def _on_switched(self, exchange: "Asker", response: ResponseHead, rest: bytes) -> None:
        """Another protocol from here on. Not while a request body is still due (RFC 9110 section 7.8)."""
        if not exchange.request_complete:
            self._fail(Failure.BAD_RESPONSE)
            return
        response.body = UNTIL_CLOSE
        self._response = response
        exchange.on_switched(response, self)
        if rest and self.tunnel is not None:
            self.tunnel.on_backend_data(rest)

    def _on_stray(self) -> None:
        self._plane.pool.on_idle_lost(self)
        self.close()

    def _failure_before_head(self, exc: Exception | None) -> Failure:
        if self._partial is not None or self._interims:
            return Failure.BAD_RESPONSE
        if self.is_reused:
            return Failure.STALE
        return Failure.CLOSED if exc is None else Failure.RESET

    def _fail(self, failure: Failure) -> None:
        exchange = self.exchange
        self.close()
        if exchange is not None:
            exchange.on_failure(failure)

    def __repr__(self) -> str:
        return f"<Upstream {self.backend.name} served={self.served} exchange={self.exchange!r}>"
