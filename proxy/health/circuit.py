"""The passive check of one backend: a circuit that requests which fail open, and one that succeeds closes.

Law: TRANSITIONS are all there are. A trial is one request in flight, and a trial that hangs is over at its deadline, so
nothing ever waits on a circuit. Pure: time and chance are arguments; whoever owns it says what was seen and who else
there is (resilience.md, "Circuit per backend").
"""

import random
from collections import Counter
from enum import Enum
from math import ceil, floor, log2
from typing import Final

from proxy.health.outlier import deviations
from proxy.health.window import Window
from proxy.spec.service import CircuitSpec

LONGEST_OPEN: Final = 120.0  # seconds, before chance
HALVING: Final = 60.0  # seconds of health that take back one doubling
LONGEST_TRIAL: Final = 5.0  # seconds
PATIENCE: Final = 30.0  # seconds for which a half-open circuit waits for a request that may be its trial
_JITTER: Final = 0.25
_TIMES_THE_REST: Final = 3.0  # how much worse than the rest of its service a backend must be, as a factor
_ABOVE_THE_REST: Final = 0.3  # and as a difference
_OUTLIER: Final = 0.1  # the difference that is too much even where the ratio is not, if it is none by chance
_BEYOND_CHANCE: Final = 4.0  # standard deviations


class State(Enum):
    """What a circuit does with requests."""

    CLOSED = "closed"  # lets them flow
    OPEN = "open"  # sends them elsewhere
    HALF_OPEN = "half-open"  # lets one through, the trial


class Event(Enum):
    """What can happen to a circuit."""

    TRIPPED = "too much has failed"
    DOUBTED = "it was out of reach"  # unpaused or connected again: one trial first
    COOLED = "the open time is over"
    PASSED = "the trial passed"
    FAILED = "the trial failed"


TRANSITIONS: Final = {
    (State.CLOSED, Event.TRIPPED): State.OPEN,
    (State.CLOSED, Event.DOUBTED): State.HALF_OPEN,
    (State.OPEN, Event.COOLED): State.HALF_OPEN,
    (State.HALF_OPEN, Event.PASSED): State.CLOSED,
    (State.HALF_OPEN, Event.FAILED): State.OPEN,
}


class Cause(Enum):
    """Why a circuit opened; the values are labels."""

    GATEWAY_FAILURES = "gateway-failures"
    SERVER_ERRORS = "server-errors"
    RATIO = "ratio"
    OUTLIER = "outlier"
    TRIAL = "trial"


def most_open(backends: int, share: float) -> int:
    """How many circuits of a service may be other than closed, of so many backends that are not down hard."""
    if share <= 0.0 or backends < 1:
        return 0
    return max(floor(backends * share), 1 if backends >= 2 else 0)


