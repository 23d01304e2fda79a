"""Does a scrape of 10 000 backends make requests wait?

One Seawall, supervisor and worker, under a steady load; in turn nobody scrapes it, a scraper asks again at once, and
one asks once in a phase. On two cores a scraper also takes CPU from the load: so in another phase it scrapes a second
Seawall that serves nobody. What differs between that and scraping the first is what the link of supervisor and worker
does. The worker has a core to itself; the load has the highest priority on the other.

    python -m benchmarks.scrape_under_load [--rounds N] [--seconds S] [--rate R] [--backends N] [--json FILE] [--readme]
                                           [--from FILE]
"""

import argparse
import json
import os
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

from benchmarks.rig.backends import start_backends
from benchmarks.rig.cases import CASES
from benchmarks.rig.comparison import compare, fewest_rounds
from benchmarks.rig.cpu import family
from benchmarks.rig.delivery import Recorded, add_arguments, deliver
from benchmarks.rig.machine import Cores, describe, raise_open_files, split_cores
from benchmarks.rig.open_loop import Waits, ask_at
from benchmarks.rig.process import ROOT, Running, get, leave_on_signal, pinned, start, take_ports
from benchmarks.rig.report import aligned

PHASES: Final = {
    "quiet": "nobody scrapes",
    "own": "scraped again at once",
    "other": "another proxy scraped again at once",
    "regular": "scraped once",
}
COMPARED: Final = (("quiet", "own"), ("other", "own"), ("quiet", "regular"))
TOLERANCE: Final = 0.05  # of a p99
FOREVER: Final = 3600.0  # seconds between two scrapes of a phase that has one
SETTLE_SECONDS: Final = 5.0  # for first probes to be over
FIRST, LAST = -10, 10  # nice values


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One phase; times in µs."""

    phase: str
    round: int
    p50: float
    p99: float
    p999: float
    late_p99: float  # how late the load sent
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Recorded):
    """A whole run, as it is written to JSON."""

    machine: dict[str, str]
    samples: list[Sample]


def main() -> int:
    """Exit code: 0, or 1 when a request failed."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)  # so that what was started is stopped
    results = read_results(options.source) if options.source else measure(options)
    complaints = [
        f"{PHASES[sample.phase]}, round {sample.round}: {sample.failed} requests failed"
        for sample in results.samples
        if sample.failed
    ]
    return deliver(options, "scrape", results, told(results), draw=draw, complaints=complaints)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scrape_under_load", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each phase")
    parser.add_argument("--rate", type=float, default=800.0, help="requests per second")
    parser.add_argument("--backends", type=int, default=10_000)
    add_arguments(parser)
    options = parser.parse_args()
    if options.rounds < fewest_rounds(len(COMPARED)):
        parser.error(f"--rounds is at least {fewest_rounds(len(COMPARED))}")
    return options


def read_results(path: Path) -> Results:
    """What a run has written."""
    raw = json.loads(path.read_text())
    return Results(machine=raw["machine"], samples=[Sample(**sample) for sample in raw["samples"]])


# measuring


def measure(options: argparse.Namespace) -> Results:
    """Round after round, the phases in an order that rotates."""
    cores = split_cores()
    raise_open_files()
    machine = describe() | {
        "backends": f"{options.backends:,}",
        "load": f"{options.rate:g} requests/s, {options.rounds} rounds of phases of {options.seconds:g} s",
        "pinning": f"the worker on core {cores.proxy}, all else on {list(cores.load)}",
    }
    samples = []
    names = list(PHASES)
    with started(options.backends, cores) as (port, admins):
        ask_at(port, options.rate, seconds=options.seconds, seed=0, cores=cores.load, nice=FIRST)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            first = number % len(names)
            for phase in names[first:] + names[:first]:
                with scraping(phase, admins, cores):
                    waits = ask_at(
                        port, options.rate, seconds=options.seconds, seed=number, cores=cores.load, nice=FIRST
                    )
                samples.append(sample_of(phase, number, waits))
    return Results(machine=machine, samples=samples)


@contextmanager
def started(count: int, cores: Cores) -> Iterator[tuple[int, dict[str, int]]]:
    """The port of the proxy that is asked, and the admin ports of both."""
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        backends, ports = start_backends(CASES[0], folder / "backends", cores.load, address="0.0.0.0")
        stack.callback(backends.stop)
        configuration = folder / "seawall.toml"
        configuration.write_text(written(count, ports))
        admins = {}
        for name in ("own", "other"):
            proxy, admins[name] = start_proxy(name, configuration, folder, cores)
            stack.callback(proxy.stop)
            proxy.wait_answer("/small")
            renice(proxy.pid, LAST)
            if name == "own":
                serve_on(proxy, cores.proxy)
                port = proxy.port
        time.sleep(SETTLE_SECONDS)
        for admin in admins.values():
            get(admin, "/metrics")
        yield port, admins


