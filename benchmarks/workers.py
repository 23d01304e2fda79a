"""How many requests per second do one and two workers carry, beside nginx with as many, and what memory do they take?

Workers have as many cores as there are workers, the first half of the machine; wrk and the backends have the others.
Where there are too few cores for that, all share all, and the rates say little: what scales then is how busy the cores
are, and that a request costs the same CPU whoever serves it. So both are shown: a rate is the proxy's own only while
`load busy` is well below 1. Rounds are interleaved.

    python -m benchmarks.workers [--rounds N] [--seconds S]
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.rig.backends import start_backends
from benchmarks.rig.cases import CASES, Case
from benchmarks.rig.cpu import core_time, cpu_time, family
from benchmarks.rig.load import drive, write_script
from benchmarks.rig.machine import describe, raise_open_files
from benchmarks.rig.peers import Peer, choose_peers, start_peer
from benchmarks.rig.process import Running, leave_on_signal
from benchmarks.rig.report import aligned

COUNTS = (1, 2)
NAMES = ("seawall", "nginx")
CASE = next(case for case in CASES if case.name == "small")
MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the proxy has, and which all else."""

    proxy: tuple[int, ...]
    load: tuple[int, ...]


@dataclass(slots=True)
class Line:
    """One peer with so many workers: each round's requests per second, CPU per request in µs, and share of busy."""

    peer: Running
    count: int
    cores: Cores
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    load_busy: list[float] = field(default_factory=list)
    errors: int = 0


def main() -> int:
    """Exit code: 0, or 1 when a request failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="per peer and round")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, leave_on_signal)
    peers = choose_peers(NAMES, tools=("nginx", "wrk", "taskset"))
    raise_open_files()
    with started(peers) as (script, lines):
        for _ in range(options.rounds):
            for line in lines:
                sample(line, CASE, script, options.seconds)
        print(describe())
        print(table(lines))
    return 1 if any(line.errors for line in lines) else 0


def share(count: int) -> Cores:
    """Cores for so many workers."""
    available = tuple(sorted(os.sched_getaffinity(0)))
    if len(available) < 2 * count:
        return Cores(available, available) if count > 1 else Cores(available[-1:], available[:-1] or available)
    return Cores(available[:count], available[count:])


@contextmanager
def started(peers: Sequence[Peer]) -> Iterator[tuple[Path, list[Line]]]:
    """Every peer with every count of workers, all of them idle."""
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        backends, ports = start_backends(CASE, folder / "backends", share(1).load)
        stack.callback(backends.stop)
        lines = []
        for count in COUNTS:
            for peer in peers:
                cores = share(count)
                name = f"{peer.name}-{count}"
                running = start_peer(with_workers(peer, name, count), folder / name, ports, cores.proxy)
                stack.callback(running.stop)
                running.wait_answer(CASE.path)
                lines.append(Line(running, count, cores))
        yield write_script(CASE, folder), lines


def with_workers(peer: Peer, name: str, count: int) -> Peer:
    """The same peer with so many."""
    if peer.name == "seawall":
        return replace(peer, name=name, command=(*peer.command, "--workers", str(count)))
    return replace(peer, name=name, values={**peer.values, "WORKERS": str(count)})


def sample(line: Line, case: Case, script: Path, seconds: int) -> None:
    """One round of one peer."""
    cpu, busy = cpu_time(line.peer.pid), core_time(line.cores.load)
    load = drive(case, script, port=line.peer.port, seconds=seconds, cores=line.cores.load)
    used = cpu_time(line.peer.pid).since(cpu)
    line.rates.append(load.requests / load.seconds)
    line.costs.append((used.user + used.system) * 1e6 / max(load.requests, 1))
    line.load_busy.append(core_time(line.cores.load).share_since(busy))
    line.errors += sum(load.errors.values())


def table(lines: Sequence[Line]) -> str:
    """Medians, and resident memory of every process, the first of them the supervisor or master."""
    rows: list[tuple[str, ...]] = [("peer", "requests/s", "CPU µs per request", "load busy", "MB per process")]
    for line in lines:
        resident = ", ".join(f"{memory_of(pid) / MEGABYTE:.0f}" for pid in family(line.peer.pid))
        rows.append(
            (
                line.peer.name,
                f"{statistics.median(line.rates):.0f}",
                f"{statistics.median(line.costs):.1f}",
                f"{statistics.median(line.load_busy):.2f}",
                resident,
            )
        )
    return "\n".join(aligned(rows))


def memory_of(pid: int) -> int:
    """Resident bytes of one process without its children."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
