"""Counters as plain ints in slots: the request path adds, whoever scrapes reads."""

from typing import Final

from proxy.failure import Failure

# Seconds, upper bounds, inclusive; one more bucket above the last (observability.md).
BOUNDS: Final[tuple[float, ...]] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"))
OTHER_METHOD: Final = b"other"  # a client must not be able to make new series


class Histogram:
    """Durations in fixed buckets; `counts` is per bucket, not cumulative."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Add one duration. From the first bound on: most durations are small, and compiled a comparison is nothing."""
        bucket = 0
        for bound in BOUNDS:
            if seconds <= bound:
                break
            bucket += 1
        self.counts[bucket] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        """How many durations were added."""
        return sum(self.counts)


class ServiceStatistics:
    """What clients saw of one service.

    `retries_denied` counts those that the budget had nothing left for, `queue_dropped` requests that found the line
    full or waited for nothing, `queue_waits` has how long the others waited.
    """

    __slots__ = (
        "_requests",
        "duration",
        "queue_dropped",
        "queue_waits",
        "request_bytes",
        "rescues",
        "response_bytes",
        "retries",
        "retries_denied",
    )

    def __init__(self) -> None:
        self._requests: dict[bytes, dict[int, int]] = {}  # by method, then by status
        self.duration = Histogram()
        self.request_bytes = 0
        self.response_bytes = 0
        self.retries: dict[Failure, int] = {}
        self.rescues: dict[Failure, int] = {}
        self.retries_denied = 0
        self.queue_waits = Histogram()
        self.queue_dropped = 0

    def count_request(self, method: bytes, status: int, seconds: float) -> None:
        """One exchange has ended with this status."""
        self.add_requests(method, status, 1)
        self.duration.observe(seconds)

    def add_requests(self, method: bytes, status: int, count: int) -> None:
        """So many exchanges have ended with this status."""
        by_status = self._requests.get(method)
        if by_status is None:
            by_status = self._requests.setdefault(method if method in _METHODS else OTHER_METHOD, {})
        by_status[status] = by_status.get(status, 0) + count

    @property
    def requests(self) -> dict[tuple[bytes, int], int]:
        """How many there were of each (method, status)."""
        return {
            (method, status): count
            for method, by_status in self._requests.items()
            for status, count in by_status.items()
        }

    def count_retry(self, failure: Failure) -> None:
        """A request goes again after this failure."""
        self.retries[failure] = self.retries.get(failure, 0) + 1

    def count_rescue(self, failure: Failure) -> None:
        """A request was taken off a backend that went down hard."""
        self.rescues[failure] = self.rescues.get(failure, 0) + 1


class BackendStatistics:
    """What Seawall saw of one backend. `responses` is by class of status: index 2 counts 2xx."""

    __slots__ = ("failures", "first_byte", "responses")

    def __init__(self) -> None:
        self.responses = [0] * 10
        self.first_byte = Histogram()
        self.failures: dict[Failure, int] = {}

    def count_failure(self, failure: Failure) -> None:
        """One attempt has failed."""
        self.failures[failure] = self.failures.get(failure, 0) + 1

    @property
    def successes(self) -> int:
        """Responses that are not held against the backend: 2xx, 3xx and 4xx."""
        return sum(self.responses[2:5])


class PlaneStatistics:
    """What a data plane saw beside services: requests that reached none, and what it could not tell of requests."""

    __slots__ = ("access_log_dropped", "bad_requests", "unrouted")

    def __init__(self) -> None:
        self.access_log_dropped = 0  # lines
        self.bad_requests: dict[Failure, int] = {}
        self.unrouted = 0

    def count_bad_request(self, failure: Failure) -> None:
        """One request was refused before it had a route."""
        self.bad_requests[failure] = self.bad_requests.get(failure, 0) + 1
