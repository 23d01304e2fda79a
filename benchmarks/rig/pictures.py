"""The plots of the throughput cases: one bar a proxy in groups of cases that have a unit in common."""

from collections.abc import Callable
from typing import Final

from benchmarks.rig.cases import find_case
from benchmarks.rig.drawing import draw_bars
from benchmarks.rig.report import Results, Row, rows_of

CONNECTIONS: Final = {"1": "small-1", "64": "small", "512": "small-512", "2000": "small-2000"}
PLAIN: Final = {"1": "plain-1", "64": "plain-64", "512": "plain-512", "2000": "plain-2000"}
KINDS: Final = {
    "new connection": "new",
    "1 KB down": "get-1k",
    "1 KB up": "post-1k",
    "100 KB down": "get-100k",
    "100 KB up": "put-100k",
}
BULK: Final = {"10 MB down": "get-10m", "10 MB up": "put-10m"}
PLOTS: Final = {
    "throughput-small": ("Small GET with 13 fields, by connections", CONNECTIONS),
    "throughput-plain": ("Small GET with 2 fields, by connections", PLAIN),
    "throughput-kinds": ("Other requests, 64 connections", KINDS),
    "throughput-bulk": ("Large bodies, 8 connections", BULK),
}
MARKDOWN: Final = "".join(f"![{title}](plots/{name}.svg)\n" for name, (title, _) in PLOTS.items()) + (
    "![CPU](plots/throughput-cpu.svg)\n\n"
)


def draw(results: Results) -> str:
    """Write every plot that the run has figures for, and give all in Markdown."""
    for name, (title, groups) in PLOTS.items():
        measured = {label: case for label, case in groups.items() if case in results.samples}
        if measured:
            unit = "MB/s" if find_case(next(iter(measured.values()))).is_bulk else "requests/s"
            draw_bars(name, title=title, y=unit, groups=list(measured), bars=heights(results, measured, _rate))
    measured = {label: case for label, case in CONNECTIONS.items() if case in results.samples}
    if measured:
        bars = heights(results, measured, _cost)
        title = "CPU of the proxy, small GET with 13 fields, by connections"
        draw_bars("throughput-cpu", title=title, y="user and system µs per request", groups=list(measured), bars=bars)
    return MARKDOWN


def heights(results: Results, groups: dict[str, str], figure: Callable[[Row], float]) -> dict[str, list[float]]:
    """By peer, one figure per group: nothing where it was not measured."""
    rows = {case: {row.peer: row for row in rows_of(results.samples[case])} for case in groups.values()}
    peers = dict.fromkeys(peer for found in rows.values() for peer in found)
    return {
        peer: [figure(rows[case][peer]) if peer in rows[case] else 0.0 for case in groups.values()] for peer in peers
    }


def _rate(row: Row) -> float:
    return row.rate.middle


def _cost(row: Row) -> float:
    return row.user_us + row.system_us
