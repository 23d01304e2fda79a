"""A connection from a client: its requests are served one after the other, their answers written in that order."""

import asyncio
import socket
import struct
import time
from typing import TYPE_CHECKING, Final, cast

from proxy.dataplane.admission import Admission
from proxy.dataplane.exchange import Exchange
from proxy.dataplane.own_answers import OwnAnswers
from proxy.dataplane.peers import UNKNOWN
from proxy.dataplane.request_reader import State
from proxy.dataplane.tunnel import Tunnel
from proxy.failure import Failure
from proxy.wire.head import RequestHead
from proxy.wire.prefix import without_prefix

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane

WRITE_LIMIT: Final = 256 * 1024  # bytes held for a client that does not read
FIRST_REQUEST: Final = 0.5  # seconds for the first request of a client that had connected when draining began
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s

# An enum member costs a look-up in its class; on the hot path a global does.
_READY: Final = State.READY
_BUSY: Final = State.BUSY
_TUNNEL: Final = State.TUNNEL


class Downstream(OwnAnswers):
    """One client connection. `deadline` is in monotonic seconds; the sweep calls `on_deadline` after it."""

    __slots__ = (
        "_admitted_as",
        "_first_deadline",
        "_tunnel",
        "_unread",
        "_unread_since",
    )

    def __init__(self, plane: "DataPlane", proxy_protocol: bool = False) -> None:
        super().__init__(plane, State.PREFACE if proxy_protocol else State.READY)
        self._admitted_as: bytes | None = None
        self._first_deadline = self.deadline  # the same as long as nothing was asked
        self._tunnel: Tunnel | None = None
        self._unread = 0  # bytes that the client had not taken when last looked at
        self._unread_since = 0.0

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT)
        self._plane.downstreams.add(self)
        peername = transport.get_extra_info("peername")
        address = str(peername[0]).removeprefix("::ffff:") if peername else UNKNOWN
        admission = self._plane.admissions.enter()
        if self.state is not State.PREFACE:
            self._identify(address)
        else:
            self._peer = self._plane.peers.of(address)
        self._admit(admission)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        state = self.state
        if state is _READY:
            self._read_requests(data)
        elif state is _BUSY:
            rest = self._read_body(data)
            if rest:
                self._look_ahead(rest)
        elif state is _TUNNEL and self._tunnel is not None:
            self._tunnel.on_client_data(data)
        elif state is State.PREFACE:
            self._read_preface(data)
        elif state is State.LINGERING:
            self._throw_away(data)

    def eof_received(self) -> bool:
        """The client sends no more. True keeps the connection for the answer it may still wait for."""
        exchange = self._exchange
        if self.state is _TUNNEL and self._tunnel is not None:
            return self._tunnel.on_client_end()
        if self.state is not _BUSY or exchange is None:
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
        exchange, tunnel = self._exchange, self._tunnel
        self._exchange = self._tunnel = None
        if tunnel is not None:
            tunnel.on_lost(exc, Failure.CLIENT_GONE)
        elif exchange is not None:
            exchange.on_client_gone()
        self._plane.admissions.leave(self._admitted_as)
        self._plane.on_downstream_gone(self)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        self.is_write_paused = True
        self._look_at_unread(time.monotonic())
        if self._exchange is not None:
            self._exchange.pause_upstream()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.is_write_paused = False
        self._unread = 0
        if self._exchange is not None:
            self._exchange.resume_upstream()
        elif self.state is State.READY:
            self._read_pending()

    # called by the exchange

    def write(self, data: bytes) -> None:
        """Send bytes of a response."""
        if self.state is _BUSY or self.state is _TUNNEL:
            self._transport.write(data)

    def begin_tunnel(self, tunnel: Tunnel) -> None:
        """What comes from now on, and what was read ahead, is of another protocol."""
        self.state = _TUNNEL
        self._tunnel = tunnel
        early, self._pending = self._pending, b""
        self.resume_reading()
        if early:
            tunnel.on_client_data(early)
        if self.is_half_closed:
            tunnel.on_client_end()

    def end(self) -> bool:
        """Close the sending side behind what was written; False when this connection cannot."""
        if not self._transport.can_write_eof() or self._transport.is_closing():
            return False
        self._transport.write_eof()
        return True

    def on_exchange_over(self, stays: bool, now: float) -> None:
        """The answer is written: go on with the next request, or close."""
        exchange = self._exchange
        self._exchange = self._tunnel = None
        if self.state is not _BUSY and self.state is not _TUNNEL:
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
        self._exchange = self._tunnel = None
        if self.state is State.CLOSED:
            return
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            # a response that ends with its connection is cut visibly only by a reset
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.abort()

    # called by the plane

    @property
    def client(self) -> bytes:
        """Its address, as text."""
        return self._peer.address

    @property
    def exchange(self) -> Exchange | None:
        """What is under way."""
        return self._exchange

    @property
    def is_active(self) -> bool:
        """Whether an exchange is under way."""
        return self._exchange is not None

    def on_deadline(self, now: float) -> None:
        """Whatever was waited for did not come in time."""
        if self._exchange is not None:
            self._exchange.on_deadline(now)
        elif self.state is State.READY and not self._is_between_requests:
            self._refuse(Failure.HEAD_TIMEOUT)
        elif self.state is State.READY and self.is_reading_fast_enough(now):
            self.deadline = now + self._plane.settings.keep_alive
        else:
            self.abort()

    def is_reading_fast_enough(self, now: float) -> bool:
        """Whether a client with unread bytes has taken enough of them since they were last looked at."""
        before, since = self._unread, self._unread_since
        unread = self._look_at_unread(now)
        if not before:
            return unread > 0  # the first look
        taken = before - unread
        return taken > 0 and taken >= self._plane.settings.min_rate * (now - since)

    def _look_at_unread(self, now: float) -> int:
        self._unread = self._transport.get_write_buffer_size()
        self._unread_since = now
        return self._unread

    def wind_down(self) -> None:
        """Close, at once when no request is under way, else after its answer, which says so.

        One that has asked nothing yet may have a request on its way, which nobody would send again: it has a moment.
        """
        if self._exchange is not None:
            self._exchange.client_stays = False
        elif self.state is State.PREFACE or (self.state is State.READY and self._is_between_requests):
            if self.deadline == self._first_deadline:
                self.deadline = min(self.deadline, time.monotonic() + FIRST_REQUEST)
            else:
                self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self.state is not State.CLOSED:
            self._transport.abort()

    # called by the reader

    def _serve(self, head: RequestHead, data: bytes) -> bytes:
        """Begin the exchange for `head`; `data` is what came behind it. Returns what is behind its body."""
        if head.ends_here:
            return self._answer_here(head, data)
        service = self._plane.fleet.routes.match(head)
        if service is None:
            self._plane.statistics.unrouted += 1
            return self._turn_down(Failure.NO_ROUTE, head, data)
        if service.has_request_rules:
            if service.body_limit is not None and head.body > service.body_limit:
                return self._turn_down(Failure.BODY_TOO_LARGE, head, data)
            if service.strips_prefix:
                head.forward = without_prefix(head, self._plane.fleet.routes.prefix_of(head))
        self.state = _BUSY
        plane = self._plane
        if plane.tracer is None:
            exchange = Exchange(plane, self, head, service)
        else:
            exchange = plane.tracer.begin(plane, self, head, service)
        self._exchange = exchange
        if head.body:
            data = self._begin_body(exchange, head, data)
        if self._exchange is exchange:
            exchange.attempt()
        return data

    # whose connection it is

    def _identify(self, address: str) -> None:
        """Whose connection it is, which may be one too many of theirs."""
        self._peer = self._plane.peers.of(address)
        self._admitted_as = self._peer.address
        self._admit(self._plane.admissions.enter_as(self._peer.address))

    def _admit(self, admission: Admission) -> None:
        if admission is Admission.DROPPED:
            self.abort()
        elif admission is Admission.TURNED_AWAY and self.state is not State.LINGERING:
            self._refuse(Failure.TOO_MANY_CONNECTIONS)

    def __repr__(self) -> str:
        return f"<Downstream {self._peer.address.decode()} {self.state.value} {self._exchange!r}>"
