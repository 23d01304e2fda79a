"""Reads responses off a backend's bytes, one exchange at a time, and tells the exchange what came.

A backend is no more trusted than a client: what is not a response to the letter, or more than one, ends the connection.
"""

import asyncio
import time
from abc import abstractmethod
from typing import TYPE_CHECKING

from proxy.failure import Failure
from proxy.wire import chunked, grammar
from proxy.wire.chunked import ChunkedDecoder
from proxy.wire.codec import parse_response
from proxy.wire.head import CHUNKED, ResponseHead
from proxy.wire.head_buffer import HEAD_END, HeadBuffer

if TYPE_CHECKING:
    from proxy.dataplane.asker import Asker
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.tunnel import Tunnel


class ResponseReader(asyncio.Protocol):
    """The reading half of a connection to a backend."""

    __slots__ = (
        "_decoder",
        "_interims",
        "_left",
        "_partial",
        "_plane",
        "_response",
        "exchange",
        "tunnel",
    )

    def __init__(self, plane: "DataPlane") -> None:
        # for the whole connection
        self._plane = plane
        # for one exchange
        self.exchange: Asker | None = None
        self._response: ResponseHead | None = None
        self._partial: HeadBuffer | None = None
        self._decoder: ChunkedDecoder | None = None
        self._left = 0  # bytes of a body of known length still to come
        self._interims = 0
        self.tunnel: Tunnel | None = None

    # what becomes of what was read

    @abstractmethod
    def _settle(self, response: ResponseHead, now: float) -> None:
        """The response is complete: the connection may serve the next exchange."""

    @abstractmethod
    def _on_switched(self, exchange: "Asker", response: ResponseHead, rest: bytes) -> None:
        """A 101: `rest` is another protocol's."""

    @abstractmethod
    def _on_stray(self) -> None:
        """Bytes that belong to nobody's response."""

    @abstractmethod
    def _fail(self, failure: Failure) -> None:
        """What came is of no use, nor is what would come behind it."""

    # called by the transport

    def data_received(self, data: bytes) -> None:
        """Response bytes; on an idle connection something that belongs to nobody."""
        if self.exchange is None:
            self._on_stray()
        elif self._response is not None:
            self._on_body(data, self._response)
        elif self._partial is None:
            self._begin_response(self.exchange, data)
        else:
            self._collect(self.exchange, data)

    # heads

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

    # bodies

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
