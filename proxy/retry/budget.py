"""How many extra tries a service may make: retries must not turn an outage into an avalanche.

Tokens come with requests and with time, and each extra try spends one. Nothing is counted as requests pass: whoever
spends hands in the service's running total, and the tokens of all requests since then are added at once. As in
Finagle's RetryBudget, tokens that were not used within ten seconds are lost.
"""

from collections import deque
from typing import Final

TRICKLE: Final = 3.0  # retries per second that even an idle service may make
WORTH: Final = 10.0  # seconds: how much income a bucket holds
_SPACING: Final = 1.0  # seconds between two marks, so that there are never more than a dozen


class Budget:
    """A bucket of tokens. `per_request` and `per_second` are its income; `spent` and `exhausted` count the answers.

    In any stretch of time no more is spent than it held at its beginning, at most ten seconds' income, and what came
    in since. It starts with what the seconds alone would have filled in, because a new service may need it at once.
    """

    __slots__ = ("_at", "_marks", "_requests", "_tokens", "exhausted", "per_request", "per_second", "spent")

    def __init__(self, per_request: float, per_second: float, requests: int, now: float) -> None:
        self.per_request = per_request
        self.per_second = per_second
        self.spent = 0
        self.exhausted = 0
        self._tokens = WORTH * per_second
        self._requests = requests
        self._at = now
        self._marks = deque([(now, requests)])  # (when, total): how many requests were recent

    def spend(self, requests: int, now: float) -> bool:
        """Take one token; False when there is none. `requests` is the service's total so far, which never falls."""
        self.refill(requests, now)
        if self._tokens < 1.0:
            self.exhausted += 1
            return False
        self._tokens -= 1.0
        self.spent += 1
        return True

    def refill(self, requests: int, now: float) -> None:
        """Take in what has come since the last call, of which each `spend` is one.

        In between it takes requests as evenly spread: call it every few seconds, or those of a busy moment after a long
        silence count as old ones.
        """
        income = (requests - self._requests) * self.per_request + (now - self._at) * self.per_second
        most = self._recent(requests, now) * self.per_request + WORTH * self.per_second
        # One token can be saved up however slowly it comes, or a quiet service never had any.
        self._tokens = min(self._tokens + income, max(most, 1.0))
        self._requests = requests
        self._at = now

    def _recent(self, requests: int, now: float) -> float:
        """How many requests came in the last ten seconds, evenly spread between two marks as far as we know."""
        marks = self._marks
        since = now - WORTH
        if now - marks[-1][0] >= _SPACING:
            marks.append((now, requests))
        while len(marks) > 1 and marks[1][0] <= since:
            marks.popleft()
        at, total = marks[0]
        if at >= since:
            return requests - total
        until, later = marks[1]  # there is one: the last is never as old as `since`
        return requests - (total + (later - total) * (since - at) / (until - at))

    def __repr__(self) -> str:
        return f"<Budget tokens={self._tokens:.1f} spent={self.spent} exhausted={self.exhausted}>"


def retry_budget(per_request: float, requests: int, now: float) -> Budget:
    """The budget of a service's retries; `per_request` is its `retry.budget`."""
    return Budget(per_request, TRICKLE, requests, now)
