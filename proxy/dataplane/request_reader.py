"""Reads requests off a client's bytes, one after the other: where heads end, bodies, and what is behind them.

Law: at most one request is served at a time; what comes before its answer is read ahead, bounded, and not looked at.
"""

import asyncio
import time
from abc import abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, Final

from proxy.dataplane.exchange import Exchange
from proxy.failure import Failure
from proxy.wire import chunked
from proxy.wire.chunked import ChunkedDecoder
from proxy.wire.codec import parse_request
from proxy.wire.head import CHUNKED, RequestHead
from proxy.wire.head_buffer import HEAD_END, HeadBuffer
from proxy.wire.peer import Peer
from proxy.wire.proxy_protocol import BadProxyHeaderError, read_proxy_header

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane

LOOK_AHEAD: Final = 64 * 1024  # bytes of pipelined requests read before the one at hand is answered
_CR: Final = 13


class State(Enum):
    """What the bytes that come next are."""

    PREFACE = "preface"  # the header of the PROXY protocol
    READY = "ready"  # the next request, or a piece of its head
    BUSY = "busy"  # the body of the request at hand, then pipelined requests
    TUNNEL = "tunnel"  # another protocol's: they pass as they are
    LINGERING = "lingering"  # nothing: they are thrown away until the client has read its last answer
    CLOSED = "closed"


# An enum member costs a look-up in its class; on the hot path a global does.
_READY: Final = State.READY
_BUSY: Final = State.BUSY


class RequestReader(asyncio.Protocol):
    """The reading half of a client connection. `deadline` is in monotonic seconds."""

    __slots__ = (
        "_body_left",
        "_decoder",
        "_exchange",
        "_max_head",
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

    _peer: Peer
    _transport: asyncio.Transport

    def __init__(self, plane: "DataPlane", state: State) -> None:
        # for the whole connection
        self._plane = plane
        self._max_head = plane.settings.max_head
        self.state = state
        self.deadline = time.monotonic() + plane.settings.head_timeout
        self.is_write_paused = False
        self.is_reading_paused = False
        self.is_half_closed = False  # the client sends no more
        # for one request
        self._exchange: Exchange | None = None
        self._partial: HeadBuffer | None = None
        self._pending = b""  # read ahead, not looked at
        self._body_left = 0  # of a body of known length; of a chunked one what it may still hold, if that is limited
        self._decoder: ChunkedDecoder | None = None

    # what becomes of what was read

    @abstractmethod
    def _serve(self, head: RequestHead, data: bytes) -> bytes:
        """Serve the request of `head`; `data` is what came behind it. Returns what is behind its body."""

    @abstractmethod
    def _refuse(self, failure: Failure) -> None:
        """A head that cannot be served: say why, read nothing more."""

    @abstractmethod
    def _identify(self, address: str) -> None:
        """Whose connection it is, which may be one too many of theirs."""

    # pausing

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

    # heads

    def _read_preface(self, data: bytes) -> None:
        """The PROXY protocol's header. Without a good one nothing is answered: whatever this is, it speaks no HTTP."""
        data = self._pending + data
        try:
            header = read_proxy_header(data)
        except BadProxyHeaderError:
            self._plane.statistics.count_bad_request(Failure.BAD_PROXY_HEADER)
            self._transport.abort()
            return
        if header is None:
            self._pending = data
            return
        self._pending = b""
        self.state = _READY
        self._identify(header.address or self._peer.address.decode("ascii"))
        self._read_requests(data[header.size :])

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
            plane = self._plane
            plane.requests = number = plane.requests + 1
            if self._partial is None:
                # Nearly always a whole head and a good one; else it is looked at again, since it may be a piece of one.
                # To search for its end first took 0.25 µs (benchmarks/happy_path_cost.py).
                head = parse_request(data, self._peer, number)
                if isinstance(head, RequestHead) and (size := len(head.raw)) <= self._max_head:
                    data = self._serve(head, data[size:])
                    continue
            split = self._split_head(data)
            if split is None:
                return
            raw, data = split
            head = parse_request(raw, self._peer, number)
            if not isinstance(head, RequestHead):
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
            if 0 <= end <= self._max_head and data[0] != _CR:
                return data[: end + 4], data[end + 4 :]
            partial = self._partial = HeadBuffer(data)
            self.deadline = time.monotonic() + self._plane.settings.head_timeout
        else:
            partial.add(data)
        whole = partial.take()
        if whole is not None and len(whole[0]) <= self._max_head:
            self._partial = None
            return whole
        max_target = self._plane.settings.max_target
        if len(partial) > max_target + 64 and partial.is_long_target(max_target):
            self._refuse(Failure.TARGET_TOO_LONG)
        elif whole is not None or len(partial) > self._max_head:
            self._refuse(Failure.HEAD_TOO_LARGE)
        elif partial.is_hopeless():
            self._refuse(Failure.BAD_REQUEST_LINE)
        return None

    @property
    def _is_between_requests(self) -> bool:
        return self._partial is None or self._partial.is_blank

    # bodies and what is behind them

    def _begin_body(self, exchange: Exchange, head: RequestHead, data: bytes) -> bytes:
        """What follows is a body, and `data` the first of it; returns what is behind it."""
        if head.body == CHUNKED:
            self._decoder = ChunkedDecoder()
            limit = exchange.service.spec.limit.body
            self._body_left = -1 if limit is None else limit
        else:
            self._decoder = None
            self._body_left = head.body
        return self._read_body(data) if data else data

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
            exchange.on_bad_body(Failure.BAD_BODY)
            return b""
        if self._body_left >= 0:
            left = self._body_left - sum(map(len, pieces))
            if left < 0:
                exchange.on_bad_body(Failure.BODY_TOO_LARGE)
                return b""
            self._body_left = left
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
