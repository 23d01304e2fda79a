"""Random: each pick is independent, each candidate's chance is its share of the weights."""

import random
from bisect import bisect
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Final

from proxy.balancing.candidate import C
from proxy.balancing.policy import Policy

_REDRAWS: Final = 4  # draws that may hit a tried candidate before the rest is listed


class RandomChoice(Policy[C]):
    """O(1) for equal weights, O(log n) otherwise.

    A draw that hits a tried candidate is drawn again: what comes out has exactly the chances of a draw among the
    others. After a few such draws the others are listed and drawn from, with the same chances.
    """

    __slots__ = ("_bounds", "_candidates", "_count", "_random", "_rng", "_total")

    def __init__(self, candidates: Sequence[C], rng: random.Random) -> None:
        weights = [candidate.weight for candidate in candidates]
        self._candidates = tuple(candidates)
        self._count = len(weights)
        self._bounds = None if len(set(weights)) == 1 else list(accumulate(weights))
        self._total = sum(weights)
        self._rng = rng
        self._random = rng.random

    def pick(self, tried: Collection[C]) -> C | None:
        """A random candidate that is not in `tried`."""
        if not tried:
            return self._draw()
        for _ in range(_REDRAWS):
            candidate = self._draw()
            if candidate not in tried:
                return candidate
        return self._draw_from_rest(tried)

    def _draw(self) -> C:
        if self._bounds is None:
            return self._candidates[int(self._random() * self._count)]
        return self._candidates[bisect(self._bounds, self._random() * self._total)]

    def _draw_from_rest(self, tried: Collection[C]) -> C | None:
        excluded = set(tried)
        rest = [candidate for candidate in self._candidates if candidate not in excluded]
        if not rest:
            return None
        return self._rng.choices(rest, [candidate.weight for candidate in rest])[0]

    def __repr__(self) -> str:
        return f"<RandomChoice candidates={self._count} weights={self._total}>"
