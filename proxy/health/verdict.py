"""What the probes of one backend come to: a verdict that flips by rise and fall, and when to ask next.

Pure: the prober asks and tells, this counts. A verdict is settled: one outcome that differs does not flip it, but for
the first that passes (resilience.md, "Active probe").
"""

import random
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from proxy.spec.service import HealthSpec

STARTING: Final = 60.0  # seconds after which a backend that has never passed is no longer just starting
STARTING_DELAY: Final = 0.25  # seconds between probes until then
_FIRST_DOWN_DELAY: Final = 1.0  # seconds between probes of one that is down; grows with each failure
_LONGEST_DOWN_DELAY: Final = 10.0
_DOWN_GROWTH: Final = 1.5
_JITTER: Final = 0.2  # share by which a delay is longer or shorter, so that schedules do not meet
_LEARNING: Final = 0.2  # weight of the newest probe in the usual time


class Verdict(Enum):
    """What the probes say of a backend, settled."""

    UNKNOWN = "unknown"  # nothing has passed yet, and it may still be starting
    PASSING = "passing"
    FAILING_SOFT = "failing"  # by timeout, status or body
    FAILING_HARD = "refusing"  # nobody listens


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one probe ended.

    `hard`: refused, or as good as refused. `error` is empty when it passed; `seconds` is how long it took.
    """

    passed: bool
    hard: bool = False
    error: str = ""
    seconds: float = 0.0


class ProbeRecord:
    """All that the probes of one backend have said since it started.

    `usual_seconds` is how long one that passes takes, as a moving average; the probe's timeout while none has passed.
    `last_error` is that of the last one, empty when it passed.
    """

    __slots__ = (
        "_down_delay",
        "_failures",
        "_hard_failures",
        "_passes",
        "_spec",
        "_starting_until",
        "_told_at",
        "last_error",
        "usual_seconds",
        "verdict",
    )

    def __init__(self, spec: HealthSpec, now: float) -> None:
        self.verdict = Verdict.UNKNOWN
        self.last_error = ""
        self.usual_seconds = spec.timeout
        self._spec = spec
        self._starting_until = now + STARTING
        self._told_at = now
        self._passes = 0  # in a row, as are the failures
        self._failures = 0
        self._hard_failures = 0
        self._down_delay = _FIRST_DOWN_DELAY

    def with_spec(self, spec: HealthSpec) -> Self:
        """A record that goes on from this one by other settings."""
        record = type(self)(spec, self._told_at)
        for name in self.__slots__:
            if name != "_spec":
                setattr(record, name, getattr(self, name))
        return record

    def record(self, outcome: Outcome, now: float) -> bool:
        """A probe has ended; True when the settled verdict flipped."""
        self._count(outcome, now)
        return self._settle(self._counted_verdict(now))

    def confirm(self, outcome: Outcome, now: float) -> bool:
        """The same for a confirming probe, whose failure settles it at once: a request has failed there too."""
        if outcome.passed:
            return self.record(outcome, now)
        self._count(outcome, now)
        hard = outcome.hard or self.verdict is Verdict.FAILING_HARD
        return self._settle(Verdict.FAILING_HARD if hard else Verdict.FAILING_SOFT)

    def next_delay(self, chance: random.Random) -> float:
        """Seconds until the next probe."""
        if self.verdict is Verdict.UNKNOWN and self._told_at < self._starting_until:
            return STARTING_DELAY
        return self._usual_delay() * chance.uniform(1.0 - _JITTER, 1.0 + _JITTER)

    def _usual_delay(self) -> float:
        if self.verdict is Verdict.PASSING:
            return self._spec.fast_interval if self._failures else self._spec.interval
        if self.verdict is Verdict.UNKNOWN or self._passes:
            return self._spec.fast_interval
        return self._down_delay

    def _count(self, outcome: Outcome, now: float) -> None:
        self._told_at = now
        self.last_error = outcome.error
        if outcome.passed:
            self._passes += 1
            self._failures = self._hard_failures = 0
            learning = 1.0 if self.verdict is Verdict.UNKNOWN else _LEARNING
            self.usual_seconds += (outcome.seconds - self.usual_seconds) * learning
            return
        self._passes = 0
        self._failures += 1
        self._hard_failures = self._hard_failures + 1 if outcome.hard else 0
        if self.is_down:
            self._down_delay = min(self._down_delay * _DOWN_GROWTH, _LONGEST_DOWN_DELAY)

    def _counted_verdict(self, now: float) -> Verdict:
        """What the counts say."""
        verdict, fall = self.verdict, self._spec.fall
        if self._passes:
            settled = verdict is Verdict.UNKNOWN or self._passes >= self._spec.rise
            return Verdict.PASSING if settled else verdict
        if verdict is Verdict.UNKNOWN and now < self._starting_until:
            return verdict  # a refusal means "not yet"
        if self._hard_failures >= fall:
            return Verdict.FAILING_HARD
        if verdict is Verdict.FAILING_HARD and self._hard_failures:
            return verdict
        # One that was refused and now answers, if wrongly, is there: better than nobody.
        return Verdict.FAILING_SOFT if self._failures >= fall else verdict

    def _settle(self, verdict: Verdict) -> bool:
        was_down = self.is_down
        flipped = verdict is not self.verdict
        self.verdict = verdict
        if self.is_down and not was_down:
            self._down_delay = _FIRST_DOWN_DELAY
        return flipped

    @property
    def is_down(self) -> bool:
        """Whether the verdict is a failing one."""
        return self.verdict is Verdict.FAILING_SOFT or self.verdict is Verdict.FAILING_HARD

    def __repr__(self) -> str:
        return f"<ProbeRecord {self.verdict.value} passes={self._passes} failures={self._failures}>"
