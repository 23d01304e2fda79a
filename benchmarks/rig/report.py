"""From samples to answers: medians with their spread, ratios within a round, tables, JSON, the guard."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.rig.cases import CASES, Case
from benchmarks.rig.delivery import Recorded

REFERENCE = "nginx"
SATURATED = 0.90  # of the proxy's core in use: it is what limits the row
LOAD_SATURATED = 0.97  # of the load core(s): wrk and the backends limit the row, or share in doing so
DISTURBED = 0.05  # of the proxy's core used by others
BARS = (("aiohttp", 6.0), ("nginx", 0.5))  # issue 2: Seawall is at least this many times as fast
GUARDED_CASE = "small"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One peer in one round. Units are requests, or MB in bulk cases; CPU is the proxy's own; shares are 0..1."""

    peer: str
    round: int
    requests: int
    rate: float
    user_us: float
    system_us: float
    p50_us: int
    p99_us: int
    proxy_share: float
    others_share: float
    load_share: float
    errors: dict[str, int]

    @property
    def cpu_us(self) -> float:
        """User and system time per unit."""
        return self.user_us + self.system_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Recorded):
    """A whole run, as it is written to JSON."""

    machine: dict[str, str]
    versions: dict[str, str]
    seconds: int
    rounds: int
    samples: dict[str, list[Sample]]  # by case
    failures: list[str]  # cases that could not be run, with the reason


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest over the rounds."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a case says about one peer. Ratios are to the reference, above 1 is better than it; None without it."""

    peer: str
    rate: Spread
    rate_ratio: Spread | None
    capacity_ratio: Spread | None  # of units per second of the proxy's CPU: what counts when the load core is full
    user_us: float
    system_us: float
    p50_us: float
    p99_us: float
    proxy_share: float
    load_share: float
    remarks: tuple[str, ...]

    @property
    def is_load_bound(self) -> bool:
        """True when wrk and the backends had no head-room: the rate is theirs as much as the proxy's."""
        return self.load_share >= LOAD_SATURATED


def read_results(path: Path) -> Results:
    """Read what a run has written."""
    raw = json.loads(path.read_text())
    samples = {case: [Sample(**sample) for sample in samples] for case, samples in raw.pop("samples").items()}
    return Results(**raw, samples=samples)


# from samples to rows


def spread(values: Iterable[float]) -> Spread:
    """Of at least one value."""
    ordered = sorted(values)
    return Spread(median(ordered), ordered[0], ordered[-1])


def ratio(samples: list[Sample], peer: str, other: str, figure: Callable[[Sample], float]) -> Spread | None:
    """The figure of one peer over another's, round by round: what disturbs a round disturbs both."""
    ours = {sample.round: figure(sample) for sample in samples if sample.peer == peer}
    theirs = {sample.round: figure(sample) for sample in samples if sample.peer == other}
    quotients = [value / theirs[number] for number, value in ours.items() if theirs.get(number)]
    return spread(quotients) if quotients else None


def capacity(sample: Sample) -> float:
    """Units per second of the proxy's CPU."""
    return 1e6 / sample.cpu_us if sample.cpu_us else 0.0


def rows_of(samples: list[Sample]) -> list[Row]:
    """One row per peer, in the order of the run."""
    return [_row(peer, samples) for peer in dict.fromkeys(sample.peer for sample in samples)]


def _row(peer: str, samples: list[Sample]) -> Row:
    own = [sample for sample in samples if sample.peer == peer]
    return Row(
        peer=peer,
        rate=spread(sample.rate for sample in own),
        rate_ratio=ratio(samples, peer, REFERENCE, lambda sample: sample.rate),
        capacity_ratio=ratio(samples, peer, REFERENCE, capacity),
        user_us=median(sample.user_us for sample in own),
        system_us=median(sample.system_us for sample in own),
        p50_us=median(sample.p50_us for sample in own),
        p99_us=median(sample.p99_us for sample in own),
        proxy_share=median(sample.proxy_share for sample in own),
        load_share=median(sample.load_share for sample in own),
        remarks=tuple(_remarks(own)),
    )


