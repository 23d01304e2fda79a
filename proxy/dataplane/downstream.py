"""A connection from a client: reads requests off it one after the other, and writes their answers in that order."""

import asyncio
import socket
import struct
import time
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

from proxy.dataplane.exchange import Exchange
from proxy.failure import Failure
from proxy.wire import chunked, grammar
from proxy.wire.chunked import ChunkedDecoder
from proxy.wire.codec import parse_request
from proxy.wire.head import CHUNKED, RequestHead
from proxy.wire.head_buffer import HEAD_END, HeadBuffer
from proxy.wire.peer import Peer, is_trusted
from proxy.wire.replies import reply

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane

WRITE_LIMIT: Final = 256 * 1024  # bytes held for a client that does not read
LOOK_AHEAD: Final = 64 * 1024  # bytes of pipelined requests read before the one at hand is answered
LINGER: Final = 2.0  # seconds in which a client may still read the answer and send what nobody reads
LINGER_BYTES: Final = 4 * 1024 * 1024
_CR: Final = 13
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


class State(Enum):
    """What the bytes that come next are."""

    READY = "ready"  # the next request, or a piece of its head
    BUSY = "busy"  # the body of the request at hand, then pipelined requests
    LINGERING = "lingering"  # nothing: they are thrown away until the client has read its last answer
    CLOSED = "closed"


# An enum member costs a look-up in its class; on the hot path a global does.
_READY: Final = State.READY
_BUSY: Final = State.BUSY


