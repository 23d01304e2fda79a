"""How many requests per second do one and two workers carry, beside nginx with as many, and what memory do they take?

Workers have as many cores as there are workers, the first half of the machine; wrk and the backends have the others.
Where there are too few cores for that, all share all, and the rates say little: what scales then is how busy the cores
are, and that a request costs the same CPU whoever serves it. So both are shown: a rate is the proxy's own only while
`load busy` is well below 1. Rounds are interleaved.

    python -m benchmarks.workers [--rounds N] [--seconds S] [--json FILE] [--readme] [--from FILE]
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from benchmarks.rig.backends import start_backends
from benchmarks.rig.cases import CASES, Case
from benchmarks.rig.cpu import core_time, cpu_time, family
from benchmarks.rig.load import drive, write_script
from benchmarks.rig.machine import describe, raise_open_files
from benchmarks.rig.peers import Peer, choose_peers, start_peer
from benchmarks.rig.process import Running, leave_on_signal
from benchmarks.rig.report import README, aligned, replace_section
from benchmarks.rig.standing import Line as Standing

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Medians of one peer with so many workers, and the resident MB of every process, its first one first."""

    peer: str
    workers: int
    rate: float
    cpu_us: float
    load_busy: float
    megabytes: list[float]
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A whole run, as it is written to JSON."""

    machine: dict[str, str]
    rows: list[Row]

    def to_json(self) -> str:
        """Text that `read_results` takes back."""
        return json.dumps(asdict(self), indent=1) + "\n"


def main() -> int:
    """Exit code: 0, or 1 when a request failed."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)
    results = read_results(options.source) if options.source else measure(options.rounds, options.seconds)
    print(table(results))
    if options.json:
        options.json.write_text(results.to_json())
    if options.readme:
        replace_section(README, "workers", table(results))
    return 1 if any(row.errors for row in results.rows) else 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="per peer and round")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--readme", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="measure nothing, take this JSON")
    return parser.parse_args()


def read_results(path: Path) -> Results:
    """Read what a run has written."""
    raw = json.loads(path.read_text())
    return Results(**raw | {"rows": [Row(**row) for row in raw["rows"]]})


def measure(rounds: int, seconds: int) -> Results:
    """Every peer with every count of workers."""
    peers = choose_peers(NAMES, tools=("nginx", "wrk", "taskset"))
    raise_open_files()
    machine = describe()
    with started(peers) as (script, lines):
        for number in range(1, rounds + 1):
            print(f"workers: round {number} of {rounds}", file=sys.stderr)
            for line in lines:
                sample(line, CASE, script, seconds)
        return Results(machine=machine, rows=[row_of(line) for line in lines])


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


def row_of(line: Line) -> Row:
    """Its medians."""
    return Row(
        peer=line.peer.name.rpartition("-")[0],
        workers=line.count,
        rate=statistics.median(line.rates),
        cpu_us=statistics.median(line.costs),
        load_busy=statistics.median(line.load_busy),
        megabytes=[memory_of(pid) / MEGABYTE for pid in family(line.peer.pid)],
        errors=line.errors,
    )


def table(results: Results) -> str:
    """The answer in Markdown; of the processes, the first is the supervisor or master."""
    head = ("proxy", "workers", "requests/s", "CPU µs per request", "load busy", "MB per process")
    facts = [f"- {key}: {value}" for key, value in results.machine.items()]
    return "\n".join([*facts, "", *aligned([head, *(_cells(row) for row in results.rows)])]) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    resident = ", ".join(f"{megabytes:.0f}" for megabytes in row.megabytes)
    return (row.peer, str(row.workers), f"{row.rate:,.0f}", f"{row.cpu_us:.1f}", f"{row.load_busy:.0%}", resident)


def standing(results: Results) -> list[Standing]:
    """For the summary: CPU, since rates are partly the load's where there are too few cores."""
    counts = sorted({row.workers for row in results.rows})
    return [
        Standing(
            question=f"CPU per request with {count} worker{'s' if count > 1 else ''}",
            unit="µs",
            figures={row.peer: row.cpu_us for row in results.rows if row.workers == count},
            is_less_better=True,
        )
        for count in counts
    ]


def memory_of(pid: int) -> int:
    """Resident bytes of one process without its children."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
