"""How long does a request wait at half load: at half of what nginx carries, and at half of what the proxy itself does?

First a closed loop finds how many requests per second each proxy carries. Then an open loop (`rig/open_loop.py`) asks
at times drawn beforehand, and each wait is counted from the time its request was due: a slow answer does not keep
later requests from being asked, and so from being counted. Rounds are interleaved.

    python -m benchmarks.latency [--peers a,b] [--rounds N] [--seconds S] [--most R]
                                 [--json FILE] [--readme] [--from FILE]
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.rig.cases import find_case
from benchmarks.rig.cpu import TICKS_PER_SECOND, core_time, cpu_time
from benchmarks.rig.delivery import Recorded, add_arguments, deliver
from benchmarks.rig.load import drive
from benchmarks.rig.machine import Cores, describe, raise_open_files, split_cores
from benchmarks.rig.open_loop import Waits, ask_at
from benchmarks.rig.peers import PEERS, choose_peers, version_of
from benchmarks.rig.process import Running, leave_on_signal
from benchmarks.rig.report import REFERENCE, aligned
from benchmarks.rig.standing import Line
from benchmarks.throughput import started, warm_up

CASE: Final = find_case("plain-64")
SHARE: Final = 0.5
SAME, OWN = "same", "own"
LATE_US: Final = 200.0  # a client whose median request goes out later than this measures itself
MOST_LOAD: Final = 0.95  # of the load core in use: the waits are its own, too
QUANTILES: Final = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One peer at one rate in one round."""

    peer: str
    round: int
    load: str  # SAME for all, or OWN
    waits: Waits
    proxy_share: float
    load_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Recorded):
    """A whole run, as it is written to JSON."""

    machine: dict[str, str]
    versions: dict[str, str]
    seconds: float
    rounds: int
    capacity: dict[str, float]  # requests per second in a closed loop
    same_rate: float
    samples: list[Sample]
    failures: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Medians over the rounds of one peer at one load. Times in microseconds."""

    peer: str
    rate: float
    waits: dict[str, float]
    late_p50: float
    late_p99: float
    proxy_share: float
    load_share: float
    failed: int
    held: int

    @property
    def remarks(self) -> str:
        """What makes it doubtful."""
        said = [f"{self.failed} FAILED"] if self.failed else []
        if self.late_p50 > LATE_US or self.load_share > MOST_LOAD:
            said.append("client late: part of the wait is its own")
        if self.held:
            said.append(f"{self.held} found no idle connection")
        return "; ".join(said)


def main() -> int:
    """Exit code: 0, or 1 when a request failed."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)
    results = read_results(options.source) if options.source else measure(options)
    complaints = results.failures + [
        f"{sample.peer} at {sample.waits.rate:,.0f}/s: {sample.waits.failed} requests failed"
        for sample in results.samples
        if sample.waits.failed
    ]
    return deliver(options, "latency", results, tables(results), draw=draw, complaints=complaints)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", type=lambda text: text.split(","), help=",".join(peer.name for peer in PEERS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="per peer, load and round")
    parser.add_argument("--most", type=float, default=40_000.0, help="requests per second the client is asked for")
    add_arguments(parser)
    options = parser.parse_args()
    if options.peers is not None and REFERENCE not in options.peers:
        parser.error(f"{REFERENCE} sets the rate: it has to be one of the peers")
    return options


def read_results(path: Path) -> Results:
    """Read what a run has written."""
    raw = json.loads(path.read_text())
    samples = [Sample(**{**sample, "waits": Waits(**sample["waits"])}) for sample in raw.pop("samples")]
    return Results(**raw, samples=samples)


# measuring


def measure(options: argparse.Namespace) -> Results:
    """Every peer's capacity, then its waits."""
    peers = [peer for peer in choose_peers(options.peers, tools=("nginx", "wrk")) if not peer.is_for_large_bodies]
    cores = split_cores()
    raise_open_files()
    machine = describe() | {"pinning": f"proxy on core {cores.proxy}, client and backends on {list(cores.load)}"}
    samples: list[Sample] = []
    with started(CASE, peers, cores) as (script, running):
        failures = warm_up(CASE, script, running, cores)
        capacity = {proxy.name: capacity_of(proxy, script, cores) for proxy in running}
        same = min(options.most, SHARE * capacity[REFERENCE])
        for number in range(1, options.rounds + 1):
            for proxy in running:
                for load, rate in rates_of(capacity[proxy.name], same, options.most).items():
                    print(f"latency: round {number}, {proxy.name} at {rate:,.0f}/s", file=sys.stderr)
                    try:
                        samples.append(sample(proxy, load, rate, number, options.seconds, cores))
                    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                        failures.append(f"{proxy.name} at {rate:,.0f}/s: {error}")
    return Results(
        machine=machine,
        versions={peer.name: version_of(peer) for peer in peers},
        seconds=options.seconds,
        rounds=options.rounds,
        capacity=capacity,
        same_rate=same,
        samples=samples,
        failures=failures,
    )


