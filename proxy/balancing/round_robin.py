"""Round-robin, smooth and weighted: everybody in turn, the heavier more often, nobody in bursts.

Candidates of equal weight form a lane and take turns in it. The lanes compete by earliest deadline first: a lane of m
candidates of weight w has its k-th pick (from 0) due at (2k + 1) / mw, evenly spaced and centred (the divisors of
Webster and Sainte-Laguë). In every period of 2 each lane is due exactly mw times, so any sum(weights) picks in a row
give each candidate exactly its weight.

One deadline per candidate, (k + 1) / w, would give the same counts but not the same order: one candidate of weight 100
among a hundred of weight 1 would get its hundred picks in a row, because all the others are due at the very end.
"""

import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final, Generic, TypeAlias

from proxy.balancing.candidate import C
from proxy.balancing.policy import Policy

_PHASE_BITS: Final = 32


class _Lane(Generic[C]):
    """Candidates of equal weight, and whose turn it is."""

    __slots__ = ("members", "picks", "share", "turn")

    def __init__(self, members: list[C], turn: int, phase: int) -> None:
        self.members = members
        self.turn = turn  # index of the next one
        self.share = len(members) * members[0].weight  # picks in a period
        self.picks = (2 * self.share * phase + (1 << _PHASE_BITS)) >> (_PHASE_BITS + 1)  # due before the phase

    def due(self) -> float:
        """When its next pick is due.

        The division of integers is rounded to nearest, so it keeps the order of any two deadlines; two that differ can
        only become equal after some 2**30 periods, and then the lanes' order decides.
        """
        return (2 * self.picks + 1) / self.share

    def skip_to(self, other: "_Lane[C]") -> None:
        """Let pass what is due before the other lane is: not to be made up for in a burst."""
        self.picks = -((other.share - (2 * other.picks + 1) * self.share) // (2 * other.share))

    def next_untried(self, tried: Collection[C]) -> C | None:
        """The next member that is not in `tried`; those passed over come right after it."""
        members, turn, count = self.members, self.turn, len(self.members)
        for ahead in range(count):
            candidate = members[turn + ahead - count]
            if candidate not in tried:
                for place in range(turn + ahead - count, turn - count, -1):
                    members[place] = members[place - 1]
                members[turn] = candidate
                return candidate
        return None


# due, order among the lanes, lane
_Entry: TypeAlias = tuple[float, int, _Lane[C]]


class RoundRobin(Policy[C]):
    """At most O(log of the number of different weights) a pick."""

    __slots__ = ("_heap",)

    def __init__(self, candidates: Sequence[C], rng: random.Random) -> None:
        by_weight: defaultdict[int, list[C]] = defaultdict(list)
        for candidate in candidates:
            by_weight[candidate.weight].append(candidate)
        # Somewhere in the period and in each lane: built anew at every flip, it must not begin with the same one.
        phase = rng.getrandbits(_PHASE_BITS)
        heap: list[_Entry[C]] = []
        for order, members in enumerate(by_weight.values()):
            lane = _Lane(members, rng.randrange(len(members)), phase)
            heap.append((lane.due(), order, lane))
        heapify(heap)
        self._heap = heap

    def pick(self, tried: Collection[C]) -> C | None:
        """The candidate whose turn it is. One in `tried` comes after the next of its weight, or misses its turn."""
        if tried:
            return self._pick_untried(tried)
        heap = self._heap
        _, order, lane = heap[0]
        members, turn = lane.members, lane.turn
        lane.turn = turn + 1 if turn + 1 < len(members) else 0
        lane.picks += 1
        if len(heap) > 1:
            heapreplace(heap, ((2 * lane.picks + 1) / lane.share, order, lane))
        return members[turn]

    def _pick_untried(self, tried: Collection[C]) -> C | None:
        heap = self._heap
        aside: list[_Entry[C]] = []
        candidate = None
        while heap and candidate is None:
            entry = heappop(heap)
            candidate = entry[2].next_untried(tried)
            aside.append(entry)
        if candidate is None:
            self._heap = aside  # in order, which is a heap
            return None
        _, order, chosen = aside.pop()
        for _, other, lane in aside:
            lane.skip_to(chosen)
            heappush(heap, (lane.due(), other, lane))
        chosen.turn = (chosen.turn + 1) % len(chosen.members)
        chosen.picks += 1
        heappush(heap, (chosen.due(), order, chosen))
        return candidate

    def __repr__(self) -> str:
        return f"<RoundRobin {[(lane.members[0].weight, len(lane.members)) for _, _, lane in sorted(self._heap)]}>"
