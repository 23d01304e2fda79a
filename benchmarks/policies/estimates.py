"""Mean, median and 99th percentile of a run, and how far they may be off.

Times of neighbouring requests are alike, so the figures of a run say less than its length promises. The run is cut into
batches, long enough to be nearly independent; the spread of the batches' figures gives the interval of the whole
(batch means: Law, Simulation Modeling and Analysis, 9.5.3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final

BATCHES: Final = 20
WARM_UP: Final = 0.1  # of the run, left out: it begins with empty queues
STUDENT_95: Final = 2.093  # two-sided, 19 degrees of freedom
STUDENT_999: Final = 3.883


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and half of its 95 % interval."""

    value: float
    half_width: float

    def agrees_with(self, exact: float) -> bool:
        """Whether the exact figure is within the 99.9 % interval."""
        return abs(self.value - exact) <= self.half_width * STUDENT_999 / STUDENT_95


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run."""

    mean: Estimate
    p50: Estimate
    p99: Estimate


def figures_of(times: Sequence[float]) -> Figures:
    """Of times in the order of arrival, at least 2000 of them: each batch has to have a 99th percentile."""
    settled = times[int(len(times) * WARM_UP) :]
    size = len(settled) // BATCHES
    batches = [sorted(settled[number * size : (number + 1) * size]) for number in range(BATCHES)]
    whole = sorted(settled)
    return Figures(
        mean=_estimate(fmean(whole), [fmean(batch) for batch in batches]),
        p50=_estimate(percentile(whole, 50), [percentile(batch, 50) for batch in batches]),
        p99=_estimate(percentile(whole, 99), [percentile(batch, 99) for batch in batches]),
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that `percent` of them do not exceed (nearest rank)."""
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def _estimate(value: float, of_batches: list[float]) -> Estimate:
    return Estimate(value, STUDENT_95 * stdev(of_batches) / math.sqrt(BATCHES))
