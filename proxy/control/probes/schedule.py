"""Who is due when: one heap for all, instead of a timer or a task for each.

Pure: time is an argument. A subject is due once at most; putting it again replaces when.
"""

import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

NEVER = float("inf")


class Schedule(Generic[T]):
    """Subjects and when each is due, in monotonic seconds."""

    __slots__ = ("_due", "_heap", "_numbers")

    def __init__(self) -> None:
        self._due: dict[T, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = itertools.count()  # sets apart what is due at the same time: first put, first out

    def put(self, subject: T, due: float) -> None:
        """The subject is due then, and no longer at another time."""
        number = next(self._numbers)
        self._due[subject] = (due, number)
        heapq.heappush(self._heap, (due, number, subject))

    def drop(self, subject: T) -> None:
        """The subject is not due any more, if it was."""
        self._due.pop(subject, None)

    def take_due(self, now: float) -> T | None:
        """The subject that has been due for longest, taken out; None when nobody is due."""
        if self.next_due > now:
            return None
        _, _, subject = heapq.heappop(self._heap)
        del self._due[subject]
        return subject

    @property
    def next_due(self) -> float:
        """When the next is due; NEVER when nobody is."""
        heap = self._heap
        while heap and self._due.get(heap[0][2]) != heap[0][:2]:
            heapq.heappop(heap)  # overtaken by a later `put`, or dropped
        return heap[0][0] if heap else NEVER

    def __contains__(self, subject: T) -> bool:
        return subject in self._due

    def __len__(self) -> int:
        return len(self._due)

    def __repr__(self) -> str:
        return f"<Schedule {len(self)} next_due={self.next_due:.3f}>"
