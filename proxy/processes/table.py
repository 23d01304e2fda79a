"""The table of what is in flight: memory that all workers map, and which backend has which column."""

import mmap
import os
from collections import deque
from typing import Final

from proxy.fleet.shared_load import NO_SLOT
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey

COLUMNS: Final = 16_384  # 64 KiB a worker, of which only pages that are used exist
_CELL: Final = 4  # bytes


class Slots:
    """Which backend has which column: the same one as long as it stays. Pure."""

    def __init__(self, columns: int = COLUMNS) -> None:
        self._slots: dict[tuple[str, BackendKey], int] = {}
        self._free = deque(range(columns))

    def assign(self, desired: Desired) -> tuple[int, ...]:
        """Of each backend of `desired`, in order. The column of one that left is given away last of all."""
        wanted = {(spec.service, spec.key) for spec in desired.backends}
        for who in self._slots.keys() - wanted:
            self._free.append(self._slots.pop(who))
        return tuple(self._slot((spec.service, spec.key)) for spec in desired.backends)

    def _slot(self, who: tuple[str, BackendKey]) -> int:
        slot = self._slots.get(who)
        if slot is None:
            if not self._free:
                return NO_SLOT
            slot = self._slots[who] = self._free.popleft()
        return slot

    def __repr__(self) -> str:
        return f"<Slots {len(self._slots)} taken, {len(self._free)} free>"


class Table:
    """The supervisor's end: it makes the memory, and clears the row of a worker that has ended."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.descriptor = os.memfd_create("seawall-in-flight")
        os.ftruncate(self.descriptor, rows * COLUMNS * _CELL)
        self._memory = mmap.mmap(self.descriptor, rows * COLUMNS * _CELL)

    def clear(self, row: int) -> None:
        """Nothing is in flight from there."""
        start = row * COLUMNS * _CELL
        self._memory[start : start + COLUMNS * _CELL] = bytes(COLUMNS * _CELL)

    def close(self) -> None:
        """Give the memory back; workers that still have it keep it."""
        self._memory.close()
        os.close(self.descriptor)

    def __repr__(self) -> str:
        return f"<Table of {self.rows} rows>"


def cells(descriptor: int) -> memoryview:
    """The whole table as ints, in a worker that has inherited it; closes the descriptor, which is needed no more."""
    memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
    os.close(descriptor)
    return memoryview(memory).cast("i")
