"""The demo's backends: four small HTTP servers on free ports of 127.0.0.1, in a process of their own.

    python -m proxy.demo.backends      prints name and port of each as JSON, and serves until its stdin is closed

The flaky one goes round: well for a while, now and then with an answer of 500; then it drops every other new connection
without an answer; then it refuses connections, as a process does that is being restarted.

Law: it never drops a request on a connection that served before in the phase of dropping. A proxy may repeat a request
twice at most, so two different faults on one request would not be a demonstration of failover but of its limits.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from enum import Enum
from typing import Final

import httptools

QUICK: Final = 0.002  # seconds until the answer
SLOW: Final = 0.08
ERROR_EVERY: Final = 15  # requests of the flaky one
NAMES: Final = ("quick-1", "quick-2", "slow", "flaky")


class Phase(Enum):
    """What the flaky one is up to, and for how long in seconds."""

    WELL = ("well", 3.0)
    DROPPING = ("dropping", 2.0)
    REFUSING = ("refusing", 2.0)

    def __init__(self, label: str, seconds: float) -> None:
        self.label = label
        self.seconds = seconds


class DemoBackend:
    """Says its name to whoever asks, after `delay` seconds. Steady unless somebody changes its phase."""

    def __init__(self, name: str, delay: float) -> None:
        self.name = name
        self.delay = delay
        self.phase = Phase.WELL
        self.is_flaky = False
        self.accepted = 0
        self.answered = 0
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        # Bound and never listening: the port stays ours while the server is away.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.port: int = self._place.getsockname()[1]

    async def open(self) -> None:
        """Begin to take connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", self.port, reuse_address=True)

    def close(self) -> None:
        """Refuse connections from now on, and drop those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self.connections):
            connection.drop()

    def end(self) -> None:
        """Close for good."""
        self.close()
        self._place.close()

    async def misbehave(self) -> None:
        """Go round the phases, until cancelled."""
        self.is_flaky = True
        while True:
            for phase in Phase:
                self.phase = phase
                if phase is Phase.REFUSING:
                    self.close()
                elif self._server is None:
                    await self.open()
                await asyncio.sleep(phase.seconds)

    def answer(self, method: bytes, is_last: bool) -> bytes:
        """The next answer as bytes."""
        self.answered += 1
        fails = self.is_flaky and self.answered % ERROR_EVERY == 0
        body = json.dumps({"backend": self.name, "answer": self.answered}).encode() + b"\n"
        return b"".join(
            (
                b"HTTP/1.1 500 Internal Server Error\r\n" if fails else b"HTTP/1.1 200 OK\r\n",
                b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body),
                b"Connection: close\r\n\r\n" if is_last else b"\r\n",
                b"" if method == b"HEAD" else body,
            )
        )


class Connection(asyncio.Protocol):
    """One connection to a backend."""

    def __init__(self, backend: DemoBackend) -> None:
        self._backend = backend
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._number = 0
        self._began: Phase | None = None

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A proxy has connected."""
        assert isinstance(transport, asyncio.Transport)
        backend = self._backend
        self._transport = transport
        self._began = backend.phase
        backend.accepted += 1
        self._number = backend.accepted
        backend.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Requests, whole or in pieces."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._backend.connections.discard(self)

    # called by the parser

    def on_message_complete(self) -> None:
        """A whole request is here."""
        drops = self._began is Phase.DROPPING and self._number % 2 == 0
        asyncio.get_running_loop().call_later(self._backend.delay, self.drop if drops else self._answer)

    # called by the backend

    def drop(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _answer(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        is_last = self._backend.phase is Phase.DROPPING
        self._transport.write(self._backend.answer(self._parser.get_method(), is_last))
        if is_last:
            self._transport.close()


async def serve(announce: Callable[[dict[str, int]], None], wait_end: Callable[[], None]) -> None:
    """Run all of them until `wait_end`, called in a thread, returns."""
    backends = [DemoBackend(name, SLOW if name == "slow" else QUICK) for name in NAMES]
    for backend in backends:
        await backend.open()
    misbehaving = asyncio.create_task(backends[-1].misbehave())
    announce({backend.name: backend.port for backend in backends})
    try:
        await asyncio.to_thread(wait_end)
    finally:
        misbehaving.cancel()
        for backend in backends:
            backend.end()


def _announce(ports: dict[str, int]) -> None:
    print(json.dumps(ports), flush=True)


def _wait_end() -> None:
    sys.stdin.read()


if __name__ == "__main__":
    asyncio.run(serve(_announce, _wait_end))
