"""When a worker counts as hung, and when another takes its place. Pure: time is an argument, in monotonic seconds."""

from typing import Final

SILENCE: Final = 5.0  # seconds without a word after which a worker hangs
CHECK_EVERY: Final = 1.0  # seconds
_OVERSLEPT: Final = 2 * CHECK_EVERY
FIRST_PAUSE: Final = 0.1  # seconds before a worker that ended soon is replaced; doubles each time
LONGEST_PAUSE: Final = 10.0
_LONG_ENOUGH: Final = 10.0  # seconds of life after which an end says nothing about the next one


class Heartbeat:
    """Of one worker, as heard by a supervisor that may itself have been stopped: then nobody was to be heard."""

    __slots__ = ("_checked", "_heard")

    def __init__(self, now: float) -> None:
        self._heard = now
        self._checked = now

    def hear(self, now: float) -> None:
        """The worker has said something."""
        self._heard = now

    def is_lost(self, now: float) -> bool:
        """Whether it hangs. Called every CHECK_EVERY."""
        if now - self._checked > _OVERSLEPT:
            self._heard = now  # it was we who slept
        self._checked = now
        return now - self._heard > SILENCE

    def __repr__(self) -> str:
        return f"<Heartbeat heard={self._heard:.1f}>"


class Restarts:
    """How often a worker was replaced, and how long to wait before the next time."""

    __slots__ = ("_pause", "_started", "count")

    def __init__(self) -> None:
        self.count = 0
        self._pause = 0.0
        self._started = 0.0

    def start(self, now: float) -> None:
        """A worker starts."""
        self._started = now

    def end(self, now: float) -> float:
        """It has ended; seconds to wait before another starts. One that lived for long is replaced at once."""
        self.count += 1
        if now - self._started >= _LONG_ENOUGH:
            self._pause = 0.0
            return 0.0
        pause = self._pause
        self._pause = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)
        return pause

    def __repr__(self) -> str:
        return f"<Restarts {self.count}>"
