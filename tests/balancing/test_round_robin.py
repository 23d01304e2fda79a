"""Round-robin: exact counts in every period, spread smoothly."""

import random
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proxy.balancing.round_robin import RoundRobin
from tests.balancing.candidates import picked, random_weights, workers

SOME_WEIGHTS = st.lists(st.integers(1, 12) | st.integers(1, 256), min_size=1, max_size=8)


@given(weights=SOME_WEIGHTS, seed=st.integers(0, 999), skipped=st.integers(0, 500))
def test_any_period_gives_each_exactly_its_weight(weights: list[int], seed: int, skipped: int) -> None:
    policy = RoundRobin(workers(*weights), random.Random(seed))
    picked(policy, skipped)
    counts = Counter(picked(policy, sum(weights)))
    assert counts == dict(enumerate(weights))


@given(weights=SOME_WEIGHTS, seed=st.integers(0, 999))
def test_picks_never_stray_far_from_the_ideal(weights: list[int], seed: int) -> None:
    policy = RoundRobin(workers(*weights), random.Random(seed))
    total = sum(weights)
    # A lane is at most one pick off its due, and so is every other: what was done is off by one pick a lane.
    bounds = [2 + len(set(weights)) * weight / total for weight in weights]
    counts = [0] * len(weights)
    for done, name in enumerate(picked(policy, total), start=1):
        counts[name] += 1
        strays = [abs(count - done * weight / total) for count, weight in zip(counts, weights, strict=True)]
        assert all(stray <= bound for stray, bound in zip(strays, bounds, strict=True))


def test_equal_weights_are_a_plain_rotation() -> None:
    names = picked(RoundRobin(workers(4, 4, 4, 4), random.Random(1)), 12)
    assert all((after - before) % 4 == 1 for before, after in pairwise(names))


def test_a_heavy_one_among_many_light_ones_gets_no_burst() -> None:
    names = picked(RoundRobin(workers(100, *[1] * 100), random.Random(1)), 400)
    assert all((before == 0) != (after == 0) for before, after in pairwise(names))


def test_light_ones_of_different_weight_do_not_follow_in_a_bunch() -> None:
    names = picked(RoundRobin(workers(5, 1, 1), random.Random(1)), 14)
    assert all((before == 0) or (after == 0) for before, after in pairwise(names))


def test_exact_after_very_many_periods() -> None:
    weights = random_weights(30, seed=3)
    policy = RoundRobin(workers(*weights), random.Random(1))
    for _, _, lane in policy._heap:
        lane.picks += 2**30 * lane.share
    policy._heap[:] = sorted((lane.due(), order, lane) for _, order, lane in policy._heap)
    for _ in range(3):
        assert Counter(picked(policy, sum(weights))) == dict(enumerate(weights))


def test_tried_comes_after_the_next_of_its_weight() -> None:
    candidates = workers(1, 1, 1, 1)
    policy = RoundRobin(candidates, random.Random(1))
    first, second, third, fourth = picked(policy, 4)
    assert policy.pick((candidates[first], candidates[second])) is candidates[third]
    assert picked(policy, 3) == [first, second, fourth]


def test_turns_missed_while_tried_are_not_made_up_for() -> None:
    candidates = workers(4, 1)
    policy = RoundRobin(candidates, random.Random(1))
    for _ in range(100):
        assert policy.pick((candidates[0],)) is candidates[1]
    counts = Counter(picked(policy, 10))
    assert counts[1] >= 1


@given(weights=SOME_WEIGHTS, seed=st.integers(0, 999), choices=st.lists(st.integers(0, 255), max_size=60))
def test_everybody_has_turns_after_any_exclusions(weights: list[int], seed: int, choices: list[int]) -> None:
    candidates = workers(*weights)
    policy = RoundRobin(candidates, random.Random(seed))
    for choice in choices:
        tried = [worker for worker in candidates if choice >> worker.name & 1]
        worker = policy.pick(tried)
        assert worker not in tried
        assert (worker is None) == (len(tried) == len(candidates))
    assert Counter(picked(policy, 3 * sum(weights))).keys() == set(range(len(weights)))
