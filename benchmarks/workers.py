"""How many requests per second do one and two workers carry, beside nginx with as many, and what memory do they take?

Scaling shows only while the load generator and the backends have room. So each worker gets a share of a core, by a
cgroup quota: one worker a share of the last core, two the same share of the last and of the one before. What all cores
have left is the load's, and how busy they were in all says whether it was enough. nginx' workers get the same. Without
a quota one Seawall worker is also compared with a data plane in the supervisor's process. Rounds are interleaved.

    python -m benchmarks.workers [--rounds N] [--seconds S] [--share F] [--json FILE] [--readme] [--from FILE]
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.rig.backends import start_backends
from benchmarks.rig.cases import CASES
from benchmarks.rig.cpu import core_time, family, precise_cpu_time
from benchmarks.rig.delivery import Recorded, add_arguments, deliver
from benchmarks.rig.load import drive, write_script
from benchmarks.rig.machine import describe, raise_open_files
from benchmarks.rig.peers import Peer, choose_peers, start_peer
from benchmarks.rig.process import Running, leave_on_signal
from benchmarks.rig.quota import limited, require_quotas
from benchmarks.rig.report import aligned
from benchmarks.rig.standing import Line as Standing

COUNTS = (1, 2)
NAMES = ("seawall", "nginx")
CASE = next(case for case in CASES if case.name == "small")
MEGABYTE = 1 << 20
ROOM = 0.9  # of all cores busy: with more the load generator may have been what limits
BARS = {"worker": 45, "supervisor": 100}  # MB
IN_PROCESS = "in-process"


@dataclass(slots=True, kw_only=True)
class Line:
    """One peer with so many workers: each round's requests per second, CPU per request in µs, how busy all cores were.

    `resident` is in bytes, the supervisor's or master's first.
    """

    name: str
    count: int
    quota: float | None
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Recorded):
    """A whole run, as it is written to JSON."""

    machine: dict[str, str]
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Place:
    """A line's processes: those that serve, and the core of each."""

    running: Running
    serving: tuple[int, ...]
    cores: tuple[int, ...]


def main() -> int:
    """Exit code: 0, or 1 when a request failed."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)
    results = read_results(options.source) if options.source else measure(options)
    complaints = [f"{line.name}, {line.count} workers: {line.errors} errors" for line in results.lines if line.errors]
    return deliver(options, "workers", results, told(results), draw=draw, complaints=complaints)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="per peer and round")
    parser.add_argument("--share", type=float, default=0.25, help="of a core, for each worker")
    add_arguments(parser)
    return parser.parse_args()


def read_results(path: Path) -> Results:
    """What a run has written."""
    raw = json.loads(path.read_text())
    return Results(machine=raw["machine"], lines=[Line(**line) for line in raw["lines"]])


# measuring


def measure(options: argparse.Namespace) -> Results:
    """Interleaved rounds of everybody."""
    peers = choose_peers(NAMES, tools=("nginx", "wrk", "taskset"))
    require_quotas()
    raise_open_files()
    machine = describe()
    lines: list[Line] = []
    with started(peers) as (script, places):
        for name, count in places:
            if name != IN_PROCESS:
                lines.append(Line(name=name, count=count, quota=options.share))
            if count == 1 and name != "nginx":
                lines.append(Line(name=name, count=count, quota=None))
        for _ in range(options.rounds):
            for line in lines:
                sample(line, places[line.name, line.count], script, options.seconds)
    return Results(machine=machine, lines=lines)


@contextmanager
def started(peers: Sequence[Peer]) -> Iterator[tuple[Path, dict[tuple[str, int], Place]]]:
    """Every peer with every count of workers, and Seawall without any; all of them idle."""
    cores = tuple(sorted(os.sched_getaffinity(0), reverse=True))
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        backends, ports = start_backends(CASE, folder / "backends", cores)
        stack.callback(backends.stop)
        places = {}
        wanted = [(peer.name, count, with_workers(peer, count)) for count in COUNTS for peer in peers]
        seawall = next(peer for peer in peers if peer.name == "seawall")
        for name, count, peer in [*wanted, (IN_PROCESS, 1, in_process(seawall))]:
            running = start_peer(peer, folder / peer.name, ports, cores)
            stack.callback(running.stop)
            running.wait_answer(CASE.path)
            serving = tuple(family(running.pid)[1:] or [running.pid])
            places[name, count] = Place(running, serving, cores[:count])
            pin(places[name, count])
        yield write_script(CASE, folder), places


def with_workers(peer: Peer, count: int) -> Peer:
    """The same peer with so many."""
    name = f"{peer.name}-{count}"
    if peer.name == "seawall":
        return replace(peer, name=name, command=(*peer.command, "--workers", str(count)))
    return replace(peer, name=name, values={**peer.values, "WORKERS": str(count)})


def in_process(peer: Peer) -> Peer:
    """Seawall whose data plane is in the process of the supervisor."""
    command = tuple("benchmarks.rig.in_process" if word == "proxy" else word for word in peer.command)
    return replace(peer, name=IN_PROCESS, command=command)


def pin(place: Place) -> None:
    """Each worker, with all its threads, to a core of its own."""
    for pid, core in zip(place.serving, place.cores, strict=True):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), (core,))


def sample(line: Line, place: Place, script: Path, seconds: int) -> None:
    """One round of one line."""
    pid, everywhere = place.running.pid, tuple(sorted(os.sched_getaffinity(0)))
    # Without a quota the load has the other cores to itself.
    free = everywhere if line.quota else tuple(core for core in everywhere if core not in place.cores) or everywhere
    quota = limited(place.serving, line.quota, f"seawall-bench-{os.getpid()}") if line.quota else nullcontext()
    with quota:
        spent, busy = precise_cpu_time(pid), core_time(everywhere)
        load = drive(CASE, script, port=place.running.port, seconds=seconds, cores=free)
        line.busy.append(core_time(everywhere).share_since(busy))
        line.costs.append((precise_cpu_time(pid) - spent) * 1e6 / max(load.requests, 1))
    line.rates.append(load.requests / load.seconds)
    line.errors += sum(load.errors.values())
    line.resident = [memory_of(member) for member in dict.fromkeys((pid, *place.serving))]


def memory_of(pid: int) -> int:
    """Resident bytes of one process without its children."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# telling


