"""Clients: some wait, some leave early, some half-close; one request a connection, several, or several at once."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final

from tests.simulation.backends import LENGTH
from tests.simulation.journal import Answer, Journal, Request
from tests.simulation.network import End

METHODS: Final = (b"GET",) * 6 + (b"POST",) * 3 + (b"HEAD", b"PUT", b"DELETE")


class Manner(Enum):
    """How a client behaves."""

    SINGLE = "single"
    SERIES = "series"
    PIPELINED = "pipelined"
    LEAVING = "leaving"
    HALF_CLOSING = "half-closing"


_MANNERS: Final = (Manner.SINGLE,) * 4 + (Manner.SERIES,) * 3 + (Manner.PIPELINED, Manner.LEAVING, Manner.HALF_CLOSING)


class SimulatedClient(asyncio.Protocol):
    """One connection of a client. `on_over` is called when it has ended."""

    def __init__(self, journal: Journal, chance: random.Random, most_tries: int, is_plain: bool) -> None:
        self.manner = Manner.SINGLE if is_plain else chance.choice(_MANNERS)
        self._journal = journal
        self._chance = chance
        self._buffer = b""
        self._loop = asyncio.get_running_loop()
        self._timers: set[asyncio.TimerHandle] = set()
        count = chance.randrange(2, 5) if self.manner in (Manner.SERIES, Manner.PIPELINED) else 1
        methods = [b"GET" if is_plain else chance.choice(METHODS) for _ in range(count)]
        self.requests = deque(journal.open(method) for method in methods)
        for request in self.requests:
            request.most_tries = most_tries
        self._to_send = deque(self.requests)

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, End)
        self._end = transport
        self._loop.call_soon(self._begin)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._read(is_end=False)

    def eof_received(self) -> bool:
        self._read(is_end=True)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in self._timers:
            timer.cancel()
        for request in self.requests:
            if not request.has_left:
                request.is_cut = True
            self._end_request(request, "cut")

    # sending

    def _begin(self) -> None:
        if self.manner is Manner.PIPELINED:
            while self._to_send:
                self._send_next()
        else:
            self._send_next()
        if self.manner is Manner.LEAVING:
            self._after(self._chance.choice((0.0, 0.001, 0.01, 0.3, 2.0)), self._leave)

    def _send_next(self) -> None:
        if not self._to_send:
            self._end.close()
            return
        request = self._to_send.popleft()
        request.sent_at = self._loop.time()
        line = b"%b /r/%d HTTP/1.1\r\nHost: web.example\r\n" % (request.method, request.id)
        if request.method not in (b"POST", b"PUT"):
            self._end.write(line + b"\r\n")
            self._finish_request(request)
            return
        size = self._chance.choice((0, 5, 5, 300, 80_000))
        body = b"x" * size
        if self._chance.random() < 0.3:
            body = (b"%x\r\n%b\r\n" % (size, body) if size else b"") + b"0\r\n\r\n"
            head = line + b"Transfer-Encoding: chunked\r\n\r\n"
        else:
            head = line + b"Content-Length: %d\r\n\r\n" % size
        if self.manner is Manner.PIPELINED or self._chance.random() < 0.6:
            self._end.write(head + body)
            self._finish_request(request)
            return
        self._end.write(head + body[:3])
        self._after(self._chance.uniform(0.0, 1.0), self._send_rest, request, body[3:])

    def _send_rest(self, request: Request, body: bytes) -> None:
        self._end.write(body)
        request.sent_at = self._loop.time()
        self._finish_request(request)

    def _finish_request(self, request: Request) -> None:
        if self.manner is Manner.HALF_CLOSING:
            request.has_half_closed = True
            self._end.write_eof()

    def _leave(self) -> None:
        for request in self.requests:
            request.has_left = True
        self._journal.note(f"a client leaves {[request.id for request in self.requests]}")
        self._end.close()

    def _after(self, seconds: float, action: Callable[..., None], *arguments: object) -> None:
        self._timers.add(self._loop.call_later(seconds, action, *arguments))

    # reading

    def _read(self, is_end: bool) -> None:
        while self._buffer:
            if not self.requests:
                self._journal.breaks("each request ends once", f"a client got {self._buffer[:60]!r} unasked")
                return
            request = self.requests[0]
            request.answering = True
            response = whole_response(self._buffer, request.method, is_end)
            if response is None:
                return
            answer, self._buffer, stays = response
            request.answers.append(answer)
            self.requests.popleft()
            self._end_request(request, str(answer.status))
            if self.requests:
                self.requests[0].sent_at = max(self.requests[0].sent_at, self._loop.time())
            if not stays:
                self._to_send.clear()
                return
            if self.manner is not Manner.PIPELINED:
                self._after(self._chance.choice((0.0, 0.01, 0.5)), self._send_next)
            elif not self.requests:
                self._end.close()

    def _end_request(self, request: Request, how: str) -> None:
        if self._journal.lines is not None:
            self._journal.note(f"{request.method.decode()} {request.id} over: {how}")
        request.ended_at = self._loop.time()


def whole_response(data: bytes, method: bytes, is_end: bool) -> tuple[Answer, bytes, bool] | None:
    """The response at the beginning of `data`, what is behind it, and whether the connection stays; None: not whole."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    head, rest = data[:end].lower(), data[end:]
    stays = b"\r\nconnection: close\r\n" not in head
    length = LENGTH.search(head)
    if method == b"HEAD":
        content: bytes | None = b""
    elif length is not None:
        size = int(length[1])
        content, rest = (rest[:size], rest[size:]) if len(rest) >= size else (None, rest)
    elif b"\r\ntransfer-encoding: chunked\r\n" in head:
        content, rest = _dechunk(rest)
    else:
        content, rest = (rest, b"") if is_end else (None, rest)
    if content is None:
        return None
    status = int(head[9:12])
    mark = head.find(b"\r\nx-answer: ")
    if mark < 0:
        return Answer(status, None, True), rest, stays
    number, _, parts = head[mark + 12 : head.index(b"\r\n", mark + 12)].partition(b"/")
    is_sound = method == b"HEAD" or content == b"[%b]" % number * int(parts)
    return Answer(status, int(number), is_sound), rest, stays


def _dechunk(data: bytes) -> tuple[bytes | None, bytes]:
    """The content, None while it is not whole, and what is behind it."""
    content = b""
    while True:
        line, found, rest = data.partition(b"\r\n")
        if not found:
            return None, b""
        size = int(line, 16)
        if len(rest) < size + 2:
            return None, b""
        content, data = content + rest[:size], rest[size + 2 :]
        if not size:
            return content, data
