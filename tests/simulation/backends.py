"""Backends as state machines: they serve, slow down, hang, err, reset, refuse, freeze and die."""

import asyncio
import random
import re
from collections.abc import Callable
from enum import Enum
from typing import Final

from proxy.control.probes.question import Question
from proxy.health.verdict import Outcome
from tests.simulation.journal import Journal
from tests.simulation.network import Admits, End

HEAD: Final = re.compile(rb"([A-Z]+) (/\S*) HTTP/1\.1\r\n")
LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: chunked", re.IGNORECASE)
LAST_CHUNK: Final = b"0\r\n\r\n"


class Mode(Enum):
    """What a process does; the container may be paused or dead besides."""

    HEALTHY = "healthy"
    SLOW = "slow"
    HUNG = "hung"  # takes requests and answers none
    ERRING = "erring"  # with a share of 5xx
    RESETTING = "resetting"
    REFUSING = "refusing"  # nobody listens; what is open goes on
    SILENT = "silent"  # packets to it are lost on the way
    BOOTING = "booting"
    DOWN = "down"


_ADMITS: Final = {
    Mode.REFUSING: Admits.REFUSES,
    Mode.BOOTING: Admits.REFUSES,
    Mode.DOWN: Admits.IS_AWAY,
    Mode.SILENT: Admits.IS_SILENT,
}
TROUBLES: Final = (Mode.SLOW, Mode.HUNG, Mode.ERRING, Mode.RESETTING, Mode.REFUSING, Mode.SILENT)


class SimulatedBackend:
    """One container's process. `is_stopping`: it takes no new connection and ends those that are idle."""

    def __init__(self, name: str, journal: Journal, chance: random.Random) -> None:
        self.name = name
        self.mode = Mode.HEALTHY
        self.error_share = 0.7  # while it errs
        self.is_paused = False
        self.is_stopping = False
        self.chance = chance
        self.journal = journal
        self.connections: dict[BackendConnection, None] = {}  # in order, so that a seed always does the same
        self._frozen: list[Callable[[], None]] = []

    @property
    def admits(self) -> Admits:
        return Admits.REFUSES if self.is_stopping else _ADMITS.get(self.mode, Admits.TAKES)

    def accept(self) -> "BackendConnection":
        return BackendConnection(self)

    # called by the engine

    def turn(self, mode: Mode) -> None:
        """Be in this mode from now on."""
        self.journal.note(f"{self.name} is {mode.value}")
        self.mode = mode

    def pause(self) -> None:
        """Do nothing; the kernel still takes connections."""
        self.is_paused = True

    def unpause(self) -> None:
        """Go on with all that has come meanwhile."""
        self.is_paused = False
        frozen, self._frozen = self._frozen, []
        for action in frozen:
            action()

    def stop(self) -> None:
        """Begin to end: what is under way is finished."""
        self.is_stopping = True
        for connection in tuple(self.connections):
            connection.close_if_idle()

    def die(self) -> None:
        """Be gone at once, and every connection with it."""
        self.turn(Mode.DOWN)
        self.is_stopping = self.is_paused = False
        self._frozen.clear()
        for connection in tuple(self.connections):
            connection.reset()

    # called by connections

    def when_awake(self, action: Callable[[], None]) -> None:
        """Do it now, or when the container is unpaused."""
        if self.is_paused:
            self._frozen.append(action)
        else:
            action()

    def service_time(self) -> float:
        """Seconds until the next answer."""
        if self.mode is Mode.SLOW:
            return self.chance.uniform(0.5, 6.0)
        return min(self.chance.expovariate(100.0), 0.5)

    # called by the prober

    async def probe(self, question: Question, within: float) -> Outcome:
        """Connect, and ask when there is something to ask."""
        started = self.chance.uniform(0.0005, 0.003)
        await asyncio.sleep(started)
        if self.admits is Admits.REFUSES:
            return Outcome(passed=False, hard=True, error="connection refused", seconds=started)
        asks = question.request is not None
        stuck = self.is_paused or self.mode in (Mode.HUNG, Mode.SLOW)
        if self.admits is not Admits.TAKES or (asks and stuck):
            await asyncio.sleep(within - started)
            hard = self.admits is Admits.IS_AWAY
            return Outcome(passed=False, hard=hard, error=f"no answer within {within:g}s", seconds=within)
        fails = asks and self.mode in (Mode.ERRING, Mode.RESETTING) and self.chance.random() < self.error_share
        return Outcome(passed=not fails, error="status 500" if fails else "", seconds=started)


