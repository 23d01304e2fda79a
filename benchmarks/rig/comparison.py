"""Does a figure differ between two programs that ran in turn? Decided by pairs, not by eye.

Each round gives one pair, and what disturbs a round disturbs both of it. The logarithms of the ratios are estimated by
Hodges and Lehmann (1963), the median of the means of all pairs of them, with the interval that belongs to Wilcoxon's
signed-rank test (1945): exact for any number of rounds, and a few wild rounds do not move it. It takes for granted that
without a difference a ratio is as likely x as 1/x, which swapping the order every round sees to.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist, median
from typing import Final

FALSE_ALARMS: Final = 0.05  # of all runs without any difference that say there is one, over all their comparisons
POWER: Final = 0.8  # of runs with the smallest visible difference that see it


class Verdict(Enum):
    """What a comparison says; the value is how it says it."""

    SLOWER = "slower"
    FASTER = "faster"
    NONE = "no difference seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The new one as a multiple of the old, as differences: 0.03 is 3 % more.

    `visible` is the least difference that a run as noisy as this one sees in 4 cases of 5.
    """

    middle: float
    low: float
    high: float
    visible: float
    verdict: Verdict


def compare(
    pairs: Sequence[tuple[float, float]], *, is_higher_better: bool, tolerance: float, comparisons: int
) -> Comparison:
    """`pairs` are (old, new), all above zero, one a round; `comparisons` as many as the run makes in all.

    A difference is told when it is beyond the noise and above `tolerance`. Raises ValueError for too few rounds.
    """
    logarithms = [math.log(new / old) for old, new in pairs]
    doubt = FALSE_ALARMS / comparisons
    walsh = sorted((one + other) / 2 for number, one in enumerate(logarithms) for other in logarithms[: number + 1])
    left_out = _left_out(len(pairs), doubt)
    low, middle, high = walsh[left_out - 1], median(walsh), walsh[-left_out]
    quantile = NormalDist().inv_cdf(1 - doubt / 2)
    noise = (high - low) / 2 * (quantile + NormalDist().inv_cdf(POWER)) / quantile
    return Comparison(
        middle=math.expm1(middle),
        low=math.expm1(low),
        high=math.expm1(high),
        visible=max(math.expm1(noise), tolerance),
        verdict=_verdict(low, middle, high, is_higher_better, math.log1p(tolerance)),
    )


def fewest_rounds(comparisons: int) -> int:
    """With fewer no outcome at all is unlikely enough to be called a difference."""
    return math.ceil(math.log2(2 * comparisons / FALSE_ALARMS))


def _verdict(low: float, middle: float, high: float, is_higher_better: bool, tolerance: float) -> Verdict:
    if low <= 0 <= high or abs(middle) <= tolerance:
        return Verdict.NONE
    return Verdict.FASTER if (middle > 0) is is_higher_better else Verdict.SLOWER


def _left_out(rounds: int, doubt: float) -> int:
    """How many of the ordered means at either end the interval begins at: the greatest that leaves it wide enough."""
    chances = _rank_sums(rounds)
    below = 0.0
    for rank_sum, chance in enumerate(chances):
        below += chance
        if below > doubt / 2:
            if rank_sum == 0:
                raise ValueError(f"{rounds} rounds are too few to tell anything")
            return rank_sum
    raise AssertionError("chances add up to 1")


def _rank_sums(rounds: int) -> list[float]:
    """The chance of each sum of positive ranks, from 0 on, when each sign is as likely as the other."""
    chances = [1.0] + [0.0] * (rounds * (rounds + 1) // 2)
    for rank in range(1, rounds + 1):
        for rank_sum in range(len(chances) - 1, -1, -1):
            chances[rank_sum] = (chances[rank_sum] + (chances[rank_sum - rank] if rank_sum >= rank else 0.0)) / 2
    return chances