class Downstream(asyncio.Protocol):
    """One client connection. `deadline` is in monotonic seconds; the sweep calls `on_deadline` after it."""

    __slots__ = (
        "_body_left",
        "_decoder",
        "_exchange",
        "_lingered",
        "_partial",
        "_peer",
        "_pending",
        "_plane",
        "_transport",
        "deadline",
        "is_half_closed",
        "is_reading_paused",
        "is_write_paused",
        "state",
    )

    _transport: asyncio.Transport
    _peer: Peer

    def __init__(self, plane: "DataPlane") -> None:
        # for the whole connection
        self._plane = plane
        self.state = State.READY
        self.deadline = time.monotonic() + plane.settings.head_timeout
        self.is_half_closed = False
        self.is_reading_paused = False
        self.is_write_paused = False
        self._lingered = 0  # bytes thrown away
        # for one request
        self._exchange: Exchange | None = None
        self._partial: HeadBuffer | None = None
        self._pending = b""  # read ahead, not looked at
        self._body_left = 0
        self._decoder: ChunkedDecoder | None = None

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT)
        peername = transport.get_extra_info("peername")
        address = str(peername[0]).removeprefix("::ffff:") if peername else "unknown"
        trusted = bool(peername) and is_trusted(address, self._plane.settings.trusted)
        self._peer = Peer(address.encode("ascii", "replace"), trusted)
        self._plane.downstreams.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        state = self.state
        if state is _READY:
            self._read_requests(data)
        elif state is _BUSY:
            rest = self._read_body(data)
            if rest:
                self._look_ahead(rest)
        elif state is State.LINGERING:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.abort()

    def eof_received(self) -> bool:
        """The client sends no more. True keeps the connection for the answer it may still wait for."""
        exchange = self._exchange
        if self.state is not State.BUSY or exchange is None:
            return False
        if not exchange.request_complete:
            exchange.on_client_gone()
            return False
        self.is_half_closed = True
        if not self._pending:
            exchange.client_stays = False
        exchange.on_client_half_closed()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whichever side."""
        self.state = State.CLOSED
        exchange = self._exchange
        if exchange is not None:
            self._exchange = None
            exchange.on_client_gone()
        self._plane.on_downstream_gone(self)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        self.is_write_paused = True
        if self._exchange is not None:
            self._exchange.pause_upstream()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.is_write_paused = False
        if self._exchange is not None:
            self._exchange.resume_upstream()
        elif self.state is State.READY:
            self._read_pending()

    # called by the exchange

    def write(self, data: bytes) -> None:
        """Send bytes of a response."""
        if self.state is _BUSY:
            self._transport.write(data)

    def reply(self, failure: Failure, head: RequestHead | None, stays: bool) -> int:
        """Send an answer of the proxy's own; returns its bytes."""
        if self.state is State.CLOSED:
            return 0
        minor = head.minor if head is not None else 1
        head_only = head is not None and head.method == b"HEAD"
        data = reply(failure, self._plane.date, minor, stays, head_only)
        self._transport.write(data)
        return len(data)

    def on_exchange_over(self, stays: bool, now: float) -> None:
        """The answer is written: go on with the next request, or close."""
        exchange = self._exchange
        self._exchange = None
        if self.state is not _BUSY:
            return
        if not stays or self._plane.draining or (self.is_half_closed and not self._pending):
            self._close_after_answer(exchange is None or exchange.request_complete)
            return
        self.state = _READY
        self.deadline = now + self._plane.settings.keep_alive
        if self.is_reading_paused:
            self.resume_reading()
        if self._pending:
            self._read_pending()

    def cut(self) -> None:
        """End the connection so that the client sees that its answer is not whole."""
        self._exchange = None
        if self.state is State.CLOSED:
            return
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            # a response that ends with its connection is cut visibly only by a reset
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.abort()

    def pause_reading(self) -> None:
        """Take no more from the client for now."""
        if not self.is_reading_paused and not self._transport.is_closing():
            self.is_reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on taking."""
        if self.is_reading_paused and len(self._pending) <= LOOK_AHEAD:
            self.is_reading_paused = False
            if not self._transport.is_closing() and not self.is_half_closed:
                self._transport.resume_reading()

    # called by the plane

    @property
    def client(self) -> bytes:
        """Its address, as text."""
        return self._peer.address

    @property
    def is_active(self) -> bool:
        """Whether an exchange is under way."""
        return self._exchange is not None

    def on_deadline(self, now: float) -> None:
        """Whatever was waited for did not come in time."""
        if self._exchange is not None:
            self._exchange.on_deadline()
        elif self.state is State.READY and not self._is_between_requests:
            self._refuse(Failure.HEAD_TIMEOUT)
        else:
            self.abort()

    def wind_down(self) -> None:
        """Close, at once when no request is under way, else after its answer, which says so."""
        if self._exchange is not None:
            self._exchange.client_stays = False
        elif self.state is State.READY and self._is_between_requests:
            self._transport.close()

    @property
    def _is_between_requests(self) -> bool:
        return self._partial is None or self._partial.is_blank

    def abort(self) -> None:
        """End the connection at once."""
        if self.state is not State.CLOSED:
            self._transport.abort()

    # reading heads

    def _read_pending(self) -> None:
        data, self._pending = self._pending, b""
        if data:
            self._read_requests(data)

    def _read_requests(self, data: bytes) -> None:
        """Serve the requests in `data`, one at a time: the rest waits while one is not answered."""
        while data and self.state is _READY:
            if self.is_write_paused:
                self._look_ahead(data)
                return
            end = data.find(HEAD_END) + 4
            if end == len(data) and self._partial is None and end <= grammar.MAX_HEAD and data[0] != _CR:
                raw, data = data, b""  # one whole head and nothing else, as nearly always
            else:
                split = self._split_head(data)
                if split is None:
                    return
                raw, data = split
            head = parse_request(raw, self._peer, 0)
            if isinstance(head, Failure):
                self._refuse(head)
                return
            data = self._serve(head, data)
        if data and self.state is _BUSY:
            self._look_ahead(data)

    def _split_head(self, data: bytes) -> tuple[bytes, bytes] | None:
        """(one whole head, what is behind it), or None while there is none or no use in one."""
        partial = self._partial
        if partial is None:
            end = data.find(HEAD_END)
            if 0 <= end <= grammar.MAX_HEAD and data[0] != _CR:
                return data[: end + 4], data[end + 4 :]
            partial = self._partial = HeadBuffer(data)
            self.deadline = time.monotonic() + self._plane.settings.head_timeout
        else:
            partial.add(data)
        whole = partial.take()
        if whole is not None and len(whole[0]) <= grammar.MAX_HEAD:
            self._partial = None
            return whole
        if len(partial) > grammar.MAX_TARGET + 64 and partial.is_long_target:
            self._refuse(Failure.TARGET_TOO_LONG)
        elif whole is not None or len(partial) > grammar.MAX_HEAD:
            self._refuse(Failure.HEAD_TOO_LARGE)
        elif partial.is_hopeless():
            self._refuse(Failure.BAD_REQUEST_LINE)
        return None

    def _serve(self, head: RequestHead, data: bytes) -> bytes:
        """Begin the exchange for `head`; `data` is what came behind it. Returns what is behind its body."""
        service = self._plane.fleet.routes.match(head)
        if service is None:
            return self._not_routed(head, data)
        self.state = _BUSY
        exchange = self._exchange = Exchange(self._plane, self, head, service)
        if head.body:
            self._decoder = ChunkedDecoder() if head.body == CHUNKED else None
            self._body_left = head.body
            if data:
                data = self._read_body(data)
        if self._exchange is exchange:
            exchange.attempt()
        return data

    def _not_routed(self, head: RequestHead, data: bytes) -> bytes:
        self._plane.statistics.unrouted += 1
        stays = head.persistent and head.body == 0 and not self._plane.draining
        self.reply(Failure.NO_ROUTE, head, stays)
        if self._plane.access_log is not None:
            self._plane.access_log.record_refused(self._peer.address, Failure.NO_ROUTE, head)
        if stays:
            self.deadline = time.monotonic() + self._plane.settings.keep_alive
            return data
        self._close_after_answer(head.body == 0)
        return b""

    def _refuse(self, failure: Failure) -> None:
        """A head that cannot be served: say why, read nothing more."""
        self._partial = None
        self._plane.statistics.count_bad_request(failure)
        self.reply(failure, None, stays=False)
        if self._plane.access_log is not None:
            self._plane.access_log.record_refused(self._peer.address, failure, None)
        self._close_after_answer(read_whole=False)

    # reading bodies and what is behind them

    def _read_body(self, data: bytes) -> bytes:
        """Give the exchange what `data` holds of the body; returns what is behind it."""
        exchange = self._exchange
        if exchange is None or exchange.request_complete:
            return data
        if self._decoder is not None:
            return self._read_chunks(exchange, data, self._decoder)
        left = self._body_left
        if len(data) < left:
            self._body_left = left - len(data)
            exchange.on_request_body(data, False)
            return b""
        self._body_left = 0
        exchange.on_request_body(data[:left], True)
        return data[left:]

    def _read_chunks(self, exchange: Exchange, data: bytes, decoder: ChunkedDecoder) -> bytes:
        pieces = decoder.feed(data)
        if pieces is None:
            exchange.on_bad_body()
            return b""
        content = chunked.encode(pieces)
        if not decoder.done:
            if content:
                exchange.on_request_body(content, False)
            return b""
        self._decoder = None
        exchange.on_request_body(content + chunked.LAST_CHUNK, True)
        return decoder.rest

    def _look_ahead(self, data: bytes) -> None:
        """Keep pipelined requests until their turn, and not too many of them."""
        self._pending += data
        if len(self._pending) > LOOK_AHEAD:
            self.pause_reading()

    # closing

    def _close_after_answer(self, read_whole: bool) -> None:
        """Close once the answer is out.

        With unread bytes of the client's in the socket, closing would reset the connection and might destroy the
        answer on its way: then only the sending side is closed until the client closes too (RFC 9112 section 9.6).
        """
        self._pending = b""
        if read_whole or self.is_half_closed or not self._transport.can_write_eof():
            self._transport.close()
            return
        self.state = State.LINGERING
        self.deadline = time.monotonic() + LINGER
        self._transport.write_eof()
        self.resume_reading()

    def __repr__(self) -> str:
        return f"<Downstream {self._peer.address.decode()} {self.state.value} {self._exchange!r}>"