def _remarks(own: list[Sample]) -> Iterable[str]:
    if median(sample.load_share for sample in own) >= LOAD_SATURATED:
        yield "load core full: compare CPU"
    elif median(sample.proxy_share + sample.others_share for sample in own) < SATURATED:
        yield "neither core full"
    others = max(sample.others_share for sample in own)
    if others > DISTURBED:
        yield f"disturbed, up to {others:.0%} of its core"
    errors = {kind: count for sample in own for kind, count in sample.errors.items()}
    if errors:
        yield "ERRORS " + ", ".join(f"{kind} {count}" for kind, count in errors.items())


# from rows to text


def tables(results: Results) -> str:
    """The whole answer in Markdown: the machine, then a table per case."""
    lines = [f"- {key}: {value}" for key, value in results.machine.items()]
    lines.append("- peers: " + ", ".join(f"{peer} {version}" for peer, version in results.versions.items()))
    lines.append(f"- {results.rounds} interleaved rounds of {results.seconds} s each; median (least to greatest)")
    for case in CASES:
        if case.name in results.samples:
            lines += ["", f"### {case.title}", "", *case_table(case, rows_of(results.samples[case.name]))]
    return "\n".join(lines) + "\n"


def case_table(case: Case, rows: list[Row]) -> list[str]:
    """One case as Markdown lines."""
    unit = "MB" if case.is_bulk else "request"
    head = (
        *("proxy", f"{unit}s/s", f"vs {REFERENCE}", f"user µs/{unit}", f"system µs/{unit}"),
        *(f"{unit}s per CPU-second vs {REFERENCE}", "p50 ms", "p99 ms", "its core", "load core", ""),
    )
    return aligned([head, *(_cells(row) for row in rows)])


def aligned(cells: list[tuple[str, ...]]) -> list[str]:
    """A Markdown table, the first line its head, columns aligned for a terminal."""
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _cells(row: Row) -> tuple[str, ...]:
    rate = f"{row.rate.middle:,.0f} ({row.rate.low:,.0f}-{row.rate.high:,.0f})"
    cpu = (f"{row.user_us:.1f}", f"{row.system_us:.1f}")
    latency = (f"{row.p50_us / 1000:.2f}", f"{row.p99_us / 1000:.2f}")
    shares = (f"{row.proxy_share:.0%}", f"{row.load_share:.0%}")
    ratios = (_ratio_text(row.rate_ratio), _ratio_text(row.capacity_ratio))
    return (row.peer, rate, ratios[0], *cpu, ratios[1], *latency, *shares, "; ".join(row.remarks))


def _ratio_text(value: Spread | None) -> str:
    return "" if value is None else f"{value.middle:.2f} ({value.low:.2f}-{value.high:.2f})"


# what a caller may demand


def errors_in(results: Results) -> list[str]:
    """One line per case that could not be run, and per sample that saw an error."""
    return results.failures + [
        f"{case}, {sample.peer}, round {sample.round}: {sample.errors}"
        for case, samples in results.samples.items()
        for sample in samples
        if sample.errors
    ]


def missed_bars(samples: list[Sample]) -> list[str]:
    """The bars of issue 2 that Seawall misses, and what could not be compared.

    Requests per second decide; where the load core limits one of the two, requests per second of the proxy's CPU do.
    """
    rows = {row.peer: row for row in rows_of(samples)}
    missed = []
    for other, bar in BARS:
        if "seawall" not in rows or other not in rows:
            missed.append(f"seawall and {other} are not both in the run")
            continue
        is_load_bound = rows["seawall"].is_load_bound or rows[other].is_load_bound
        measured = ratio(samples, "seawall", other, capacity if is_load_bound else lambda sample: sample.rate)
        if measured is None or measured.middle < bar:
            figure = "requests per CPU-second" if is_load_bound else "requests/s"
            missed.append(f"seawall is {_ratio_text(measured)} times {other} in {figure}, the bar is {bar:g}")
    return missed
