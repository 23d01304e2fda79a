"""Least-connections: the smallest (in_flight + 1) / weight, and among equals the one least recently taken.

Loads are scaled so that the division leaves no remainder. Few candidates are compared one by one. Pick, taken and
released take 0.07 µs together with 3 candidates and 0.10 with 16, where the heap of many takes 0.40; as source 0.26,
0.56 and 0.47 (benchmarks/policies_cost.py).
"""

import random
from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from math import lcm
from typing import Final, Generic

from proxy.balancing.candidate import C
from proxy.balancing.policy import Policy

FEW: Final = 16  # candidates that need no heap
_SLACK: Final = 64  # stale keys allowed on top of one per candidate
_TURN_BITS: Final = 64  # with the index; 2**50 takings among 10 000, three centuries at 100 000 a second


class _Seat(Generic[C]):
    """A candidate with its load, and the number of the taking that was its last."""

    __slots__ = ("candidate", "load", "scale", "turn")

    def __init__(self, candidate: C, scale: int, turn: int) -> None:
        self.candidate = candidate
        self.scale = scale  # what one request adds to the load
        self.load = (candidate.in_flight + 1) * scale
        self.turn = turn


class LeastConnections(Policy[C]):
    """O(n), for few. A turn is taken by `taken`, not by `pick`."""

    __slots__ = ("_by_candidate", "_seats", "_turn")
    watches_load = True

    def __init__(self, candidates: Sequence[C], rng: random.Random) -> None:
        count = len(candidates)
        start = rng.randrange(count)  # built anew at every flip, it must not favour the first
        self._seats = [
            _Seat(candidate, scale, (index - start) % count)
            for index, (candidate, scale) in enumerate(zip(candidates, _scales(candidates), strict=True))
        ]
        self._by_candidate = {seat.candidate: seat for seat in self._seats}
        self._turn = count

    def pick(self, tried: Collection[C]) -> C | None:
        """The least loaded candidate that is not in `tried`."""
        if tried:
            return self._pick_untried(tried)
        least = self._seats[0]
        for seat in self._seats:
            if seat.load < least.load or (seat.load == least.load and seat.turn < least.turn):
                least = seat
        return least.candidate

    def taken(self, candidate: C) -> None:
        """It has more to do, and it was its turn."""
        seat = self._by_candidate[candidate]
        seat.load += seat.scale
        seat.turn = self._turn
        self._turn += 1

    def released(self, candidate: C) -> None:
        """It has less to do; its turn stays."""
        seat = self._by_candidate[candidate]
        seat.load -= seat.scale

    def _pick_untried(self, tried: Collection[C]) -> C | None:
        untried = [seat for seat in self._seats if seat.candidate not in tried]
        return min(untried, key=lambda seat: (seat.load, seat.turn)).candidate if untried else None

    def __repr__(self) -> str:
        return f"<LeastConnections candidates={len(self._seats)}>"


class LeastConnectionsOfMany(Policy[C]):
    """O(log n) amortised.

    A candidate's key is one int, compared in C: its load, then its turn (a count of all takings, at its own last one),
    then its index. A heap of tuples (load, turn, candidate) took up to 0.9 µs for pick, taken and released together
    where one of ints takes up to 0.5 (benchmarks/policies_cost.py).

    Law: the heap holds the current key of every candidate, and stale ones that are dropped when they come to the top.
    """

    __slots__ = ("_bound", "_candidates", "_heap", "_index", "_index_mask", "_keys", "_scales", "_stride", "_turn")
    watches_load = True

    def __init__(self, candidates: Sequence[C], rng: random.Random) -> None:
        count = len(candidates)
        self._candidates = tuple(candidates)
        self._index = {candidate: index for index, candidate in enumerate(candidates)}
        self._scales = [scale << _TURN_BITS for scale in _scales(candidates)]
        self._stride = 1 << count.bit_length()  # from one turn to the next, with room for an index
        self._index_mask = self._stride - 1
        self._turn = count * self._stride
        start = rng.randrange(count)  # built anew at every flip, it must not favour the first
        self._keys = [
            (candidate.in_flight + 1) * self._scales[index] + (index - start) % count * self._stride + index
            for index, candidate in enumerate(candidates)
        ]
        self._bound = 2 * count + _SLACK
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

    def __repr__(self) -> str:
        return f"<LeastConnectionsOfMany candidates={len(self._candidates)}>"


def _scales(candidates: Sequence[C]) -> list[int]:
    """What one request adds to the load of each, in inverse proportion to its weight."""
    common = lcm(*(candidate.weight for candidate in candidates))
    return [common // candidate.weight for candidate in candidates]