def written(count: int, ports: list[int]) -> str:
    """The configuration: every backend an address of its own, all of them the same server, hardly ever probed."""
    urls = [
        f'"http://127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}:{ports[0]}",'
        for number in range(count)
    ]
    return "\n".join(["backend = [", *urls, "]", "[defaults]", 'health.interval = "1h"', ""])


def start_proxy(name: str, configuration: Path, folder: Path, cores: Cores) -> tuple[Running, int]:
    """As `seawall run` does it."""
    place = folder / name
    place.mkdir()
    port, admin = take_ports(2)
    command = [
        *(sys.executable, "-m", "proxy", "run", "--no-docker", "--workers", "1", "--config", str(configuration)),
        *("--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"),
    ]
    return start(name, command, folder=place, cores=cores.load, port=port), admin


def serve_on(proxy: Running, core: int) -> None:
    """Give the worker this core, and the usual priority."""
    (worker,) = family(proxy.pid)[1:]
    for thread in Path(f"/proc/{worker}/task").iterdir():
        os.sched_setaffinity(int(thread.name), (core,))
        os.setpriority(os.PRIO_PROCESS, int(thread.name), 0)


def renice(pid: int, value: int) -> None:
    """Every thread of a process family; those it starts later inherit it."""
    for member in family(pid):
        for thread in Path(f"/proc/{member}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), value)


@contextmanager
def scraping(phase: str, admins: dict[str, int], cores: Cores) -> Iterator[None]:
    """A scraper as the phase says."""
    if phase == "quiet":
        yield
        return
    pause = FOREVER if phase == "regular" else 0.0
    admin = admins["other" if phase == "other" else "own"]
    command = ["nice", "-n", str(LAST), sys.executable, "-m", "benchmarks.rig.scraper", str(admin), str(pause)]
    scraper = subprocess.Popen(pinned(command, cores.load), cwd=ROOT)
    try:
        yield
    finally:
        scraper.terminate()
        scraper.wait()


def sample_of(phase: str, number: int, waits: Waits) -> Sample:
    """A phase in short."""
    return Sample(
        phase=phase,
        round=number,
        p50=waits.waits["p50"],
        p99=waits.waits["p99"],
        p999=waits.waits["p999"],
        late_p99=waits.lateness["p99"],
        failed=waits.failed,
    )


# telling


def told(results: Results) -> str:
    """The tables."""
    samples = results.samples
    cells: list[tuple[str, ...]] = [("", "p50 ms", "p99 ms", "p99.9 ms", "p99 of how late the load sent, ms", "failed")]
    for phase, title in PHASES.items():
        own = [sample for sample in samples if sample.phase == phase]
        figures = ("p50", "p99", "p999", "late_p99")
        middles = [f"{median(getattr(sample, figure) for sample in own) / 1000:.2f}" for figure in figures]
        cells.append((title, *middles, str(sum(sample.failed for sample in own))))
    ratios: list[tuple[str, ...]] = [("p99", "against", "difference", "smallest visible", "")]
    for before, after in COMPARED:
        pairs = list(zip(_p99s(samples, before), _p99s(samples, after), strict=True))
        found = compare(pairs, is_higher_better=False, tolerance=TOLERANCE, comparisons=len(COMPARED))
        difference = f"{found.middle:+.1%} ({found.low:+.1%} to {found.high:+.1%})"
        ratios.append((PHASES[after], PHASES[before], difference, f"{found.visible:.1%}", found.verdict.value))
    facts = [f"- {key}: {value}" for key, value in results.machine.items()]
    return "\n".join([*facts, "", *aligned(cells), "", *aligned(ratios)]) + "\n"


def draw(results: Results) -> str:
    """p99 of every round."""
    from benchmarks.rig.drawing import draw_bars

    samples = results.samples
    rounds = [str(number + 1) for number in sorted({sample.round for sample in samples})]
    bars = {PHASES[phase]: [each / 1000 for each in _p99s(samples, phase)] for phase in PHASES}
    draw_bars("scrape", title="p99 of requests while 10 000 backends are scraped", y="ms", groups=rounds, bars=bars)
    return "![p99 by phase](plots/scrape.svg)\n\n"


def _p99s(samples: list[Sample], phase: str) -> list[float]:
    """By round."""
    return [sample.p99 for sample in sorted(samples, key=lambda each: each.round) if sample.phase == phase]


if __name__ == "__main__":
    sys.exit(main())
