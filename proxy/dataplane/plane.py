"""The data plane: listeners, client connections, the pool, and the one sweep that ends whatever takes too long."""

import asyncio
import random
import secrets
import socket
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from math import inf
from typing import Any, Final

from proxy.dataplane.access_log import AccessLog
from proxy.dataplane.admission import Admissions
from proxy.dataplane.downstream import Downstream
from proxy.dataplane.exchange import Exchange
from proxy.dataplane.lifetime import Lifetime
from proxy.dataplane.peers import Peers
from proxy.dataplane.pool import Pool
from proxy.dataplane.tracing import Tracer
from proxy.fleet.backend import Backend, Unavailable
from proxy.fleet.fleet import Fleet
from proxy.fleet.service import Service
from proxy.fleet.statistics import PlaneStatistics
from proxy.spec.proxy import ListenAddress
from proxy.wire import grammar
from proxy.wire.peer import Network, Rules

_HARD: Final = frozenset((Unavailable.GONE, Unavailable.PAUSED, Unavailable.UNREACHABLE))
BEFORE_THE_KILL: Final = 0.5  # seconds: two sweeps before a container is killed its tunnels are closed
LOOK_AGAIN: Final = 0.005  # seconds after which those in line look whether other workers have left them room
SWEEP_INTERVAL: Final = 0.25  # seconds; a timeout is late by at most this
STANDSTILL: Final = 1.0  # seconds; a sweep that is later says that the whole process stood still


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How client connections are treated: times in seconds, sizes in bytes, `min_rate` in bytes per second.

    `max_connections` None stands for what the descriptors allow.
    """

    head_timeout: float = 10.0
    body_timeout: float = 60.0
    keep_alive: float = 75.0
    min_rate: int = 500
    trusted: tuple[Network, ...] = ()
    max_head: int = grammar.MAX_HEAD
    max_target: int = grammar.MAX_TARGET
    max_fields: int = grammar.MAX_FIELDS
    max_connections: int | None = None
    max_connections_per_client: int | None = None
    forwarded: bool = False
    request_id: bool = True
    last_words: float = 5.0  # for a request that may not be sent again and whose backend is gone


class DataPlane:
    """Everything between accept and answer. One per process and loop."""

    def __init__(
        self,
        fleet: Fleet,
        settings: ClientSettings,
        access_log: AccessLog | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.fleet = fleet
        self.settings = settings
        self.access_log = access_log
        self.tracer = tracer
        self.statistics = PlaneStatistics()
        self.peers = Peers(settings.trusted, _rules(settings))
        self.admissions = Admissions(settings.max_connections, settings.max_connections_per_client)
        self.requests = 0  # heads read, which numbers them
        self.chance = random.Random()
        self.pool = Pool(self)
        self.downstreams: set[Downstream] = set()
        self.draining = False
        self.date = b""
        self._lifetime = Lifetime(self)
        self._timer: asyncio.TimerHandle | None = None
        self._sweep_due = inf  # in monotonic seconds
        self._looking: asyncio.TimerHandle | None = None
        self._lines: set[Service] = set()  # where somebody waits
        self._called: set[Service] = set()  # whose line is to be served in this round of the loop
        self._tunnels_until: dict[Backend, float] = {}  # when those of a draining backend are closed
        fleet.on_withdrawn = self.on_withdrawn

    # called by the app; coroutines are elsewhere, because they are not compiled

    def start(self, addresses: Sequence[ListenAddress]) -> Coroutine[Any, Any, None]:
        """Bind every address and serve. Raises BindError and leaves nothing bound when one cannot be."""
        return self._lifetime.start(addresses)

    def bind(self, addresses: Sequence[ListenAddress]) -> Coroutine[Any, Any, None]:
        """Bind every address: clients can connect, and wait. Raises as `start` does."""
        return self._lifetime.bind(addresses)

    def adopt(self, bound: Sequence[tuple[socket.socket, bool]]) -> Coroutine[Any, Any, None]:
        """As `bind`, on sockets that listen already, each with whether clients begin by the PROXY protocol."""
        return self._lifetime.adopt(bound)

    def serve(self) -> Coroutine[Any, Any, None]:
        """Answer clients, those first who wait."""
        return self._lifetime.serve()

    def drain(self, deadline: float) -> Coroutine[Any, Any, bool]:
        """Close the listeners and let what is under way finish, for `deadline` seconds; whether all did.

        Connections without a request close at once, new ones in a moment, the others after their answer, which says so.
        """
        return self._lifetime.drain(deadline)

    def close(self) -> Coroutine[Any, Any, None]:
        """End everything at once; what is under way is cut."""
        return self._lifetime.close()

    def apply(self, settings: ClientSettings) -> None:
        """Take over changed settings, but for how many connections one client may have; what has begun goes on."""
        self.settings = settings
        self.peers = Peers(settings.trusted, _rules(settings))
        self.admissions.limit(settings.max_connections)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, ports as bound."""
        return self._lifetime.addresses

    @property
    def connections(self) -> tuple[int, int, int, int]:
        """To clients, active and idle, then to backends, active and idle."""
        active = sum(downstream.is_active for downstream in self.downstreams)
        return active, len(self.downstreams) - active, self.pool.open - self.pool.idle, self.pool.idle

    # called by connections

    def on_downstream_gone(self, downstream: Downstream) -> None:
        """A client connection is closed."""
        self.downstreams.discard(downstream)
        if not self.downstreams:
            self._lifetime.on_all_gone()

    def on_waiting(self, service: Service) -> None:
        """Somebody stands in the line of a service."""
        service.is_waited_for = True
        service.on_room = self.on_room
        self._lines.add(service)
        if self.fleet.shared is not None and self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_AGAIN, self._look_again)

    def on_room(self, service: Service) -> None:
        """Those in line may have somebody to be sent to: see in a moment, once for all that happens now."""
        if service not in self._called:
            self._called.add(service)
            asyncio.get_running_loop().call_soon(self._serve_line, service)

    def _look_again(self) -> None:
        """No event tells that another worker's request has ended."""
        self._looking = None
        for service in tuple(self._lines):
            self.on_waiting(service)
            self.on_room(service)

    def _serve_line(self, service: Service) -> None:
        self._called.discard(service)
        now = time.monotonic()
        line = service.line
        while len(line):
            backend = service.take(())
            if backend is None:
                return
            exchange: Exchange | None = line.next(now)
            if exchange is not None:
                exchange.on_turn(backend, now)
        service.is_waited_for = False
        self._lines.discard(service)

    # called by the fleet

    def on_withdrawn(self, backend: Backend) -> None:
        """A backend takes no more requests: its idle connections are of no use, and neither is waiting for it."""
        self.pool.forget(backend)
        if backend.unavailable in _HARD:
            # In a moment, when whoever says so has also said it of others and the policies know.
            asyncio.get_running_loop().call_soon(self._rescue, backend)
        elif backend.unavailable is Unavailable.DRAINING:
            self._tunnels_until[backend] = time.monotonic() + self._time_to_drain(backend)

    def _rescue(self, backend: Backend) -> None:
        now = time.monotonic()
        for downstream in tuple(self.downstreams):
            exchange = downstream.exchange
            if exchange is not None:
                exchange.on_backend_down(backend, now)

    def _time_to_drain(self, backend: Backend) -> float:
        """Seconds until its container is killed, or as many as the operator says."""
        service = self.fleet.services.get(backend.spec.service)
        drain = service.spec.drain if service is not None else None
        return backend.spec.stop_timeout if drain is None else drain

    # called by its lifetime and the loop

    def sweep(self) -> None:
        """End whatever takes too long, now and a few times a second from now on."""
        # Next time first: whatever goes wrong in one sweep, timeouts go on.
        self._timer = asyncio.get_running_loop().call_later(SWEEP_INTERVAL, self.sweep)
        now = time.monotonic()
        stood_still = now - self._sweep_due > STANDSTILL
        self._sweep_due = inf if stood_still else now + SWEEP_INTERVAL  # never two of them in a row
        self.date = formatdate(usegmt=True).encode("ascii")
        if stood_still:
            return  # timers come before sockets: what has arrived meanwhile is read first, and nobody was late
        for downstream in [each for each in self.downstreams if each.deadline <= now]:
            downstream.on_deadline(now)
        self.pool.sweep(now)
        for service in tuple(self._lines):
            self.on_room(service)
        if self._tunnels_until:
            self._close_tunnels(now)
        self.fleet.sweep(now)
        if self.access_log is not None:
            self.access_log.flush(asyncio.get_running_loop())
            self.statistics.access_log_dropped = self.access_log.dropped

    def stop_sweeping(self) -> None:
        """Nothing is under way any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _close_tunnels(self, now: float) -> None:
        """A tunnel outlasts every request: when a backend's time to drain ends, it is closed rather than cut."""
        due = [backend for backend, until in self._tunnels_until.items() if until - BEFORE_THE_KILL <= now]
        for backend in due:
            del self._tunnels_until[backend]
            if backend.unavailable is None:
                continue  # it was not stopped after all
            for downstream in tuple(self.downstreams):
                exchange = downstream.exchange
                if exchange is not None and exchange.backend is backend:
                    exchange.close_tunnel()


def _rules(settings: ClientSettings) -> Rules:
    return Rules(
        max_fields=settings.max_fields,
        max_target=settings.max_target,
        forwarded=settings.forwarded,
        request_ids=secrets.token_hex(8).encode("ascii") if settings.request_id else b"",
    )
