"""Random: exact shares, whatever is excluded."""

import random
from collections import Counter

import pytest

from proxy.balancing.random_choice import RandomChoice
from tests.balancing.candidates import chi_square, chi_square_bound, picked, random_weights, workers

WEIGHTS = {
    "one": [7],
    "equal": [3] * 50,
    "small": [1, 2, 3, 4],
    "extremes": [1, 256, 1, 256, 128],
    "many": random_weights(200, seed=5),
}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
def test_shares_follow_the_weights(weights: list[int]) -> None:
    policy = RandomChoice(workers(*weights), random.Random(11))
    counts = Counter(picked(policy, 400 * len(weights)))
    assert chi_square(counts, weights) <= chi_square_bound(len(weights) - 1)


@pytest.mark.parametrize("tried", [1, 2, 20, 48], ids=lambda tried: f"{tried} of 50 tried")
@pytest.mark.parametrize("weights", [[3] * 50, random_weights(50, seed=6)], ids=["equal", "mixed"])
def test_excluding_the_tried_keeps_the_shares_of_the_others(weights: list[int], tried: int) -> None:
    candidates = workers(*weights)
    policy = RandomChoice(candidates, random.Random(12))
    counts: Counter[int] = Counter()
    for _ in range(20_000):
        worker = policy.pick(candidates[:tried])
        assert worker is not None
        counts[worker.name - tried] += 1
    assert chi_square(counts, weights[tried:]) <= chi_square_bound(49 - tried)


class _CountingRandom(random.Random):
    draws = 0

    def random(self) -> float:
        self.draws += 1
        return super().random()


def test_draws_are_bounded_when_nearly_all_the_weight_is_tried() -> None:
    candidates = workers(*[256] * 1000, 1)
    chance = _CountingRandom(13)
    policy = RandomChoice(candidates, chance)
    assert policy.pick(candidates[:-1]) is candidates[-1]
    assert chance.draws <= 5


def test_the_highest_and_lowest_draw_are_in_range() -> None:
    for draw in (0.0, 1.0 - 2.0**-53):
        chance = random.Random(1)
        chance.random = lambda draw=draw: draw  # type: ignore[method-assign,misc]
        for weights in ([1] * 3, [1, 2, 256], random_weights(1000, seed=7)):
            expected = 0 if draw == 0.0 else len(weights) - 1
            assert picked(RandomChoice(workers(*weights), chance), 1) == [expected]
