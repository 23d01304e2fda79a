"""Does every one of 2000 busy connections get its turn, or do some wait much longer than others?

Each connection asks again as soon as it has its answer; after a warm-up, every wait is noted by connection. nginx,
where it is installed, is measured the same way. The proxy has a core of its own; client and backends share the other.

    python -m benchmarks.fairness [--peers seawall,nginx] [--connections N] [--seconds S]

Exit code 1 when, with Seawall, some connection's median wait is more than 5 times the median of all, or one had
fewer than 2 answers.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Final, cast

import uvloop

from benchmarks.rig.backends import start_backends
from benchmarks.rig.cases import CASES, SMALL_BODY
from benchmarks.rig.machine import Cores, describe, raise_open_files, split_cores
from benchmarks.rig.peers import PEERS, Peer, start_peer
from benchmarks.rig.process import Running, leave_on_signal

REQUEST: Final = b"GET /small HTTP/1.1\r\nHost: app.example.com\r\nUser-Agent: benchmark\r\nAccept: */*\r\n\r\n"
BAR: Final = 5.0  # times the median of all
FEWEST: Final = 2  # answers a connection must have had
AT_ONCE: Final = 100  # connections being opened
WARM_UP_SECONDS: Final = 4.0  # a first connection to a backend may take a second or three


class Asker(asyncio.Protocol):
    """One connection. `waits` are in seconds, of requests sent from `since` on."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.since = float("inf")
        self.is_lost = False
        self._transport: asyncio.Transport | None = None
        self._answer = b""
        self._asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(SMALL_BODY):
            return
        self._answer = b""
        if self._asked >= self.since:
            self.waits.append(time.perf_counter() - self._asked)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True

    def close(self) -> None:
        """Ask no more."""
        if self._transport is not None:
            self._transport.abort()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        if self._transport is not None:
            self._transport.write(REQUEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """Waits of all connections of one peer, in seconds, by connection."""

    peer: str
    waits: tuple[tuple[float, ...], ...]
    seconds: float

    @property
    def medians(self) -> list[float]:
        """Of each connection, ascending."""
        return sorted(median(waits) for waits in self.waits if waits)

    @property
    def overall(self) -> float:
        """The median of all waits."""
        return median(wait for waits in self.waits for wait in waits)

    @property
    def unfairness(self) -> float:
        """The worst connection's median as a multiple of the median of all."""
        return self.medians[-1] / self.overall

    @property
    def starved(self) -> int:
        """Connections with too few answers to speak of a median."""
        return sum(len(waits) < FEWEST for waits in self.waits)

    def row(self) -> str:
        """Its line of the table, times in ms."""
        medians = self.medians
        worst = max(wait for waits in self.waits for wait in waits)
        figures = (self.overall, quantiles(medians, n=100)[-1], medians[-1], worst)
        cells = " | ".join(f"{figure * 1000:.1f}" for figure in figures)
        rate = sum(map(len, self.waits)) / self.seconds
        return f"| {self.peer} | {rate:,.0f} | {cells} | {self.unfairness:.2f} | {worst / self.overall:.2f} |"


def main() -> int:
    """Exit code: 0, or 1 when Seawall misses the bar."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)  # so that what was started is stopped
    raise_open_files()
    cores = split_cores()
    for key, value in describe().items():
        print(f"- {key}: {value}")
    columns = ("proxy", "requests/s", "median, ms", "p99 of medians", "worst median", "worst wait")
    print("\n| " + " | ".join((*columns, "worst median/median", "worst wait/median")) + " |")
    print("|---" * (len(columns) + 2) + "|")
    missed = []
    for peer in (peer for peer in PEERS if peer.name in options.peers and peer.is_installed):
        with started(peer, cores) as proxy:
            result = uvloop.run(measure(peer.name, proxy.port, options.connections, options.seconds))
        print(result.row(), flush=True)
        if peer.name == "seawall" and (result.starved or result.unfairness > BAR):
            missed.append(
                f"{result.starved} starved; worst median {result.unfairness:.2f} times the median, bar {BAR:g}"
            )
    for complaint in missed:
        print(complaint, file=sys.stderr)
    return 1 if missed else 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", type=lambda text: text.split(","), default=["seawall", "nginx"])
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=5.0)
    return parser.parse_args()


@contextmanager
def started(peer: Peer, cores: Cores) -> Iterator[Running]:
    """A running peer with its backends."""
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        backends, backend_ports = start_backends(CASES[0], folder / "backends", cores.load)
        stack.callback(backends.stop)
        proxy = start_peer(peer, folder / peer.name, backend_ports, (cores.proxy,))
        stack.callback(proxy.stop)
        proxy.wait_answer("/small")
        yield proxy


async def measure(name: str, port: int, connections: int, seconds: float) -> Fairness:
    """Raises ConnectionError when the proxy drops a connection."""
    askers = [Asker() for _ in range(connections)]
    loop = asyncio.get_running_loop()
    for begin in range(0, connections, AT_ONCE):
        batch = askers[begin : begin + AT_ONCE]
        await asyncio.gather(*(loop.create_connection(lambda asker=asker: asker, "127.0.0.1", port) for asker in batch))  # type: ignore[misc]
    await asyncio.sleep(WARM_UP_SECONDS)
    began = time.perf_counter()
    for asker in askers:
        asker.since = began
    await asyncio.sleep(seconds)
    spent = time.perf_counter() - began
    lost = sum(asker.is_lost for asker in askers)
    for asker in askers:
        asker.close()
    if lost:
        raise ConnectionError(f"{name} dropped {lost} of {connections} connections")
    return Fairness(peer=name, waits=tuple(tuple(asker.waits) for asker in askers), seconds=spent)


if __name__ == "__main__":
    sys.exit(main())
