"""How many requests of the last seconds succeeded and failed: a ring of buckets, advanced by whoever adds or reads."""

from typing import Final

BUCKETS: Final = 10


class Window:
    """Counts over the last `seconds`, give or take one bucket. Whole or not at all a bucket leaves."""

    __slots__ = ("_bucket_seconds", "_failures", "_latest", "_successes", "failures", "successes")

    def __init__(self, seconds: float) -> None:
        self._bucket_seconds = seconds / BUCKETS
        self._failures = [0] * BUCKETS
        self._successes = [0] * BUCKETS
        self._latest = 0  # number of the newest bucket, counted since time 0
        self.failures = 0  # sums, as of the last call of `advance`
        self.successes = 0

    def add(self, successes: int, failures: int, now: float) -> None:
        """So many more have ended."""
        self.advance(now)
        place = self._latest % BUCKETS
        self._successes[place] += successes
        self._failures[place] += failures
        self.successes += successes
        self.failures += failures

    def advance(self, now: float) -> None:
        """Forget what is too old by now."""
        latest = int(now / self._bucket_seconds)
        for number in range(max(self._latest, latest - BUCKETS) + 1, latest + 1):
            place = number % BUCKETS
            self.successes -= self._successes[place]
            self.failures -= self._failures[place]
            self._successes[place] = self._failures[place] = 0
        self._latest = max(self._latest, latest)

    def resize(self, seconds: float, now: float) -> None:
        """Count over another span from now on; what is in the window counts as of now."""
        if seconds == self._bucket_seconds * BUCKETS:
            return
        self.advance(now)
        successes, failures = self.successes, self.failures
        self._clear()
        self._bucket_seconds = seconds / BUCKETS
        self._latest = int(now / self._bucket_seconds)
        self.add(successes, failures, now)

    def move_out(self, part: "Window", now: float) -> None:
        """Forget what `part`, a window of the same span, has counted of this; and so does `part`."""
        self.advance(now)
        part.advance(now)
        for place in range(BUCKETS):
            self._successes[place] -= part._successes[place]
            self._failures[place] -= part._failures[place]
        self.successes -= part.successes
        self.failures -= part.failures
        part._clear()

    def _clear(self) -> None:
        self._successes = [0] * BUCKETS
        self._failures = [0] * BUCKETS
        self.successes = self.failures = 0

    @property
    def requests(self) -> int:
        """All of them."""
        return self.successes + self.failures

    @property
    def ratio(self) -> float:
        """The share that failed; 0 when there were none."""
        return self.failures / self.requests if self.failures else 0.0

    def __repr__(self) -> str:
        return f"<Window {self.failures}/{self.requests} failed>"
