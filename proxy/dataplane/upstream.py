"""A connection to a backend: reads responses off it and tells the exchange that has it."""

import asyncio
import time
from typing import TYPE_CHECKING, Final, cast

from proxy.failure import Failure
from proxy.wire import chunked, grammar
from proxy.wire.chunked import ChunkedDecoder
from proxy.wire.codec import parse_response
from proxy.wire.head import CHUNKED, UNTIL_CLOSE, ResponseHead
from proxy.wire.head_buffer import HEAD_END, HeadBuffer

if TYPE_CHECKING:
    from proxy.dataplane.asker import Asker
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.tunnel import Tunnel
    from proxy.fleet.backend import Backend

WRITE_LIMIT: Final = 256 * 1024  # bytes held for a peer that does not read


class Upstream(asyncio.Protocol):
    """One connection to one backend. It serves one exchange at a time and is idle in the pool between them."""

    __slots__ = (
        "_decoder",
        "_interims",
        "_is_counted",
        "_left",
        "_partial",
        "_plane",
        "_response",
        "backend",
        "exchange",
        "expires",
        "idle_since",
        "is_lost",
        "is_write_paused",
        "served",
        "transport",
        "tunnel",
    )

    def __init__(self, plane: "DataPlane", backend: "Backend") -> None:
        # for the whole connection
        self._plane = plane
        self.backend = backend
        self.transport: asyncio.Transport | None = None
        self._is_counted = False  # among the pool's
        self.is_lost = False
        self.is_write_paused = False
        self.served = 0  # exchanges that ended well
        self.idle_since = 0.0
        self.expires = 0.0  # monotonic seconds; when it may not be used any more once idle
        # for one exchange
        self.exchange: Asker | None = None
        self._response: ResponseHead | None = None
        self._partial: HeadBuffer | None = None
        self._decoder: ChunkedDecoder | None = None
        self._left = 0  # bytes of a body of known length still to come
        self._interims = 0
        self.tunnel: Tunnel | None = None

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_LIMIT)

    def data_received(self, data: bytes) -> None:
        """Response bytes; on an idle connection something that belongs to nobody."""
        if self.exchange is None:
            self._plane.pool.on_idle_lost(self)
            self.close()
        elif self._response is not None:
            self._on_body(data, self._response)
        elif self._partial is None:
            self._begin_response(self.exchange, data)
        else:
            self._collect(self.exchange, data)

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

    # reading

    def _begin_response(self, exchange: "Asker", data: bytes) -> None:
        """The first bytes of a head, nearly always all of it: its end is only searched for when it is refused."""
        response = parse_response(data, exchange.head, exchange.client_stays, self._plane.date)
        if isinstance(response, ResponseHead) and (size := response.size) <= grammar.MAX_HEAD:
            self._on_head(exchange, response, data[size:])
        elif 0 <= data.find(HEAD_END) <= grammar.MAX_HEAD - len(HEAD_END):
            self._fail(Failure.BAD_RESPONSE)
        else:
            self._collect(exchange, data)

    def _collect(self, exchange: "Asker", data: bytes) -> None:
        """A head that comes in pieces."""
        partial = self._partial
        if partial is None:
            partial = self._partial = HeadBuffer(data)
        else:
            partial.add(data)
        whole = partial.take()
        if whole is not None and len(whole[0]) <= grammar.MAX_HEAD:
            self._partial = None
            response = parse_response(whole[0], exchange.head, exchange.client_stays, self._plane.date)
            if isinstance(response, ResponseHead):
                self._on_head(exchange, response, whole[1])
            else:
                self._fail(response)
        elif whole is not None or len(partial) > grammar.MAX_HEAD or partial.is_hopeless():
            self._fail(Failure.BAD_RESPONSE)

    def _on_head(self, exchange: "Asker", response: ResponseHead, rest: bytes) -> None:
        if response.status < 200:
            self._on_interim(exchange, response, rest)
        elif response.body == len(rest):
            # The whole response in one read, by far the most common: one write, no state.
            now = time.monotonic()
            self._settle(response, now)
            exchange.on_response(response, response.forward + rest, True, now)
        else:
            self._begin_body(exchange, response, rest)

    def _on_interim(self, exchange: "Asker", response: ResponseHead, rest: bytes) -> None:
        if response.status == 101:
            self._on_switched(exchange, response, rest)
            return
        self._interims += 1
        if self._interims > grammar.MAX_INTERIM:
            self._fail(Failure.BAD_RESPONSE)
            return
        exchange.on_interim(response)
        if rest:
            self.data_received(rest)

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

    def _begin_body(self, exchange: "Asker", response: ResponseHead, rest: bytes) -> None:
        self._response = response
        self._decoder = ChunkedDecoder() if response.body == CHUNKED else None
        self._left = response.body
        exchange.on_response(response, response.forward, False, time.monotonic())
        if rest and self.exchange is not None:
            self._on_body(rest, response)

    def _on_body(self, data: bytes, response: ResponseHead) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        if response.body >= 0:
            self._on_counted(exchange, data, response)
        elif self._decoder is not None:
            self._on_chunks(exchange, data, response, self._decoder)
        elif self.tunnel is not None:
            self.tunnel.on_backend_data(data)
        else:
            exchange.on_body(chunked.encode([data]) if response.rechunk else data)

    def _on_counted(self, exchange: "Asker", data: bytes, response: ResponseHead) -> None:
        left = self._left = self._left - len(data)
        if left > 0:
            exchange.on_body(data)
            return
        if left < 0:  # bytes behind a complete response belong to nobody: not one of them is passed on
            response.persistent = False
            data = data[:left]
        self._end(response, data, [])

    def _on_chunks(self, exchange: "Asker", data: bytes, response: ResponseHead, decoder: ChunkedDecoder) -> None:
        pieces = decoder.feed(data)
        if pieces is None:
            self._fail(Failure.BAD_RESPONSE)
            return
        content = chunked.encode(pieces) if response.rechunk else b"".join(pieces)
        if not decoder.done:
            if content:
                exchange.on_body(content)
            return
        if decoder.rest:
            response.persistent = False
        self._end(response, content, decoder.trailers if exchange.head.takes_trailers else [])

    def _end(self, response: ResponseHead, content: bytes, trailers: list[bytes]) -> None:
        """The response is complete; `content` is the last of it."""
        exchange = self.exchange
        if response.rechunk:
            content += chunked.last_chunk(trailers)
        self._settle(response, time.monotonic())
        if exchange is not None:
            exchange.on_end(content)

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
