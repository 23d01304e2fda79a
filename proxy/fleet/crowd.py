"""Who has as much in flight as it may: kept up as requests come and go, so that a pick need not count."""

from collections.abc import Iterable

from proxy.fleet.backend import Backend
from proxy.spec.service import LimitSpec


class Crowd:
    """The backends of one service that are at their `limit`. Without one, 0, it is empty, and costs nothing."""

    __slots__ = ("full", "limit")

    def __init__(self, limit: LimitSpec) -> None:
        self.full: set[Backend] = set()
        self.apply(limit)

    def apply(self, limit: LimitSpec) -> None:
        """Take over a changed limit. HTTP/1.1 carries one request per connection at a time, so both bound the same."""
        self.limit = min((each for each in (limit.inflight, limit.connections) if each is not None), default=0)

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit."""
        return self.limit > 0

    def gather(self, backends: Iterable[Backend]) -> None:
        """See anew who is full, and have the others say when they are."""
        self.full.clear()
        for backend in backends:
            backend.limit = self.limit
            backend.full = self.full if self.limit else None
            if self.limit and backend.in_flight >= self.limit:
                self.full.add(backend)
