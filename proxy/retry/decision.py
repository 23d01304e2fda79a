"""May a request be sent again? One table over what happened and what kind of request it is.

RFC 9110 section 9.2.2: a proxy must not repeat a non-idempotent request by itself, except where it knows that the
backend never saw it. The user may allow more, for requests that carry an Idempotency-Key.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from proxy.failure import Blame, Failure, Sent

IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
_TRIAL_METHODS: Final = frozenset((b"GET", b"HEAD"))


class Again(Enum):
    """What to do after a try."""

    NO = "no"
    ELSEWHERE = "elsewhere"  # at a backend not tried yet
    FRESH = "fresh"  # at the same backend, by a connection opened for it


class Happened(Enum):
    """What became of a try: the rows of the table."""

    NEVER_SENT = "never sent"
    UNWRITTEN = "unwritten"  # the idle connection was closed already, and not one byte had been written to it
    STALE = "stale"  # written to an idle connection that was closed already
    UNANSWERED = "unanswered"  # reset or closed after sending; also rescued from a backend that went hard down
    SLOW = "slow"  # the try timeout is over: a second try would run beside the first
    STATUS = "status"  # a response whose status is worth another try
    ANSWERED = "answered"  # a response that broke or never came: the backend has served, or had all its time
    NOT_THEIRS = "not theirs"  # the client left, its request is at fault, or the proxy stops


class Kind(Enum):
    """What kind of request it is: the columns of the table."""

    IDEMPOTENT = "idempotent"
    OPTED_IN = "opted in"  # not idempotent; it carries an Idempotency-Key, and the operator allows to rely on that
    OTHER = "other"
    TRIAL = "trial"  # a GET or HEAD that tries out a half-open circuit: no client may pay for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What the table says of one case, as long as tries are left and nothing has gone downstream.

    `is_resend`: the backend may have begun to serve it, so it may happen once per request. `needs_body`: what was sent
    of the body must be sent again, so it must still be held whole.
    """

    again: Again
    is_resend: bool = False
    needs_body: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a request has come.

    `tries` counts all tries so far and `most_tries` bounds them; `resends` counts those of them that followed a cell
    with `is_resend`. `replayable`: its body, if any, is still held whole. `answering`: something of a response has gone
    downstream.
    """

    tries: int
    most_tries: int
    resends: int
    replayable: bool
    answering: bool


_NO: Final = Cell(again=Again.NO)
_UNSEEN: Final = Cell(again=Again.ELSEWHERE, needs_body=False)
_RENEW: Final = Cell(again=Again.FRESH)
_RESEND: Final = Cell(again=Again.ELSEWHERE, is_resend=True)
_AWAY: Final = Cell(again=Again.ELSEWHERE)

TABLE: Final = {
    (Happened.NEVER_SENT, Kind.IDEMPOTENT): _UNSEEN,
    (Happened.NEVER_SENT, Kind.OPTED_IN): _UNSEEN,
    (Happened.NEVER_SENT, Kind.OTHER): _UNSEEN,
    (Happened.NEVER_SENT, Kind.TRIAL): _UNSEEN,
    (Happened.UNWRITTEN, Kind.IDEMPOTENT): _RENEW,
    (Happened.UNWRITTEN, Kind.OPTED_IN): _RENEW,
    (Happened.UNWRITTEN, Kind.OTHER): _RENEW,
    (Happened.UNWRITTEN, Kind.TRIAL): _AWAY,
    (Happened.STALE, Kind.IDEMPOTENT): _RENEW,
    (Happened.STALE, Kind.OPTED_IN): _RENEW,
    (Happened.STALE, Kind.OTHER): _NO,
    (Happened.STALE, Kind.TRIAL): _AWAY,
    (Happened.UNANSWERED, Kind.IDEMPOTENT): _RESEND,
    (Happened.UNANSWERED, Kind.OPTED_IN): _RESEND,
    (Happened.UNANSWERED, Kind.OTHER): _NO,
    (Happened.UNANSWERED, Kind.TRIAL): _AWAY,
    (Happened.SLOW, Kind.IDEMPOTENT): _RESEND,
    (Happened.SLOW, Kind.OPTED_IN): _NO,  # both would be served at once: more than a key promises to withstand
    (Happened.SLOW, Kind.OTHER): _NO,
    (Happened.SLOW, Kind.TRIAL): _AWAY,
    (Happened.STATUS, Kind.IDEMPOTENT): _RESEND,
    (Happened.STATUS, Kind.OPTED_IN): _NO,  # it has its answer; whoever sent it may repeat it by its key
    (Happened.STATUS, Kind.OTHER): _NO,
    (Happened.STATUS, Kind.TRIAL): _AWAY,
    (Happened.ANSWERED, Kind.IDEMPOTENT): _NO,
    (Happened.ANSWERED, Kind.OPTED_IN): _NO,
    (Happened.ANSWERED, Kind.OTHER): _NO,
    (Happened.ANSWERED, Kind.TRIAL): _AWAY,
    (Happened.NOT_THEIRS, Kind.IDEMPOTENT): _NO,
    (Happened.NOT_THEIRS, Kind.OPTED_IN): _NO,
    (Happened.NOT_THEIRS, Kind.OTHER): _NO,
    (Happened.NOT_THEIRS, Kind.TRIAL): _NO,
}

_BY_SENT: Final = {
    Sent.NOTHING: Happened.NEVER_SENT,
    Sent.STALE: Happened.STALE,
    Sent.UNANSWERED: Happened.UNANSWERED,
    Sent.ANSWERED: Happened.ANSWERED,
}
_BY_SENT_UNWRITTEN: Final = {**_BY_SENT, Sent.STALE: Happened.UNWRITTEN, Sent.UNANSWERED: Happened.NEVER_SENT}


def decide(happened: Happened, kind: Kind, progress: Progress) -> Again:
    """Whether a request goes again, and where."""
    cell = TABLE[happened, kind]
    if progress.answering or progress.tries >= progress.most_tries:
        return Again.NO
    if cell.is_resend and progress.resends:
        return Again.NO
    if cell.needs_body and not progress.replayable:
        return Again.NO
    return cell.again


def is_resend(happened: Happened, kind: Kind) -> bool:
    """Whether going again after this counts among the request's `resends`."""
    return TABLE[happened, kind].is_resend


def by_failure(failure: Failure, *, written: bool) -> Happened:
    """The row of a failure; `written`: at least one byte of the request went to the backend's connection."""
    if failure.blame is Blame.CLIENT:
        return Happened.NOT_THEIRS
    return (_BY_SENT if written else _BY_SENT_UNWRITTEN)[failure.sent]


def by_status(status: int, statuses: Collection[int], *, trial: bool) -> Happened | None:
    """The row of a response whose head has come and has not gone on; None for one that simply goes on.

    A trial fails by any 5xx, as the circuit counts it; other requests go again by `statuses` alone.
    """
    return Happened.STATUS if status in statuses or (trial and status >= 500) else None


def kind_of(method: bytes, *, opted_in: bool = False, trial: bool = False) -> Kind:
    """The column of a request.

    `opted_in`: the service has `non-idempotent: true` and the request an Idempotency-Key. `trial`: the try in question
    was a half-open circuit's.
    """
    if trial and method in _TRIAL_METHODS:
        return Kind.TRIAL
    if method in IDEMPOTENT:
        return Kind.IDEMPOTENT
    return Kind.OPTED_IN if opted_in else Kind.OTHER