def capacity_of(proxy: Running, script: Path, cores: Cores) -> float:
    """Requests per second in a closed loop."""
    load = drive(CASE, script, port=proxy.port, seconds=1, cores=cores.load)
    return load.requests / load.seconds


def rates_of(capacity: float, same: float, most: float) -> dict[str, float]:
    """What a peer is asked for: the same as all where it can carry that, and half of its own capacity."""
    rates = {SAME: same} if capacity > same else {}
    return rates | {OWN: min(most, SHARE * capacity)}


def sample(proxy: Running, load: str, rate: float, number: int, seconds: float, cores: Cores) -> Sample:
    """One peer at one rate."""
    cpu, own, others = cpu_time(proxy.pid), core_time((cores.proxy,)), core_time(cores.load)
    waits = ask_at(proxy.port, rate, seconds=seconds, seed=number, cores=cores.load)
    used = cpu_time(proxy.pid).since(cpu)
    passed = (core_time((cores.proxy,)).total - own.total) / TICKS_PER_SECOND
    return Sample(
        peer=proxy.name,
        round=number,
        load=load,
        waits=waits,
        proxy_share=(used.user + used.system) / passed,
        load_share=core_time(cores.load).share_since(others),
    )


# rendering


def rows_of(samples: Iterable[Sample], load: str) -> list[Row]:
    """One row per peer that was asked at that load, in the order of the run."""
    own: dict[str, list[Sample]] = {}
    for each in samples:
        if each.load == load:
            own.setdefault(each.peer, []).append(each)
    return [_row(peer, rounds) for peer, rounds in own.items()]


def _row(peer: str, rounds: list[Sample]) -> Row:
    return Row(
        peer=peer,
        rate=rounds[0].waits.rate,
        waits={name: median(each.waits.waits[name] for each in rounds) for name in QUANTILES},
        late_p50=median(each.waits.lateness["p50"] for each in rounds),
        late_p99=median(each.waits.lateness["p99"] for each in rounds),
        proxy_share=median(each.proxy_share for each in rounds),
        load_share=median(each.load_share for each in rounds),
        failed=sum(each.waits.failed for each in rounds),
        held=sum(each.waits.held for each in rounds),
    )


def tables(results: Results) -> str:
    """The whole answer in Markdown."""
    lines = [f"- {key}: {value}" for key, value in results.machine.items()]
    lines.append("- peers: " + ", ".join(f"{peer} {version}" for peer, version in results.versions.items()))
    lines.append(f"- {results.rounds} interleaved rounds of {results.seconds:g} s; medians over the rounds, in ms")
    titles = {SAME: f"The same for all: {results.same_rate:,.0f} requests/s", OWN: "Half of each one's own capacity"}
    for load, title in titles.items():
        lines += ["", f"### {title}", "", *aligned([HEAD, *(_cells(row) for row in rows_of(results.samples, load))])]
        lines += _left_out(results) if load == SAME else []
    return "\n".join(lines) + "\n"


HEAD: Final = ("proxy", "requests/s", *QUANTILES.values(), "client late p50", "p99", "its core", "load core", "")


def _cells(row: Row) -> tuple[str, ...]:
    times = (*row.waits.values(), row.late_p50, row.late_p99)
    shares = (f"{row.proxy_share:.0%}", f"{row.load_share:.0%}")
    return (row.peer, f"{row.rate:,.0f}", *(f"{time / 1000:.2f}" for time in times), *shares, row.remarks)


def _left_out(results: Results) -> list[str]:
    slower = [f"{peer} ({rate:,.0f}/s)" for peer, rate in results.capacity.items() if rate <= results.same_rate]
    return ["", f"Cannot carry that at all: {', '.join(slower)}."] if slower else []


def draw(results: Results) -> str:
    """One plot for each load."""
    from benchmarks.rig.drawing import draw_bars

    titles = {SAME: f"Wait at {results.same_rate:,.0f} requests/s", OWN: "Wait at half of the proxy's own capacity"}
    for load, title in titles.items():
        bars = {row.peer: [wait / 1000 for wait in row.waits.values()] for row in rows_of(results.samples, load)}
        if bars:
            groups = list(QUANTILES.values())
            draw_bars(f"latency-{load}", title=title, y="ms, from due time", groups=groups, bars=bars, log_y=True)
    return "![At the same rate](plots/latency-same.svg)\n![At half of their own](plots/latency-own.svg)\n\n"


def standing(results: Results) -> list[Line]:
    """For the summary: waits at the same rate, and whose row has a remark there."""
    rows = rows_of(results.samples, SAME)
    doubtful = ", ".join(row.peer for row in rows if row.remarks)
    doubt = f" (doubtful, see its table: {doubtful})" if doubtful else ""
    return [
        Line(
            question=f"{title} at {results.same_rate:,.0f} requests/s, open loop{doubt}",
            unit="ms",
            figures={row.peer: row.waits[name] / 1000 for row in rows},
            is_less_better=True,
        )
        for name, title in QUANTILES.items()
        if name != "p90"
    ]


if __name__ == "__main__":
    sys.exit(main())
