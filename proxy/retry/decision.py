"""May a failed request be sent again? One table over what the backend can have seen and the method.

RFC 9110 section 9.2.2: a proxy must not repeat a non-idempotent request by itself, except where it knows that the
backend never saw it.
"""

from enum import Enum
from typing import Final

from proxy.failure import Failure, Sent

IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))


class Again(Enum):
    """What to do after a failure."""

    NO = "no"
    ELSEWHERE = "elsewhere"  # at a backend not tried yet
    FRESH = "fresh"  # at the same backend, by a connection opened for it


def decide(failure: Failure, *, idempotent: bool, replayable: bool, tries: int, resends: int, most_tries: int) -> Again:
    """Whether a request goes again after `failure`, nothing of a response having gone downstream.

    `replayable`: its body, if any, is still held whole. `tries` counts all tries so far and `most_tries` bounds them;
    `resends` counts those that repeated a request which a backend may have begun to serve: of these one is allowed.
    """
    if tries >= most_tries:
        return Again.NO
    if failure.sent is Sent.NOTHING:
        return Again.ELSEWHERE
    if not idempotent or not replayable:
        return Again.NO
    if failure.sent is Sent.STALE:
        return Again.FRESH
    return Again.ELSEWHERE if failure.sent is Sent.UNANSWERED and not resends else Again.NO