class Circuit:
    """One backend's. `opened` counts by cause, `until` is when the open time ends, in monotonic seconds.

    `whole` is the window of all its service, which it counts to as well.
    """

    __slots__ = (
        "_closed_at",
        "_doublings",
        "_seen",
        "_seen_at",
        "_spec",
        "_trial_until",
        "_whole",
        "gateway_failures",
        "half_open_since",
        "is_trying",
        "opened",
        "server_errors",
        "state",
        "until",
        "window",
    )

    def __init__(self, spec: CircuitSpec, whole: Window, now: float) -> None:
        self._spec = spec
        self._whole = whole
        self.state = State.CLOSED
        self.window = Window(spec.window)
        self.gateway_failures = 0  # in a row, as are the server errors
        self.server_errors = 0
        self.opened: Counter[Cause] = Counter()
        self.until = 0.0
        self.half_open_since = 0.0
        self.is_trying = False  # a trial is in flight
        self._trial_until = 0.0  # 0 until the first sweep that sees the trial
        self._closed_at = now
        self._doublings = 0  # of the open time, for the next opening
        self._seen = 0  # successes so far, when last looked at
        self._seen_at = float("-inf")

    def apply(self, spec: CircuitSpec, now: float) -> None:
        """Take over changed settings; what was counted stays."""
        self._spec = spec
        self.window.resize(spec.window, now)

    # evidence

    def sample(self, successes: int, now: float) -> None:
        """How many more succeeded since the last look, of `successes` so far; they end both runs of failures.

        Costs the happy path nothing: the total is counted anyway. What came after a silence longer than the window is
        of unknown age, and left out of it.
        """
        new = max(successes - self._seen, 0)
        if new:
            self.gateway_failures = self.server_errors = 0
        if now - self._seen_at > self._spec.window:
            new = 0
        self._seen, self._seen_at = successes, now
        self.window.add(new, 0, now)
        self._whole.add(new, 0, now)

    def discount(self) -> None:
        """What was counted as a success, for it had begun well, turned out to be none."""
        self._seen += 1

    def count(self, now: float, *, gateway: bool) -> None:
        """A request failed there, by the gateway's doing (no answer, 502, 503, 504) or with another 5xx."""
        self.gateway_failures = self.gateway_failures + 1 if gateway else 0
        self.server_errors += 1
        self.window.add(0, 1, now)
        self._whole.add(0, 1, now)

    def cause(self) -> Cause | None:
        """Why it should open, if it should, right after `count`."""
        spec = self._spec
        if self.gateway_failures >= spec.gateway_failures:
            return Cause.GATEWAY_FAILURES
        if self.server_errors >= spec.server_errors:
            return Cause.SERVER_ERRORS
        if self._is_worse():
            return Cause.RATIO
        return Cause.OUTLIER if self._is_outlier() else None

    def _is_worse(self) -> bool:
        """Whether it fails more than it may and more than the rest: a service that fails is not its backends' fault."""
        own = self.window
        if own.requests < self._spec.min_requests or own.ratio < self._spec.ratio:
            return False
        failures, requests = self._rest
        rest = failures / requests if requests else 0.0
        return own.ratio >= max(_TIMES_THE_REST * rest, rest + _ABOVE_THE_REST)

    def _is_outlier(self) -> bool:
        """Whether it fails no more than it may, perhaps, but more than the rest beyond chance."""
        own, spec = self.window, self._spec
        if own.failures < spec.server_errors or own.requests < spec.min_requests:
            return False
        failures, requests = self._rest
        if requests < spec.min_requests or own.ratio < failures / requests + _OUTLIER:
            return False
        return deviations(own.failures, own.requests, failures, requests) >= _BEYOND_CHANCE

    @property
    def _rest(self) -> tuple[int, int]:
        """Failures and requests of the rest of the service in the window."""
        own, whole = self.window, self._whole
        return whole.failures - own.failures, whole.requests - own.requests

    def in_words(self, cause: Cause) -> str:
        """The cause as a sentence would have it."""
        if cause is Cause.GATEWAY_FAILURES:
            return f"{self.gateway_failures} gateway failures in a row"
        if cause is Cause.SERVER_ERRORS:
            return f"{self.server_errors} server errors in a row"
        words = f"{self.window.failures} of {self.window.requests} requests failed"
        if cause is Cause.OUTLIER:
            failures, requests = self._rest
            words += f", {failures} of {requests} elsewhere"
        return words

    def forget(self, now: float) -> None:
        """What it did before must not open it at the first failure after; nor does it count to the service any more."""
        self.gateway_failures = self.server_errors = 0
        self._whole.move_out(self.window, now)

    # transitions; each is True when it flipped the state

    def trip(self, cause: Cause, now: float, chance: random.Random) -> bool:
        """Open, for as long as chance and the past say."""
        if not self._move(Event.TRIPPED):
            return False
        self._doublings = max(self._doublings - int((now - self._closed_at) / HALVING), 0)
        self._open(cause, now, chance)
        return True

    def doubt(self, now: float) -> bool:
        """One trial first: it was out of reach, and nothing is known against it."""
        if not self._move(Event.DOUBTED):
            return False
        self.half_open_since = now
        return True

    def cool(self, now: float) -> bool:
        """Let a trial through when the open time is over."""
        if now < self.until or not self._move(Event.COOLED):
            return False
        self.half_open_since = now
        return True

    def pass_trial(self, now: float) -> bool:
        """It answered well: close."""
        if not self._move(Event.PASSED):
            return False
        self._closed_at = now
        self.forget(now)
        return True

    def fail_trial(self, now: float, chance: random.Random) -> bool:
        """It did not: open for longer."""
        if not self._move(Event.FAILED):
            return False
        self._open(Cause.TRIAL, now, chance)
        return True

    # trials

    @property
    def may_try(self) -> bool:
        """Whether it waits for a trial."""
        return self.state is State.HALF_OPEN and not self.is_trying

    def begin_trial(self) -> None:
        """A request is sent there to see."""
        self.is_trying = True
        self._trial_until = 0.0

    def end_trial(self) -> None:
        """Nothing came of it, through no fault of the backend; another may begin."""
        self.is_trying = False

    def is_trial_over(self, now: float, allowed: float) -> bool:
        """Whether the trial has been under way for longer than `allowed` seconds.

        The time runs from the first call after its begin, so that a request need not bring the time along.
        """
        if not self.is_trying:
            return False
        if not self._trial_until:
            self._trial_until = now + min(allowed, LONGEST_TRIAL)
        return now >= self._trial_until

    def has_waited(self, now: float) -> bool:
        """Whether no request that may be a trial has come for long: a service may have none."""
        return self.may_try and now - self.half_open_since >= PATIENCE

    def _move(self, event: Event) -> bool:
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            return False
        self.state = state
        self.is_trying = False
        return True

    def _open(self, cause: Cause, now: float, chance: random.Random) -> None:
        longest = max(LONGEST_OPEN, self._spec.open)
        seconds = min(self._spec.open * 2.0**self._doublings, longest)
        self._doublings = min(self._doublings + 1, ceil(log2(longest / self._spec.open)))
        self.until = now + seconds * chance.uniform(1.0 - _JITTER, 1.0 + _JITTER)
        self.opened[cause] += 1

    def __repr__(self) -> str:
        trying = " trying" if self.is_trying else ""
        return (
            f"<Circuit {self.state.name}{trying} {self.gateway_failures}/{self.server_errors} in a row {self.window!r}>"
        )
