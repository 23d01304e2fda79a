"""The line of those who wait for a backend of one service: bounded, and fair only while it is short.

A line that stays non-empty is no burst but an overload: whoever has waited longest is then the likeliest to be gone
before an answer comes, so the newest are served while the old run into their time limit. That is the queue discipline
of "Fail at Scale" (Maurer, ACM Queue 13:8, 2015); that 100 ms tell a standing queue from a burst is CoDel's interval
(RFC 8289 section 4.3).
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from proxy.fleet.statistics import Histogram

STANDING: Final = 0.1  # seconds

W = TypeVar("W", bound=Hashable)


class WaitingLine(Generic[W]):
    """Every operation is O(1). `now` is in monotonic seconds and never goes back.

    `limit` is how many may wait, and may be changed. `refused` counts those who found the line full, `outwaited` those
    who waited for nothing; `waits`, which may be another's, has the seconds that those waited whose turn came.
    """

    __slots__ = ("_joined", "_since", "limit", "outwaited", "refused", "waits")

    def __init__(self, limit: int, waits: Histogram | None = None) -> None:
        self.limit = limit
        self.refused = 0
        self.outwaited = 0
        self.waits = waits if waits is not None else Histogram()
        self._joined: OrderedDict[W, float] = OrderedDict()  # by the time of joining, as it never goes back
        self._since = 0.0  # when the line was last empty, while it is not

    def join(self, who: W, now: float) -> bool:
        """Stand in line, at the end; False when it is full. Who stands there already keeps the place."""
        joined = self._joined
        if who in joined:
            return True
        if len(joined) >= self.limit:
            self.refused += 1
            return False
        if not joined:
            self._since = now
        joined[who] = now
        return True

    def leave(self, who: W) -> bool:
        """Take out one who does not wait any more; False when they were not in line."""
        return self._joined.pop(who, None) is not None

    def outwait(self, who: W) -> None:
        """Take out one who waited for nothing."""
        self.outwaited += self.leave(who)

    def next(self, now: float) -> W | None:
        """Take out whose turn it is: the oldest, or the newest once the line has stood for 100 ms."""
        if not self._joined:
            return None
        who, joined = self._joined.popitem(last=now - self._since >= STANDING)
        self.waits.observe(now - joined)
        return who

    @property
    def dropped(self) -> int:
        """How many were turned away or waited for nothing."""
        return self.refused + self.outwaited

    def __len__(self) -> int:
        return len(self._joined)

    def __repr__(self) -> str:
        return f"<WaitingLine {len(self)}/{self.limit} refused={self.refused} outwaited={self.outwaited}>"
