"""What is in flight at each backend over all workers, so that a balancing rule and a limit mean the whole proxy.

Law: one writer per cell, no locks. The cells are a table in memory that the workers share, a row for each worker and a
column (slot) for each backend. A worker writes its own row, always the whole count, so that nothing it missed lasts;
it reads the others'. Two may take the last place of a limit in the same microsecond: it is exceeded by one then.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from proxy.balancing.policies import build
from proxy.balancing.policy import Policy
from proxy.fleet.backend import Backend
from proxy.spec.service import BackendKey, PolicyName

NO_SLOT: Final = -1  # of a backend that found the table full: it is counted by each worker alone
FEW: Final = 8  # candidates of which all are compared; of more, so many that chance chooses


class SharedLoad:
    """One worker's view of the table: `cells` are ints, row by row."""

    __slots__ = ("_cells", "_others", "_own", "_slots")

    def __init__(self, cells: memoryview, row: int, rows: int) -> None:
        columns = len(cells) // rows
        self._cells = cells
        self._own = row * columns
        self._others = tuple(other * columns for other in range(rows) if other != row)
        self._slots: Mapping[tuple[str, BackendKey], int] = {}

    def assign(self, slots: Mapping[tuple[str, BackendKey], int]) -> None:
        """From now on these backends have these slots. One that left has nothing in flight that counts."""
        for who, slot in self._slots.items():
            if slots.get(who) != slot:
                self.write(slot, 0)
        self._slots = slots

    def slot(self, backend: Backend) -> int:
        """The backend's column."""
        return self._slots.get((backend.spec.service, backend.key), NO_SLOT)

    def write(self, slot: int, count: int) -> None:
        """So many are in flight from here."""
        if slot != NO_SLOT:
            self._cells[self._own + slot] = count

    def elsewhere(self, slot: int) -> int:
        """How many are in flight from all other workers."""
        if slot == NO_SLOT:
            return 0
        cells = self._cells
        count = 0
        for row in self._others:
            count += cells[row + slot]
        return count

    def total(self, backend: Backend) -> int:
        """How many are in flight there, from all workers."""
        return backend.in_flight + self.elsewhere(self.slot(backend))

    def __repr__(self) -> str:
        return f"<SharedLoad of {len(self._others) + 1} workers, {len(self._slots)} backends>"


class Counted(Policy[Backend]):
    """A policy that also tells the other workers, and leaves out who is at the limit over all of them."""

    __slots__ = ("_inner", "_limit", "_load", "_slots")
    watches_load = True

    def __init__(self, inner: Policy[Backend], members: Sequence[Backend], load: SharedLoad, limit: int) -> None:
        self._inner = inner
        self._load = load
        self._limit = limit  # 0 for none
        self._slots = {backend: load.slot(backend) for backend in members}
        for backend, slot in self._slots.items():
            load.write(slot, backend.in_flight)

    def pick(self, tried: Collection[Backend]) -> Backend | None:
        """See Policy."""
        backend = self._inner.pick(tried)
        if not self._limit or backend is None or not self._is_full(backend):
            return backend
        full = {backend}
        while (backend := self._inner.pick(full.union(tried))) is not None and self._is_full(backend):
            full.add(backend)
        return backend

    def taken(self, candidate: Backend) -> None:
        """See Policy."""
        self._load.write(self._slots[candidate], candidate.in_flight)
        self._inner.taken(candidate)

    def released(self, candidate: Backend) -> None:
        """See Policy."""
        self._load.write(self._slots[candidate], candidate.in_flight)
        self._inner.released(candidate)

    def _is_full(self, backend: Backend) -> bool:
        return backend.in_flight + self._load.elsewhere(self._slots[backend]) >= self._limit

    def __repr__(self) -> str:
        return f"<Counted {self._inner!r}>"


class SharedLeastConnections(Policy[Backend]):
    """The smallest (in flight in all workers + 1) / weight. Equals take turns.

    Of many the least loaded of FEW that chance chooses: near the best of all, without a key of each that others change
    ("The Power of Two Choices", Mitzenmacher, IEEE TPDS 12:10, 2001). And workers that saw the same do not all choose
    the same.
    """

    __slots__ = ("_chance", "_load", "_members", "_turn")

    def __init__(self, members: Sequence[Backend], chance: random.Random, load: SharedLoad) -> None:
        self._members = tuple((backend, load.slot(backend)) for backend in members)
        self._load = load
        self._chance = chance.random
        self._turn = chance.randrange(len(members))

    def pick(self, tried: Collection[Backend]) -> Backend | None:
        """See Policy."""
        members = self._members
        count = len(members)
        if count > FEW:
            backend = self._least([int(self._chance() * count) for _ in range(FEW)], tried)
            if backend is not None:
                return backend
        self._turn = turn = (self._turn + 1) % count
        return self._least((*range(turn, count), *range(turn)), tried)

    def _least(self, places: Sequence[int], tried: Collection[Backend]) -> Backend | None:
        elsewhere = self._load.elsewhere
        least, found = float("inf"), None
        for place in places:
            backend, slot = self._members[place]
            load = (backend.in_flight + elsewhere(slot) + 1) / backend.weight
            if load < least and backend not in tried:
                least, found = load, backend
        return found

    def __repr__(self) -> str:
        return f"<SharedLeastConnections candidates={len(self._members)}>"


def build_shared(
    name: PolicyName, members: Sequence[Backend], chance: random.Random, load: SharedLoad
) -> Policy[Backend]:
    """As `build` of the policies, over what is in flight in all workers."""
    if name is PolicyName.LEAST_CONNECTIONS:
        return SharedLeastConnections(members, chance, load)
    return build(name, members, chance)
