"""Who is asked when nobody is available: those that failed longest ago first."""

import random
from collections.abc import Collection, Sequence
from typing import Final

from proxy.balancing.policy import Policy
from proxy.fleet.backend import Backend

_ALIKE: Final = 10.0  # seconds; who failed about the same time shares the load, or all of it would go to one


class LastResort(Policy[Backend]):
    """A policy over suspects, or over those that are down softly. O(n): the case is rare, and what matters changes
    with every failure."""

    __slots__ = ("_candidates", "_random")

    def __init__(self, candidates: Sequence[Backend], chance: random.Random) -> None:
        self._candidates = tuple(candidates)
        self._random = chance.random

    def pick(self, tried: Collection[Backend]) -> Backend | None:
        """Of those that are not in `tried` the one that failed longest ago, or the less loaded of equals."""
        rest = [candidate for candidate in self._candidates if candidate not in tried]
        return min(rest, key=self._rank) if rest else None

    def _rank(self, candidate: Backend) -> tuple[float, float, float]:
        return candidate.failed_at // _ALIKE, (candidate.in_flight + 1) / candidate.weight, self._random()

    def __repr__(self) -> str:
        return f"<LastResort candidates={len(self._candidates)}>"
