"""Least-connections: the smallest (in_flight + 1) / weight, and among equals the one least recently taken.

A candidate's key is one int, compared in C: its load, scaled so that the division leaves no remainder, then its turn (a
count of all takings, at its own last one), then its index. A heap of tuples (load, turn, candidate) took up to 0.9 µs
for pick, taken and released together where one of ints takes up to 0.5. Of few candidates the smallest key is found
sooner than a heap is kept: 0.30 µs where the heap takes 0.45 for 3, 0.37 and 0.50 for 8, 0.43 and 0.49 for 16
(benchmarks/policies_cost.py).
"""

import random
from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from math import lcm
from typing import Final, Generic

from proxy.balancing.candidate import C

FEW: Final = 8  # candidates that need no heap
_SLACK: Final = 64  # stale keys allowed on top of one per candidate
_TURN_BITS: Final = 64  # with the index; 2**50 takings among 10 000, three centuries at 100 000 a second


class LeastConnections(Generic[C]):
    """O(n), for few. A turn is taken by `taken`, not by `pick`."""

    __slots__ = ("_candidates", "_index", "_index_mask", "_keys", "_scales", "_stride", "_turn")
    watches_load = True

    def __init__(self, candidates: Sequence[C], rng: random.Random) -> None:
        count = len(candidates)
        common = lcm(*(candidate.weight for candidate in candidates))
        self._candidates = tuple(candidates)
        self._index = {candidate: index for index, candidate in enumerate(candidates)}
        self._scales = [(common // candidate.weight) << _TURN_BITS for candidate in candidates]
        self._stride = 1 << count.bit_length()  # from one turn to the next, with room for an index
        self._index_mask = self._stride - 1
        self._turn = count * self._stride
        start = rng.randrange(count)  # built anew at every flip, it must not favour the first
        self._keys = [
            (candidate.in_flight + 1) * self._scales[index] + (index - start) % count * self._stride + index
            for index, candidate in enumerate(candidates)
        ]

    def pick(self, tried: Collection[C]) -> C | None:
        """The least loaded candidate that is not in `tried`."""
        if tried:
            return self._pick_untried(tried)
        return self._candidates[min(self._keys) & self._index_mask]

    def taken(self, candidate: C) -> None:
        """It has more to do, and it was its turn."""
        index = self._index[candidate]
        self._turn = turn = self._turn + self._stride
        self._keys[index] = (candidate.in_flight + 1) * self._scales[index] + turn + index

    def released(self, candidate: C) -> None:
        """It has less to do; its turn stays."""
        index = self._index[candidate]
        self._keys[index] -= self._scales[index]

    def _pick_untried(self, tried: Collection[C]) -> C | None:
        for key in sorted(self._keys):
            candidate = self._candidates[key & self._index_mask]
            if candidate not in tried:
                return candidate
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} candidates={len(self._candidates)}>"


class LeastConnectionsOfMany(LeastConnections[C]):
    """O(log n) amortised.

    Law: the heap holds the current key of every candidate, and stale ones that are dropped when they come to the top.
    """

    __slots__ = ("_bound", "_heap")

    def __init__(self, candidates: Sequence[C], rng: random.Random) -> None:
        super().__init__(candidates, rng)
        self._bound = 2 * len(candidates) + _SLACK
        self._heap = list(self._keys)
        heapify(self._heap)

    def pick(self, tried: Collection[C]) -> C | None:
        """The least loaded candidate that is not in `tried`."""
        if tried:
            return self._pick_untried(tried)
        key = self._heap[0]
        index = key & self._index_mask
        if self._keys[index] != key:
            index = self._settle()
        return self._candidates[index]

    def taken(self, candidate: C) -> None:
        """It has more to do, and it was its turn."""
        index = self._index[candidate]
        self._turn = turn = self._turn + self._stride
        self._keys[index] = key = (candidate.in_flight + 1) * self._scales[index] + turn + index
        heap = self._heap
        if heap[0] & self._index_mask == index:  # as a rule: it has just been picked
            heapreplace(heap, key)
            return
        heappush(heap, key)
        if len(heap) > self._bound:
            self._compact()

    def released(self, candidate: C) -> None:
        """It has less to do; its turn stays."""
        index = self._index[candidate]
        keys = self._keys
        keys[index] = key = keys[index] - self._scales[index]
        heap = self._heap
        heappush(heap, key)
        if len(heap) > self._bound:
            self._compact()

    def _settle(self) -> int:
        """Drop stale keys from the top; returns the index of the candidate whose key is there then."""
        heap, keys, mask = self._heap, self._keys, self._index_mask
        key = heap[0]
        while keys[key & mask] != key:
            heappop(heap)
            key = heap[0]
        return key & mask

    def _pick_untried(self, tried: Collection[C]) -> C | None:
        aside: list[int] = []
        picked = None
        while picked is None and len(aside) < len(self._candidates):
            candidate = self._candidates[self._settle()]
            if candidate in tried:
                aside.append(heappop(self._heap))
                continue
            picked = candidate
        for key in aside:
            heappush(self._heap, key)
        return picked

    def _compact(self) -> None:
        """Drop all stale keys. It takes n + slack pushes to get here again: O(1) for each of them."""
        self._heap[:] = self._keys
        heapify(self._heap)
