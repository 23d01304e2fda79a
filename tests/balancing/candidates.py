"""Candidates for the tests of policies."""

import random
from collections import Counter
from collections.abc import Sequence
from math import sqrt

from proxy.balancing.policy import Policy


class Worker:
    """The least that a policy can choose from."""

    __slots__ = ("in_flight", "name", "weight")

    def __init__(self, name: int, weight: int = 1, in_flight: int = 0) -> None:
        self.name = name
        self.weight = weight
        self.in_flight = in_flight

    def __repr__(self) -> str:
        return f"<Worker {self.name} weight={self.weight} in_flight={self.in_flight}>"


def workers(*weights: int) -> list[Worker]:
    return [Worker(name, weight) for name, weight in enumerate(weights)]


def random_weights(count: int, seed: int) -> list[int]:
    chance = random.Random(seed)
    return [chance.randint(1, 256) for _ in range(count)]


def picked(policy: Policy[Worker], count: int) -> list[int]:
    """The names of the next `count` picks, nothing in flight."""
    names = []
    for _ in range(count):
        worker = policy.pick(())
        assert worker is not None
        names.append(worker.name)
    return names


def chi_square(counts: Counter[int], weights: Sequence[int]) -> float:
    """Pearson's statistic of `counts` (by index) against shares proportional to `weights`."""
    unit = counts.total() / sum(weights)
    return sum((counts[index] - weight * unit) ** 2 / (weight * unit) for index, weight in enumerate(weights))


def chi_square_bound(freedom: int) -> float:
    """Five standard deviations over the mean; with a fixed seed it holds always or never."""
    return freedom + 5 * sqrt(2 * freedom)