class BackendConnection(asyncio.Protocol):
    """One connection to a backend; it serves one request after the other."""

    def __init__(self, backend: SimulatedBackend) -> None:
        self._backend = backend
        self._buffer = b""
        self._request = (b"", 0)  # method and id, while it is busy
        self._is_seen = False
        self._timer: asyncio.TimerHandle | None = None  # to the answer, or to the end of being idle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, End)
        self._end = transport
        self._backend.connections[self] = None
        self._rest()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._backend.when_awake(self._read)

    def eof_received(self) -> bool:
        self._backend.when_awake(self._end.close)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        self._backend.connections.pop(self, None)

    def close_if_idle(self) -> None:
        """Nobody waits: end it."""
        if not self._request[0] and not self._buffer:
            self._end.close()

    def reset(self) -> None:
        """End it at once."""
        self._end.reset()

    def _read(self) -> None:
        if self._request[0] or self._end.is_closed:
            return
        end = self._buffer.find(b"\r\n\r\n") + 4
        head = HEAD.match(self._buffer) if end > 3 else None
        if head is None:
            return
        method, number = head[1], int(head[2].rpartition(b"/")[2])
        if not self._is_seen:
            self._is_seen = True
            self._backend.journal.requests[number].seen_by.append(self._backend.name)
        size = self._whole(self._buffer[:end], end)
        if size is None:
            return
        self._buffer = self._buffer[size:]
        self._is_seen = False
        self._request = method, number
        self._cancel()
        self._serve()

    def _whole(self, head: bytes, end: int) -> int | None:
        """Bytes of the request; None while they are not all there."""
        if CHUNKED.search(head):
            last = self._buffer.find(LAST_CHUNK, end)
            return last + len(LAST_CHUNK) if last >= 0 else None
        length = LENGTH.search(head)
        size = end + (int(length[1]) if length else 0)
        return size if len(self._buffer) >= size else None

    def _serve(self) -> None:
        backend = self._backend
        if backend.mode is Mode.HUNG:
            return
        action = self._answer
        if backend.mode is Mode.RESETTING and backend.chance.random() < 0.8:
            action = self._break_off if backend.chance.random() < 0.4 else self._end.reset
        self._after(backend.service_time(), action)

    def _answer(self) -> None:
        method, number = self._request
        chance = self._backend.chance
        erring = self._backend.mode is Mode.ERRING and chance.random() < self._backend.error_share
        status = chance.choice((500, 502, 503)) if erring else chance.choice((200, 200, 200, 404))
        parts = chance.randrange(40)
        content = b"[%d]" % number * parts
        head = b"HTTP/1.1 %d Whatever\r\nX-Answer: %d/%d\r\n" % (status, number, parts)
        if status == 503 and chance.random() < 0.3:
            head += b"Retry-After: %d\r\n" % chance.choice((0, 1, 30))
        style = chance.random()
        if method == b"HEAD":
            self._finish(head + b"Content-Length: %d\r\n\r\n" % len(content))
        elif style < 0.6:
            self._finish(head + b"Content-Length: %d\r\n\r\n" % len(content) + content)
        elif style < 0.75:
            self._end.write(head + b"Content-Length: %d\r\n\r\n" % len(content) + content[:10])
            self._after(chance.uniform(0.0, 0.3), lambda: self._finish(content[10:]))
        elif style < 0.9:
            chunk = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
            self._end.write(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
            self._after(chance.uniform(0.0, 0.3), lambda: self._finish(LAST_CHUNK))
        else:
            self._end.write(head + b"Connection: close\r\n\r\n" + content)
            self._after(chance.uniform(0.0, 0.1), self._end.close)

    def _break_off(self) -> None:
        """A reset in the middle of the answer."""
        number = self._request[1]
        self._end.write(b"HTTP/1.1 200 OK\r\nX-Answer: %d/5\r\nContent-Length: 1000\r\n\r\n[" % number)
        self._after(0.05, self._end.reset)

    def _finish(self, data: bytes) -> None:
        self._end.write(data)
        self._request = (b"", 0)
        if self._backend.is_stopping:
            self._end.close()
            return
        self._rest()
        self._read()

    def _rest(self) -> None:
        """Idle: it is closed some time, maybe just when the next request is on its way."""
        if not self._request[0]:
            self._after(self._backend.chance.uniform(0.3, 5.0), self._end.close)

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._backend.when_awake, action)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