def told(results: Results) -> str:
    """The table, and what follows from it."""
    cells: list[tuple[str, ...]] = [
        (
            "proxy",
            "workers",
            "share of a core each",
            "requests/s",
            "CPU µs per request",
            "all cores busy",
            "MB a process",
        )
    ]
    cells += [_cells(line) for line in results.lines]
    facts = [f"- {key}: {value}" for key, value in results.machine.items()]
    return "\n".join([*facts, "", *aligned(cells), "", *conclusions(results.lines)]) + "\n"


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.name,
        str(line.count),
        f"{line.quota:.0%}" if line.quota else "100%",
        f"{statistics.median(line.rates):,.0f} ({min(line.rates):,.0f}-{max(line.rates):,.0f})",
        f"{statistics.median(line.costs):.1f}",
        f"{statistics.median(line.busy):.0%}",
        ", ".join(f"{size / MEGABYTE:.0f}" for size in line.resident),
    )


def conclusions(lines: Sequence[Line]) -> list[str]:
    """One sentence for each question. Empty for what was not measured."""
    found = {(line.name, line.count, line.quota is not None): line for line in lines}
    told = []
    for name in NAMES:
        one, two = found[name, 1, True], found[name, 2, True]
        text = f"- {name}: two workers carry {scaling(one, two):.2f} times what one does"
        told.append(text + (", but the load had no room" if statistics.median(two.busy) > ROOM else ""))
    alone, within = found["seawall", 1, False], found[IN_PROCESS, 1, False]
    told.append(f"- one worker carries {scaling(within, alone):.2f} times what the same does within one process")
    supervisor, *workers = found["seawall", 2, True].resident
    sizes = {"supervisor": supervisor / MEGABYTE, "worker": max(workers) / MEGABYTE}
    told += [
        f"- {who}: {size:.0f} MB, {'within' if size <= BARS[who] else '**above**'} the bar of {BARS[who]}"
        for who, size in sizes.items()
    ]
    return told


def standing(results: Results) -> list[Standing]:
    """For the summary: requests per second with the same share of a core for each worker."""
    limited_ones = [line for line in results.lines if line.quota]
    return [
        Standing(
            question=f"{count} worker{'s' if count > 1 else ''} with {limited_ones[0].quota:.0%} of a core each",
            unit="requests/s",
            figures={line.name: statistics.median(line.rates) for line in limited_ones if line.count == count},
        )
        for count in sorted({line.count for line in limited_ones})
    ]


def scaling(one: Line, other: Line) -> float:
    """The median of the second's rate as a multiple of the first's, round by round."""
    return statistics.median(many / few for few, many in zip(one.rates, other.rates, strict=True))


def draw(results: Results) -> str:
    """Requests per second by the number of workers."""
    from benchmarks.rig.drawing import draw_bars

    limited_ones = [line for line in results.lines if line.quota]
    bars = {name: [statistics.median(line.rates) for line in limited_ones if line.name == name] for name in NAMES}
    groups = [f"{count} worker{'s' if count > 1 else ''}" for count in COUNTS]
    draw_bars("workers", title="Workers with a share of a core each", y="requests/s", groups=groups, bars=bars)
    return "![requests per second by workers](plots/workers.svg)\n\n"


if __name__ == "__main__":
    sys.exit(main())
