"""What a comparison says of samples that are made up: with and without a difference, quiet and disturbed."""

import random
from collections import Counter
from statistics import median

import pytest

from benchmarks.rig.comparison import Comparison, Verdict, compare, fewest_rounds

ROUNDS = 20
RUNS = 200
COMPARISONS = 12


def pairs(chance: random.Random, *, factor: float, noise: float, wild: float = 0.0) -> list[tuple[float, float]]:
    """Rounds of a machine whose speed drifts; `noise` of each sample, `wild` the share that a neighbour slows down."""
    made = []
    speed = 1000.0
    for _ in range(ROUNDS):
        speed *= chance.lognormvariate(0, 0.1)
        old, new = (
            speed * chance.lognormvariate(0, noise) * (0.5 if chance.random() < wild else 1.0) for _ in range(2)
        )
        made.append((old, new * factor))
    return made


def compared(made: list[tuple[float, float]], *, is_higher_better: bool = True) -> Comparison:
    return compare(made, is_higher_better=is_higher_better, tolerance=0.01, comparisons=COMPARISONS)


def verdicts(*, factor: float, noise: float, wild: float = 0.0) -> Counter[Verdict]:
    return Counter(
        compared(pairs(random.Random(seed), factor=factor, noise=noise, wild=wild)).verdict for seed in range(RUNS)
    )


@pytest.mark.parametrize(
    ("noise", "wild"),
    [
        pytest.param(0.005, 0.0, id="a quiet machine"),
        pytest.param(0.05, 0.0, id="a noisy machine"),
        pytest.param(0.02, 0.2, id="a neighbour that takes half of every fifth sample"),
    ],
)
def test_same_program_twice_shows_no_difference(noise: float, wild: float) -> None:
    seen = verdicts(factor=1.0, noise=noise, wild=wild)

    assert seen[Verdict.NONE] >= RUNS * (1 - 2 * 0.05 / COMPARISONS) - 1


def test_interval_is_as_wide_as_the_noise_of_a_run_without_a_difference_asks_for() -> None:
    misses = 0
    for seed in range(2000):
        found = compare(
            pairs(random.Random(seed), factor=1.0, noise=0.05), is_higher_better=True, tolerance=0, comparisons=1
        )
        misses += not found.low <= 0 <= found.high

    assert 60 <= misses <= 140  # 5 % of them, 100, and 4 standard deviations


def test_planted_slowness_beyond_the_noise_is_found_also_beside_a_neighbour() -> None:
    assert verdicts(factor=0.95, noise=0.02)[Verdict.SLOWER] >= 0.95 * RUNS
    assert verdicts(factor=0.9, noise=0.02, wild=0.05)[Verdict.SLOWER] >= 0.7 * RUNS  # a neighbour costs sharpness


def test_planted_speed_is_told_as_such() -> None:
    assert verdicts(factor=1.05, noise=0.02)[Verdict.FASTER] >= 0.95 * RUNS


def test_smallest_visible_difference_is_seen_in_most_runs() -> None:
    visible = median(compared(pairs(random.Random(seed), factor=1.0, noise=0.03)).visible for seed in range(RUNS))

    assert 0.65 * RUNS <= verdicts(factor=1 - visible, noise=0.03)[Verdict.SLOWER] <= 0.97 * RUNS


def test_more_of_a_cost_is_slower_and_less_is_faster() -> None:
    made = [(10.0, 11.0 + number / 100) for number in range(ROUNDS)]

    assert compared(made, is_higher_better=False).verdict is Verdict.SLOWER
    assert compared(made, is_higher_better=True).verdict is Verdict.FASTER


def test_difference_within_the_tolerance_is_none_however_sure_it_is() -> None:
    found = compared([(1000.0, 995.0)] * ROUNDS)

    assert found.high < 0
    assert found.verdict is Verdict.NONE
    assert found.visible == 0.01


def test_fewest_rounds_are_enough_and_one_less_is_an_error() -> None:
    fewest = fewest_rounds(COMPARISONS)

    assert compared([(1.0, 2.0)] * fewest).verdict is Verdict.FASTER
    with pytest.raises(ValueError, match="too few"):
        compared([(1.0, 2.0)] * (fewest - 1))
