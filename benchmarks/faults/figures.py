"""From what clients saw and what backends logged to the figures of a cell, and where a peer does better. Pure.

Times of requests are in seconds of one clock, whichever; latencies count from when a request was due.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.rig.delivery import Recorded
from tests.support.load import Record, Report

OURS: Final = "seawall"
TUNED: Final = "-tuned"
SLOW_SECONDS: Final = 1.0
# A count is behind when it is so many times another: where everything fails, one more is no difference.
COUNT_RATIO: Final = 1.05
# A p99 is behind when it is both: one machine's mood is not a difference.
P99_RATIO: Final = 1.25
P99_MS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A request that reached a backend's code."""

    backend: str
    method: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What of a run counts: requests due from `begin` on. The fault lasts from `fault` to `end`, if it ends at all."""

    begin: float
    fault: float
    end: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One proxy in one fault. Seconds count from the fault's beginning, `back_s` from its end."""

    peer: str
    fault: str
    requests: int
    failed: Mapping[str, int]  # by method and kind: `GET 502`
    slow: int  # that took more than a second, failed or not
    complaints: int  # that failed, or took more than a second, or both
    p50_ms: float
    p99_ms: float
    worst_ms: float
    twice_get: int  # that reached backends more than once
    twice_post: int  # the same; wrong, for nobody knows what it did the first time
    reached: int  # requests that reached the bad one between the fault and its end
    reached_s: float | None  # the last request that was due then reached the bad one; None: none did
    harm_s: float | None  # the last request that was due then failed, or took more than a second; None: none did
    back_s: (
        float | None
    )  # the first request that was due then was answered by the one that is well again; None: none was
    lasted_s: float  # from the fault to the last request

    @property
    def failures(self) -> int:
        return sum(self.failed.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Recorded):
    """A whole run, as it is written to JSON."""

    machine: dict[str, str]
    versions: dict[str, str]
    rate: float
    seconds: float
    patience: float
    side_by_side: int
    cells: list[Cell]
    failures: list[str]  # cells that could not be run, with the reason
    absent: list[str]  # proxies that are not installed

    @property
    def peers(self) -> list[str]:
        return list(dict.fromkeys(cell.peer for cell in self.cells))

    @property
    def faults(self) -> list[str]:
        return list(dict.fromkeys(cell.fault for cell in self.cells))

    def cell(self, peer: str, fault: str) -> Cell | None:
        """None when it was not run."""
        return next((cell for cell in self.cells if (cell.peer, cell.fault) == (peer, fault)), None)


def read_results(path: Path) -> Results:
    """Read what a run has written."""
    raw = json.loads(path.read_text())
    return Results(**{**raw, "cells": [Cell(**cell) for cell in raw["cells"]]})


# from records to a cell


def cell_of(
    peer: str,
    fault: str,
    records: Iterable[Record],
    sightings: Sequence[Sighting],
    window: Window,
    *,
    bad: str | None,
) -> Cell:
    """The figures of a run. `bad`: the backend that is ill; None when there is no such one."""
    counted = [record for record in records if record.due >= window.begin]
    report = Report(tuple(counted))
    twice = seen_twice(sightings, {record.id for record in counted})
    harmed = [record for record in counted if record.has_failed or record.latency > SLOW_SECONDS]
    until = window.end if window.end is not None else float("inf")
    seen_by_bad = {sighting.id for sighting in sightings if sighting.backend == bad}
    sent = [record for record in counted if record.due < until and record.id in seen_by_bad]
    reached = sum(record.due >= window.fault for record in sent)
    back = [record for record in counted if record.backend == bad and record.due >= until]
    return Cell(
        peer=peer,
        fault=fault,
        requests=len(counted),
        failed=dict(sorted(report.errors.items())),
        slow=len(report.slower_than(SLOW_SECONDS)),
        complaints=len(harmed),
        p50_ms=round(report.percentile(50) * 1000, 1),
        p99_ms=round(report.p99 * 1000, 1),
        worst_ms=round(report.percentile(100) * 1000, 1),
        twice_get=twice["GET"],
        twice_post=twice["POST"],
        reached=reached,
        reached_s=_last_due(sent, window.fault),
        harm_s=_last_due(harmed, window.fault),
        back_s=round(min(record.due for record in back) - until, 2) if back else None,
        lasted_s=round(max((record.due for record in counted), default=window.fault) - window.fault, 2),
    )


def seen_twice(sightings: Iterable[Sighting], ids: set[str]) -> Counter[str]:
    """How many of these requests were seen more than once, by method."""
    seen = Counter((sighting.method, sighting.id) for sighting in sightings if sighting.id in ids)
    return Counter(method for (method, _), times in seen.items() if times > 1)


def sightings_of(logs: Mapping[str, Iterable[Mapping[str, object]]]) -> list[Sighting]:
    """What the backends' logs tell, by container; requests without an id, which are probes, are left out."""
    return [
        Sighting(backend=name, method=str(entry["method"]), id=str(entry["id"]))
        for name, entries in logs.items()
        for entry in entries
        if entry["event"] == "request" and entry["id"]
    ]


def _last_due(records: Sequence[Record], fault: float) -> float | None:
    """Never below 0: what was in flight when the fault began is its doing."""
    return max(0.0, round(max(record.due for record in records) - fault, 2)) if records else None


# from cells to comparisons


def behind(results: Results) -> list[str]:
    """One line per fault and peer that does better than Seawall in a figure: defaults by defaults, tuned by tuned."""
    lines = []
    for fault in results.faults:
        for peer in results.peers:
            ours = results.cell(OURS + TUNED if peer.endswith(TUNED) else OURS, fault)
            theirs = results.cell(peer, fault)
            if ours is None or theirs is None or peer == ours.peer:
                continue
            better = list(_better(ours, theirs))
            if better:
                lines.append(f"{fault}: {ours.peer} is behind {peer}: {'; '.join(better)}")
    return lines


def _better(ours: Cell, theirs: Cell) -> Iterator[str]:
    """In what they do better."""
    for what, mine, other in (
        ("failed", ours.failures, theirs.failures),
        ("over 1 s", ours.slow, theirs.slow),
        ("POSTs twice", ours.twice_post, theirs.twice_post),
    ):
        if mine > other * COUNT_RATIO:
            yield f"{what} {mine}, {other} there"
    if ours.p99_ms > theirs.p99_ms * P99_RATIO and ours.p99_ms > theirs.p99_ms + P99_MS:
        yield f"p99 {ours.p99_ms:.0f} ms, {theirs.p99_ms:.0f} ms there"
