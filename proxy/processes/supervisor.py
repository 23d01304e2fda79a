"""The workers as one: what the composition root has in the place of a data plane of its own.

It owns the listening sockets, a seat for each worker, and the book, in which everything stands that workers have seen.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from proxy.dataplane.binding import bind_several
from proxy.errors import SeawallError
from proxy.fleet.book import Book
from proxy.fleet.fleet import Fleet
from proxy.fleet.spans import SpanQueue
from proxy.fleet.statistics import PlaneStatistics
from proxy.processes import messages
from proxy.processes.broadcast import Broadcast
from proxy.processes.messages import (
    Call,
    Flipped,
    Listening,
    Report,
    Serving,
    Settings,
    Setup,
    Shared,
    Spans,
    Suspected,
    Whole,
    Word,
)
from proxy.processes.seat import Seat
from proxy.processes.table import Slots, Table
from proxy.spec.proxy import ListenAddress, ProxySpec

START_WITHIN: Final = 30.0  # seconds for workers to serve
ANSWER_WITHIN: Final = 0.5  # seconds that a scrape waits for a worker
LAST_WORDS: Final = 3.0  # seconds that workers have to end beyond the time to drain
END_WITHIN: Final = 1.0  # seconds to end when told to


class Supervisor:
    """`calls` is the fleet as the control plane speaks to it; `statistics` those that name no service, of all workers.

    `on_served` is told whether any worker takes connections, whenever one begins to or ends. `fleet` is the book: it
    serves nobody, and its `on_flip` and `on_suspect` are called for what workers report.
    What requests leave to be traced is added to `spans`. `settings` are the keywords of ClientSettings for one worker.
    """

    def __init__(
        self,
        spec: ProxySpec,
        count: int,
        settings: Mapping[str, Any],
        fleet: Fleet,
        secret: bytes,
        spans: SpanQueue,
        log: FilteringBoundLogger,
        inherited: Sequence[tuple[ListenAddress, socket.socket]] = (),
    ) -> None:
        self.statistics = PlaneStatistics()
        self.on_served: Callable[[bool], None] = _ignore
        self._table = Table(count) if count > 1 else None  # one worker alone knows what is in flight
        self.calls = Broadcast(fleet, self._send, Slots() if count > 1 else None)
        self.addresses: list[tuple[str, int]] = []  # as bound
        self.seats: list[Seat] = []
        self._count = count
        self._settings = _settings(spec, settings)
        self._fleet = fleet
        self._secret = secret
        self._spans = spans
        self._spec = spec
        self._log = log
        self._book = Book(fleet, self.statistics)
        self._inherited = inherited
        self.sockets: list[tuple[ListenAddress, socket.socket]] = []
        self._cores = sorted(os.sched_getaffinity(0)) if spec.pin_workers else []
        self._tasks: list[asyncio.Task[None]] = []
        self._questions = 0

    # called by the app

    async def bind(self, listen: Sequence[ListenAddress]) -> None:
        """Bind every address, once for each worker, and start the workers. Raises BindError and leaves nothing."""
        places: list[list[tuple[ListenAddress, socket.socket]]] = [[] for _ in range(self._count)]
        try:
            for address in listen:
                sockets = self._bind(address)
                self.sockets += [(address, each) for each in sockets]
                self.addresses.append(sockets[0].getsockname()[:2])
                for number, each in enumerate(sockets):
                    places[number % self._count].append((address, each))
        except BaseException:
            self._close_sockets()
            raise
        for address, each in self._inherited:
            if address not in listen:
                each.close()  # nobody is to listen there any more
        shared = () if self._table is None else (self._table.descriptor,)
        self.seats = [Seat(number, place, shared, self, self._log) for number, place in enumerate(places)]
        self._tasks = [asyncio.create_task(seat.run()) for seat in self.seats]

    def _bind(self, address: ListenAddress) -> list[socket.socket]:
        """One for each worker, or more: all that were inherited, since each has clients in its backlog."""
        known = [each for other, each in self._inherited if other == address]
        if not known:
            return bind_several(address.host, address.port, self._count)
        return [*known, *(known[number % len(known)].dup() for number in range(self._count - len(known)))]

    async def serve(self) -> None:
        """Let the workers answer clients; returns when all do. Raises SeawallError when they do not."""
        for seat in self.seats:
            seat.serve()
        try:
            async with asyncio.timeout(START_WITHIN):
                await asyncio.gather(*(seat.begun for seat in self.seats))
        except TimeoutError:
            raise SeawallError(f"workers do not serve after {START_WITHIN:g} s") from None

    def apply(self, spec: ProxySpec, settings: Mapping[str, Any]) -> None:
        """Have all workers take over changed settings; `settings` as at the start."""
        self._settings = _settings(spec, settings)
        data = messages.encode(self._settings)
        for seat in self.seats:
            seat.tell(data)

    async def drain(self, deadline: float) -> bool:
        """Close the listeners and let what is under way finish, for `deadline` seconds; whether all did."""
        self._close_sockets()
        for seat in self.seats:
            seat.wind_down(deadline)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=deadline + LAST_WORDS)
        return all(task.done() for task in self._tasks) and all(seat.is_wound_down for seat in self.seats)

    async def close(self) -> None:
        """End everything at once; what is under way is cut."""
        self._close_sockets()
        for seat in self.seats:
            seat.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_WITHIN)
        for task in self._tasks:
            task.cancel()
        for seat in self.seats:
            seat.begun.cancel()
        await asyncio.gather(*self._tasks, *(seat.begun for seat in self.seats), return_exceptions=True)
        if self._table is not None:
            self._table.close()
            self._table = None

    async def refresh(self) -> None:
        """Have every worker's figures of now in the book; those of one that does not answer are as old as they are."""
        self._questions += 1
        questions = [question for seat in self.seats if (question := seat.ask(self._questions)) is not None]
        if questions:
            await asyncio.wait(questions, timeout=ANSWER_WITHIN)

    @property
    def connections(self) -> tuple[int, int, int, int]:
        """To clients, active and idle, then to backends, active and idle; of all workers."""
        one, two, three, four = (sum(counts) for counts in zip(*self._connections(), strict=True))
        return one, two, three, four

    def _connections(self) -> list[tuple[int, int, int, int]]:
        return [(0, 0, 0, 0), *(seat.connections for seat in self.seats)]

    def _close_sockets(self) -> None:
        for _, each in (*self.sockets, *self._inherited):
            each.close()
        self.sockets.clear()

    # called by the broadcast

    def _send(self, call: Call) -> None:
        data = messages.encode(call)
        for seat in self.seats:
            seat.send(data)

    # called by seats

    def setup(self, seat: Seat, listening: Sequence[Listening]) -> Setup:
        """See SeatOwner."""
        return Setup(
            tuple(listening),
            self._settings,
            self._secret,
            self._spec.access_log,
            self._spec.access_log_sample,
            self._spec.trace_sample if self._spec.otlp_endpoint else None,
            self._cores[seat.number % len(self._cores)] if self._cores else None,
            Shared(self._table.descriptor, seat.number, self._table.rows) if self._table is not None else None,
        )

    def whole(self) -> Whole:
        """See SeatOwner."""
        return self.calls.whole()

    def on_word(self, seat: Seat, word: Word) -> None:
        """See SeatOwner."""
        match word:
            case Report():
                self._book.enter(seat.number, word.tally, time.monotonic())
            case Spans(requests, dropped):
                self._spans.dropped += dropped
                for each in requests:
                    self._spans.add(messages.read_span(each))
            case Serving():
                self._say_served()
            case Flipped(transition):
                self._fleet.on_flip(transition)
            case Suspected(key):
                self._book.suspect(seat.number, key, time.monotonic())
                self._fleet.on_suspect(key)

    def on_vacant(self, seat: Seat) -> None:
        """See SeatOwner."""
        if self._table is not None:
            self._table.clear(seat.number)
        self._book.forget(seat.number, time.monotonic())
        self._say_served()

    def _say_served(self) -> None:
        self.on_served(any(seat.is_serving for seat in self.seats))

    def __repr__(self) -> str:
        return f"<Supervisor {self.addresses} {self.seats}>"


def _ignore(_: bool) -> None:
    """Nobody listens."""


def _settings(spec: ProxySpec, clients: Mapping[str, Any]) -> Settings:
    fields = {name: value for name, value in clients.items() if name != "trusted"}
    return Settings(fields, tuple(map(str, spec.trusted_proxies)), spec.drain)
