"""A network in memory: connections with latency between the proxy and those around it.

Law: what one side writes arrives at the other in order and whole, or the connection is reset and both see that.
"""

import asyncio
import errno
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol


class Admits(Enum):
    """What a host does with somebody who connects."""

    TAKES = "takes"
    REFUSES = "refuses"
    IS_AWAY = "is away"  # no route to it
    IS_SILENT = "is silent"  # packets go nowhere


class Host(Protocol):
    """Somebody at an address."""

    @property
    def admits(self) -> Admits:
        """What becomes of who connects now."""

    def accept(self) -> asyncio.Protocol:
        """The far side of a new connection."""


class _Kind(Enum):
    DATA = 0
    END = 1
    RESET = 2


class _Socket:
    """What the proxy asks of the socket below: that closing it resets the connection."""

    def __init__(self, end: "End") -> None:
        self._end = end

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        self._end.resets_on_close = True


class End(asyncio.Transport):
    """One end of a connection. `on_write` is called with all that is written here, before it travels."""

    other: "End"

    def __init__(self, network: "Network", protocol: asyncio.Protocol, latency: float, peer: tuple[str, int]) -> None:
        self._network = network
        super().__init__({"peername": peer, "socket": _Socket(self)})
        self.protocol: Any = protocol
        self.resets_on_close = False
        self.is_closed = False
        self.on_write: Callable[[bytes], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._latency = latency
        self._under_way: deque[tuple[float, _Kind, bytes]] = deque()
        self._unread: deque[tuple[_Kind, bytes]] = deque()
        self._has_ended = False
        self._is_paused = False

    # called by the protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered."""

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.is_closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closed or self._has_ended or not data:
            return
        if self.on_write is not None:
            self.on_write(bytes(data))
        self._send(_Kind.DATA, bytes(data))

    def write_eof(self) -> None:
        if not self.is_closed and not self._has_ended:
            self._has_ended = True
            self._send(_Kind.END)

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._loop.call_soon(self._read_on)

    def close(self) -> None:
        if self.is_closed:
            return
        if self.resets_on_close or self._unread:  # as TCP does with what nobody has read
            self._send(_Kind.RESET)
        elif not self._has_ended:
            self._send(_Kind.END)
        self._lose(None)

    def abort(self) -> None:
        self.close()

    def reset(self) -> None:
        """End it as the kernel of a dead process does."""
        self.resets_on_close = True
        self.close()

    # on the way

    def _send(self, kind: _Kind, data: bytes = b"") -> None:
        self._network.moves += 1
        due = self._loop.time() + self._latency
        self._under_way.append((due, kind, data))
        if len(self._under_way) == 1:
            self._loop.call_at(due, self._deliver)

    def _deliver(self) -> None:
        """Everything due in one go: timers of the same moment have no order."""
        now = self._loop.time()
        under_way = self._under_way
        while under_way and under_way[0][0] <= now:
            _, kind, data = under_way[0]
            self.other._arrive(kind, data)
            under_way.popleft()
        if under_way:
            self._loop.call_at(under_way[0][0], self._deliver)

    def _arrive(self, kind: _Kind, data: bytes) -> None:
        if kind is _Kind.RESET:
            self._lose(ConnectionResetError(errno.ECONNRESET, "reset"))
        elif self.is_closed:
            if kind is _Kind.DATA:
                self._send(_Kind.RESET)
        elif self._is_paused or self._unread:
            self._unread.append((kind, data))
        else:
            self._read(kind, data)

    def _read_on(self) -> None:
        while self._unread and not self._is_paused and not self.is_closed:
            self._read(*self._unread.popleft())

    def _read(self, kind: _Kind, data: bytes) -> None:
        if kind is _Kind.DATA:
            self.protocol.data_received(data)
        elif not self.protocol.eof_received():
            self.close()

    def _lose(self, error: Exception | None) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._network.moves += 1
            self._loop.call_soon(self.protocol.connection_lost, error)


class Network:
    """`hosts` by address. `upstreams` are the proxy's ends of the connections it has opened.

    `connecting` counts those being opened, by address, and `moves` everything that happens. `on_write` is called with
    the address and whatever the proxy writes there.
    """

    def __init__(self, latency: Callable[[], float], on_write: Callable[[str, bytes], None]) -> None:
        self.hosts: dict[str, Host] = {}
        self.upstreams: dict[End, str] = {}
        self.moves = 0
        self.connecting: Counter[str] = Counter()
        self._latency = latency
        self._on_write = on_write

    async def connect(self, factory: Callable[[], asyncio.Protocol], address: str) -> tuple[End, asyncio.Protocol]:
        """As `create_connection`: what comes of it is what the host does."""
        latency = self._latency()
        self.connecting[address] += 1
        self.moves += 1
        try:
            await asyncio.sleep(2 * latency)
            host = self.hosts.get(address)
            admits = host.admits if host is not None else Admits.IS_AWAY
            if admits is Admits.IS_SILENT:
                await asyncio.get_running_loop().create_future()
            if admits is Admits.REFUSES:
                raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
            if host is None or admits is Admits.IS_AWAY:
                raise OSError(errno.EHOSTUNREACH, "no route to host")
        finally:
            self.connecting[address] -= 1
            self.moves += 1
        near, _ = self.join(factory(), host.accept(), latency)
        near.on_write = lambda data: self._on_write(address, data)
        self.upstreams[near] = address
        return near, near.protocol

    def in_flight(self) -> dict[str, int]:
        """What is really under way, by address: connections being opened, and those that serve somebody."""
        under_way = {address: count for address, count in self.connecting.items() if count}
        closed = []
        for end, address in self.upstreams.items():
            if end.is_closed:
                closed.append(end)
            elif end.protocol.exchange is not None:
                under_way[address] = under_way.get(address, 0) + 1
        for end in closed:
            del self.upstreams[end]
        return under_way

    def join(self, near: asyncio.Protocol, far: asyncio.Protocol, latency: float) -> tuple[End, End]:
        """A connection: both ends, both told of it."""
        ends = End(self, near, latency, ("192.0.2.1", 1)), End(self, far, latency, ("192.0.2.2", 2))
        ends[0].other, ends[1].other = ends[1], ends[0]
        far.connection_made(ends[1])
        near.connection_made(ends[0])
        return ends
