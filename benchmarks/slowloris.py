"""Do 1000 connections that dribble a head, 200 that dribble a body and 200 that hardly read slow the others down?

An open-loop client asks at a modest rate while the slow ones hold on to the proxy, or to a decoy beside it: so the load
core, which client, slow connections and backends share, has the same to do, and only the proxy's part differs. Rounds
are interleaved, ratios are taken within a round. The proxy has a core of its own.

    python -m benchmarks.slowloris [--rounds N] [--seconds S] [--rate R]

Exit code 1 when the 99th percentile beside them is more than twice the one without (median of the rounds), or when
any request fails.
"""

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.rig.cpu import cpu_time
from benchmarks.rig.machine import Cores, describe, raise_open_files, split_cores
from benchmarks.rig.peers import PEERS, start_peer
from benchmarks.rig.process import Running, leave_on_signal, pinned, start, take_ports
from tests.support.load import Load, Report

HEADS: Final = 1000
BODIES: Final = 200
READERS: Final = 200
BAR: Final = 2.0  # times the 99th percentile without them
WARM_UP_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 5.0  # at most; with the measurement less than a head may take
SETTLE_STEP: Final = 0.5
QUIET_STEPS: Final = 2  # one after the other
AT_REST: Final = 0.1  # of a core


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What the client saw in one round."""

    without: Report
    beside: Report
    cpu_without: float  # of the proxy's core, 0..1
    cpu_beside: float

    @property
    def ratio(self) -> float:
        """How many times longer the 99th percentile is beside the slow ones."""
        return self.beside.p99 / max(self.without.p99, 1e-9)

    @property
    def failed(self) -> int:
        """Requests of both halves that were not answered well."""
        return len(self.without.failed) + len(self.beside.failed)


def main() -> int:
    """Exit code: 0, or 1 when the bar is missed."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)  # so that what was started is stopped
    raise_open_files()
    cores = split_cores()
    for key, value in describe().items():
        print(f"- {key}: {value}")
    with started(cores) as (proxy, decoy):
        drive(proxy.port, options.rate, WARM_UP_SECONDS)
        rounds = [measure(proxy, decoy, cores, options.rate, options.seconds) for _ in range(options.rounds)]
    print(table(rounds))
    worst = median(each.ratio for each in rounds)
    failed = sum(each.failed for each in rounds)
    print(f"\np99 beside {HEADS + BODIES + READERS} slow connections: {worst:.2f} times the one without; bar {BAR:g}")
    if failed:
        print(f"{failed} requests failed", file=sys.stderr)
    return 1 if failed or worst > BAR else 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slowloris", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each half of a round")
    parser.add_argument("--rate", type=float, default=300.0, help="requests per second of the client that is measured")
    return parser.parse_args()


@contextmanager
def started(cores: Cores) -> Iterator[tuple[Running, Running]]:
    """A running proxy with its backends, and the decoy."""
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        ports = take_ports(4)
        backends = _start_patient(folder / "backends", ports[:3], cores)
        stack.callback(backends.stop)
        decoy = _start_patient(folder / "decoy", ports[3:], cores)
        stack.callback(decoy.stop)
        backends.wait_answer("/")
        decoy.wait_answer("/")
        (seawall,) = (peer for peer in PEERS if peer.name == "seawall")
        proxy = start_peer(seawall, folder / seawall.name, ports[:3], (cores.proxy,))
        stack.callback(proxy.stop)
        proxy.wait_answer("/")
        yield proxy, decoy


def _start_patient(folder: Path, ports: list[int], cores: Cores) -> Running:
    folder.mkdir()
    command = [sys.executable, "-m", "benchmarks.rig.patient_backend", *map(str, ports)]
    return start(folder.name, command, folder=folder, cores=cores.load, port=ports[0])


def measure(proxy: Running, decoy: Running, cores: Cores, rate: float, seconds: float) -> Round:
    """One round: the slow ones at the decoy, then at the proxy."""
    reports, shares = [], []
    for port in (decoy.port, proxy.port):
        with dribbling(port, cores):
            settle(proxy)
            cpu = cpu_time(proxy.pid)
            reports.append(drive(proxy.port, rate, seconds))
            used = cpu_time(proxy.pid).since(cpu)
            shares.append((used.user + used.system) / seconds)
    return Round(without=reports[0], beside=reports[1], cpu_without=shares[0], cpu_beside=shares[1])


@contextmanager
def dribbling(port: int, cores: Cores) -> Iterator[None]:
    """Slow connections, all under way. Raises RuntimeError when they could not be, or did not last."""
    command = [sys.executable, "-m", "benchmarks.rig.dribblers", *map(str, (port, HEADS, BODIES, READERS))]
    with subprocess.Popen(pinned(command, cores.load), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            if not process.stdout.readline():
                raise RuntimeError("the slow connections could not be opened")
            yield
            if process.poll() is not None:
                raise RuntimeError("the proxy closed slow connections within the round")
        finally:
            process.terminate()


def settle(proxy: Running) -> None:
    """Wait until the buffers on the way to the slow readers are full: then the proxy's core comes to rest."""
    deadline = time.monotonic() + SETTLE_SECONDS
    quiet = 0
    while quiet < QUIET_STEPS and time.monotonic() < deadline:
        cpu = cpu_time(proxy.pid)
        time.sleep(SETTLE_STEP)
        used = cpu_time(proxy.pid).since(cpu)
        quiet = quiet + 1 if used.user + used.system < AT_REST * SETTLE_STEP else 0


def drive(port: int, rate: float, seconds: float) -> Report:
    """What an open-loop client sees."""
    return asyncio.run(_drive(port, rate, seconds))  # uvloop's clock counts milliseconds


async def _drive(port: int, rate: float, seconds: float) -> Report:
    load = Load(f"http://127.0.0.1:{port}/", rate=rate, post_share=0.0, max_seconds=seconds)
    async with asyncio.timeout(seconds + 20), load:
        return await load.finish()


def table(rounds: list[Round]) -> str:
    """One line a round, latencies in ms."""
    columns = (
        "round",
        "p50 without",
        "p50 beside",
        "p99 without",
        "p99 beside",
        "ratio",
        "CPU % without",
        "CPU % beside",
    )
    lines = ["", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for number, each in enumerate(rounds, 1):
        figures = (each.without.percentile(50), each.beside.percentile(50), each.without.p99, each.beside.p99)
        cells = " | ".join(f"{figure * 1000:.2f}" for figure in figures)
        shares = f"{each.cpu_without * 100:.0f} | {each.cpu_beside * 100:.0f}"
        lines.append(f"| {number} | {cells} | {each.ratio:.2f} | {shares} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
