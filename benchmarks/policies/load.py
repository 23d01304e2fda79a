"""An open-loop client: requests are sent when they are due, whatever became of the others.

Law: a time counts from when the request was due, not from when it was sent. A client that is late, or has to connect
first, shows in the figures and hides nothing (coordinated omission).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

OK: Final = b"HTTP/1.1 200 "
BODY: Final = b"\r\n\r\nok"
PATIENCE: Final = 30.0  # seconds after the last request was due


@dataclass(frozen=True, slots=True)
class Answers:
    """Of one load: seconds from due to the end of the answer, in the order of being due; None for a failed one."""

    times: list[float | None]
    lateness: list[float]  # seconds from due to sent

    @property
    def failed(self) -> int:
        """How many got no answer, or another one than 200."""
        return self.times.count(None)


class OpenLoop:
    """Requests (due in seconds from the beginning, target) to one port, over as many connections as it takes."""

    def __init__(self, port: int, requests: Sequence[tuple[float, str]]) -> None:
        self._port = port
        self._requests = requests
        self._loop = asyncio.get_running_loop()
        self._begin = 0.0
        self._times: list[float | None] = [None] * len(requests)
        self._lateness = [0.0] * len(requests)
        self._idle: list[_Connection] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._left = len(requests)
        self._ended = asyncio.Event()

    async def run(self) -> Answers:
        """Send all, and wait for the answers. Nothing runs any more when this returns."""
        self._begin = self._loop.time()
        for number, (due, _) in enumerate(self._requests):
            self._loop.call_at(self._begin + due, self._send, number)
        try:
            async with asyncio.timeout_at(self._begin + self._requests[-1][0] + PATIENCE):
                await self._ended.wait()
        except TimeoutError:
            pass  # those that still have no time have failed
        for task in self._connecting:
            task.cancel()
        for connection in self._idle:
            connection.close()
        return Answers(list(self._times), self._lateness)

    # called by connections

    def on_answer(self, connection: "_Connection", number: int, answer: bytes) -> None:
        """A whole answer, or what there was of one when the connection ended."""
        if answer.startswith(OK) and answer.endswith(BODY):
            self._times[number] = self._loop.time() - self._begin - self._requests[number][0]
            self._idle.append(connection)
        else:
            connection.close()
        self._left -= 1
        if not self._left:
            self._ended.set()

    def on_idle_end(self, connection: "_Connection") -> None:
        """It was closed while nothing was asked."""
        if connection in self._idle:
            self._idle.remove(connection)

    def _send(self, number: int) -> None:
        self._lateness[number] = self._loop.time() - self._begin - self._requests[number][0]
        if self._idle:
            self._idle.pop().ask(number, self._requests[number][1])
            return
        task = self._loop.create_task(self._connect_and_send(number))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect_and_send(self, number: int) -> None:
        connection = _Connection(self)
        try:
            await self._loop.create_connection(lambda: connection, "127.0.0.1", self._port)
        except OSError:
            self.on_answer(connection, number, b"")
            return
        connection.ask(number, self._requests[number][1])


class _Connection(asyncio.Protocol):
    """Keep-alive, one request at a time."""

    def __init__(self, load: OpenLoop) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._number: int | None = None  # of the request that is under way
        self._answer = b""

    def ask(self, number: int, target: str) -> None:
        self._number = number
        self._answer = b""
        assert self._transport is not None
        self._transport.write(b"GET %s HTTP/1.1\r\nHost: policies\r\n\r\n" % target.encode())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._answer.startswith(OK) and not self._answer.endswith(BODY):
            return
        self._end_answer()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._number is None:
            self._load.on_idle_end(self)
        else:
            self._end_answer()

    def _end_answer(self) -> None:
        number, self._number = self._number, None
        if number is not None:
            self._load.on_answer(self, number, self._answer)
