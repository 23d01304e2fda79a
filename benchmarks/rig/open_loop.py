"""An open-loop client: it asks when a schedule says so, whether or not earlier answers have come.

A closed loop waits for a slow answer before it asks again, and so asks least when it is slowest (coordinated omission).
Here the times are drawn beforehand, each wait is counted from the time its request was due, and a request that finds
no idle connection waits for one with its clock running. How late the requests that found one went out is written down
too: it is this client's own fault, and part of every figure.

Run: `python -m benchmarks.rig.open_loop PORT RATE SECONDS SEED`; one line of JSON to stdout.
"""

import gc
import json
import random
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.rig.cases import SMALL_BODY
from benchmarks.rig.process import pinned

REQUEST: Final = b"GET /small HTTP/1.1\r\nHost: app.example.com\r\nAccept: */*\r\n\r\n"
ENDS: Final = (SMALL_BODY, b"\r\n0\r\n\r\n")
CONNECTIONS: Final = 256
WARM_UP_SECONDS: Final = 0.5  # asked for, and left out of the figures
PATIENCE_SECONDS: Final = 5.0  # after the last request
SHARES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "most": 1.0}
TIMER_SLACK: Final = Path("/proc/self/timerslack_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What one run saw, times in microseconds. `waits` are from due time, `lateness` of the client itself."""

    rate: float  # asked for, per second
    asked: int
    failed: int  # no whole 200, or none in time
    held: int  # had to wait for an idle connection
    waits: dict[str, float]
    lateness: dict[str, float]


def ask_at(port: int, rate: float, *, seconds: float, seed: int, cores: Sequence[int], nice: int = 0) -> Waits:
    """Run the client in a process of its own on these cores. Raises RuntimeError with its words when it fails."""
    numbers = map(str, (port, rate, seconds, seed))
    command = ["nice", "-n", str(nice), sys.executable, "-m", "benchmarks.rig.open_loop", *numbers]
    patience = seconds + PATIENCE_SECONDS + 20
    client = subprocess.run(pinned(command, cores), capture_output=True, text=True, timeout=patience, check=False)
    if client.returncode:
        raise RuntimeError(f"the open-loop client failed: {client.stderr}")
    return Waits(**json.loads(client.stdout))


# pure


def schedule(rate: float, seconds: float, chance: random.Random) -> list[float]:
    """When to ask, in seconds from the start: independent clients, so the gaps are exponential (a Poisson process)."""
    dues = []
    due = chance.expovariate(rate)
    while due < seconds:
        dues.append(due)
        due += chance.expovariate(rate)
    return dues


def quantiles_of(values: Sequence[float]) -> dict[str, float]:
    """The values that this share of all do not exceed (nearest rank), in microseconds of seconds; 0 without any."""
    ordered = sorted(values)
    if not ordered:
        return dict.fromkeys(SHARES, 0.0)
    ranks = {name: max(0, -int(-share * len(ordered) // 1) - 1) for name, share in SHARES.items()}
    return {name: round(ordered[rank] * 1e6, 1) for name, rank in ranks.items()}


# the client


class Client:
    """Connections to one port that are asked in turn."""

    def __init__(self, port: int) -> None:
        self.waits: list[float] = []
        self.lateness: list[float] = []
        self.failed = 0
        self.held = 0
        self._pieces: dict[int, bytes] = {}
        self._began = 0.0
        self._poll = select.epoll()
        self._connections = [self._connect(port) for _ in range(CONNECTIONS)]
        self._free = deque(self._connections)
        self._asked: dict[int, tuple[socket.socket, float]] = {}  # by descriptor: and when it was due

    def run(self, dues: Sequence[float], since: float) -> None:
        """Ask at all of these times (seconds from now, ascending); what is due before `since` is not written down."""
        self._began = time.perf_counter()
        deadline = dues[-1] + PATIENCE_SECONDS
        number, now, full_at = 0, 0.0, -1.0  # when a request was last seen waiting for a connection
        while (number < len(dues) or self._asked) and now < deadline:
            while number < len(dues) and dues[number] <= now and self._free:
                self._ask(dues[number], is_noted=dues[number] >= since, is_held=dues[number] <= full_at)
                number += 1
            if number < len(dues) and dues[number] <= now:
                full_at = now
            self._wait(dues[number] if number < len(dues) and self._free else deadline)
            self._read(since)
            now = time.perf_counter() - self._began
        self.failed += len(self._asked) + len(dues) - number

    def close(self) -> None:
        """Close every connection."""
        self._poll.close()
        for connection in self._connections:
            connection.close()

    def _connect(self, port: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self._poll.register(connection, select.EPOLLIN)
        return connection

    def _ask(self, due: float, *, is_noted: bool, is_held: bool) -> None:
        connection = self._free.popleft()
        self._asked[connection.fileno()] = connection, due
        connection.send(REQUEST)
        if is_held:
            self.held += 1
        elif is_noted:
            self.lateness.append(time.perf_counter() - self._began - due)

    def _wait(self, until: float) -> None:
        """Sleep until something can be read, or that time. epoll itself knows milliseconds only."""
        select.select((self._poll,), (), (), max(0.0, self._began + until - time.perf_counter()))

    def _read(self, since: float) -> None:
        for descriptor, _ in self._poll.poll(0):
            if descriptor not in self._asked:
                raise ConnectionError("the proxy has closed an idle connection")
            connection, due = self._asked[descriptor]
            received = connection.recv(4096)
            wait = time.perf_counter() - self._began - due
            if not received:
                raise ConnectionError("the proxy has closed a connection instead of answering")
            answer = self._pieces.pop(descriptor, b"") + received
            if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(ENDS):
                self._pieces[descriptor] = answer  # the rest is to come; after another status, nothing that counts
                continue
            if due >= since:
                self.waits.append(wait)
            del self._asked[descriptor]
            self._free.append(connection)


def main(port: int, rate: float, seconds: float, seed: int) -> Waits:
    """Ask, and sum up."""
    TIMER_SLACK.write_text("1")  # the kernel would let a timer be 50 µs late
    dues = schedule(rate, WARM_UP_SECONDS + seconds, random.Random(seed))
    client = Client(port)
    gc.collect()
    gc.disable()
    client.run(dues, WARM_UP_SECONDS)
    client.close()
    return Waits(
        rate=rate,
        asked=len(dues),
        failed=client.failed,
        held=client.held,
        waits=quantiles_of(client.waits),
        lateness=quantiles_of(client.lateness),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))))
