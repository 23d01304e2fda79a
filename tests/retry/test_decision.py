"""The retry table of resilience.md, cell by cell, and what no cell may allow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.failure import Blame, Failure, Sent
from proxy.retry.decision import (
    IDEMPOTENT,
    TABLE,
    Again,
    Happened,
    Kind,
    Progress,
    by_failure,
    by_status,
    decide,
    is_resend,
    kind_of,
)

STATUSES = (502, 503, 504, 425)
METHODS = (*sorted(IDEMPOTENT), b"POST", b"PATCH", b"CONNECT", b"get")


def progress(tries: int = 1, resends: int = 0, replayable: bool = True, answering: bool = False) -> Progress:
    return Progress(tries=tries, most_tries=3, resends=resends, replayable=replayable, answering=answering)


# In the order of KINDS. E: elsewhere, F: fresh connection, -: no. Then "1": only once per request; "b": also when the
# body is not held any more.
KINDS = (Kind.IDEMPOTENT, Kind.OPTED_IN, Kind.OTHER, Kind.TRIAL)
ROWS = {
    "never sent: another backend, whatever it is": (Happened.NEVER_SENT, ("Eb", "Eb", "Eb", "Eb")),
    "stale and not one byte written: a fresh connection, whatever it is": (Happened.UNWRITTEN, ("F", "F", "F", "E")),
    "stale: a fresh connection, unless it may have been served": (Happened.STALE, ("F", "F", "-", "E")),
    "reset or closed after sending: once more, if safe or opted in": (Happened.UNANSWERED, ("E1", "E1", "-", "E")),
    "try timeout: a second try, idempotent only": (Happened.SLOW, ("E1", "-", "-", "E")),
    "502 503 504 425: once more, idempotent only": (Happened.STATUS, ("E1", "-", "-", "E")),
    "a response that broke or never came: only for a trial": (Happened.ANSWERED, ("-", "-", "-", "E")),
    "the client's fault or leave: never": (Happened.NOT_THEIRS, ("-", "-", "-", "-")),
}
CELLS = {
    f"{sentence} ({kind.value})": (happened, kind, cell)
    for sentence, (happened, cells) in ROWS.items()
    for kind, cell in zip(KINDS, cells, strict=True)
}
WORDS = {"E": Again.ELSEWHERE, "F": Again.FRESH, "-": Again.NO}


@pytest.mark.parametrize(("happened", "kind", "cell"), CELLS.values(), ids=CELLS)
def test_cell_says_what_the_specification_says(happened: Happened, kind: Kind, cell: str) -> None:
    again = WORDS[cell[0]]
    assert decide(happened, kind, progress()) is again
    assert decide(happened, kind, progress(tries=2)) is again
    assert decide(happened, kind, progress(tries=2, resends=1)) is (Again.NO if "1" in cell else again)
    assert decide(happened, kind, progress(replayable=False)) is (again if "b" in cell else Again.NO)
    assert decide(happened, kind, progress(answering=True)) is Again.NO
    assert decide(happened, kind, progress(tries=3)) is Again.NO
    assert is_resend(happened, kind) is ("1" in cell)


def test_every_case_has_a_cell() -> None:
    assert set(TABLE) == {(happened, kind) for happened in Happened for kind in Kind}
    assert {(happened, kind) for happened, kind, _ in CELLS.values()} == set(TABLE)


BY_FAILURE = {
    "refused": (Failure.REFUSED, True, Happened.NEVER_SENT),
    "unreachable": (Failure.UNREACHABLE, True, Happened.NEVER_SENT),
    "connect timeout": (Failure.CONNECT_TIMEOUT, False, Happened.NEVER_SENT),
    "TLS": (Failure.TLS, False, Happened.NEVER_SENT),
    "no descriptors left": (Failure.NO_DESCRIPTORS, False, Happened.NEVER_SENT),
    "stale": (Failure.STALE, True, Happened.STALE),
    "stale before a byte was written": (Failure.STALE, False, Happened.UNWRITTEN),
    "reset": (Failure.RESET, True, Happened.UNANSWERED),
    "reset before a byte was written": (Failure.RESET, False, Happened.NEVER_SENT),
    "closed": (Failure.CLOSED, True, Happened.UNANSWERED),
    "closed before a byte was written": (Failure.CLOSED, False, Happened.NEVER_SENT),
    "response timeout": (Failure.RESPONSE_TIMEOUT, True, Happened.ANSWERED),
    "bad response": (Failure.BAD_RESPONSE, True, Happened.ANSWERED),
    "truncated": (Failure.TRUNCATED, True, Happened.ANSWERED),
    "idle timeout": (Failure.IDLE_TIMEOUT, True, Happened.ANSWERED),
    "the client left": (Failure.CLIENT_GONE, True, Happened.NOT_THEIRS),
    "the client's body is bad": (Failure.BAD_BODY, True, Happened.NOT_THEIRS),
    "the client's head is bad": (Failure.BAD_FIELD, False, Happened.NOT_THEIRS),
}


@pytest.mark.parametrize(("failure", "written", "happened"), BY_FAILURE.values(), ids=BY_FAILURE)
def test_failure_has_its_row(failure: Failure, written: bool, happened: Happened) -> None:
    assert by_failure(failure, written=written) is happened


@pytest.mark.parametrize("failure", [failure for failure in Failure if failure.blame is Blame.CLIENT])
def test_no_failure_of_a_client_is_ever_sent_again(failure: Failure) -> None:
    for kind in Kind:
        assert decide(by_failure(failure, written=False), kind, progress()) is Again.NO


BY_STATUS = {
    "a listed status is another try's": (503, False, Happened.STATUS),
    "a listed status below 500 as well": (425, True, Happened.STATUS),
    "a success goes on": (200, False, None),
    "a success of a trial goes on": (200, True, None),
    "a 404 of a trial goes on": (404, True, None),
    "another 5xx goes on": (500, False, None),
    "another 5xx of a trial is its failure": (500, True, Happened.STATUS),
}


@pytest.mark.parametrize(("status", "trial", "happened"), BY_STATUS.values(), ids=BY_STATUS)
def test_status_has_its_row(status: int, trial: bool, happened: Happened | None) -> None:
    assert by_status(status, STATUSES, trial=trial) is happened


BY_METHOD = {
    "a GET is idempotent": (b"GET", False, False, Kind.IDEMPOTENT),
    "a key changes nothing for a PUT": (b"PUT", True, False, Kind.IDEMPOTENT),
    "a POST is not": (b"POST", False, False, Kind.OTHER),
    "a POST may be opted in": (b"POST", True, False, Kind.OPTED_IN),
    "methods are case-sensitive": (b"get", False, False, Kind.OTHER),
    "a GET can be a trial": (b"GET", False, True, Kind.TRIAL),
    "a HEAD can be a trial": (b"HEAD", False, True, Kind.TRIAL),
    "a PUT cannot": (b"PUT", False, True, Kind.IDEMPOTENT),
    "a POST cannot": (b"POST", True, True, Kind.OPTED_IN),
}


@pytest.mark.parametrize(("method", "opted_in", "trial", "kind"), BY_METHOD.values(), ids=BY_METHOD)
def test_request_has_its_column(method: bytes, opted_in: bool, trial: bool, kind: Kind) -> None:
    assert kind_of(method, opted_in=opted_in, trial=trial) is kind


PROGRESS = st.builds(
    Progress,
    tries=st.integers(1, 11),
    most_tries=st.integers(1, 10),
    resends=st.integers(0, 2),
    replayable=st.booleans(),
    answering=st.booleans(),
)


@given(st.sampled_from(Failure), st.sampled_from(METHODS), st.booleans(), PROGRESS)
def test_request_that_is_not_idempotent_never_goes_again_once_written(
    failure: Failure, method: bytes, trial: bool, progress: Progress
) -> None:
    kind = kind_of(method, trial=trial)
    if method not in IDEMPOTENT and failure.sent is not Sent.NOTHING:
        assert decide(by_failure(failure, written=True), kind, progress) is Again.NO
        assert decide(Happened.STATUS, kind, progress) is decide(Happened.SLOW, kind, progress) is Again.NO


@given(
    st.lists(st.sampled_from(Happened), min_size=12, max_size=12),
    st.lists(st.sampled_from(Kind), min_size=12, max_size=12),
    st.integers(1, 10),
)
def test_tries_never_exceed_the_attempts(happenings: list[Happened], kinds: list[Kind], attempts: int) -> None:
    tries, resends, again = 1, 0, Again.ELSEWHERE
    for happened, kind in zip(happenings, kinds, strict=True):
        so_far = Progress(tries=tries, most_tries=attempts, resends=resends, replayable=True, answering=False)
        again = decide(happened, kind, so_far)
        if again is Again.NO:
            break
        tries += 1
        resends += is_resend(happened, kind)
    assert again is Again.NO
    assert tries <= attempts
    assert resends <= 1


@given(st.sampled_from(Happened), st.sampled_from(Kind), PROGRESS)
def test_nothing_goes_again_after_a_byte_of_the_response(happened: Happened, kind: Kind, progress: Progress) -> None:
    if progress.answering:
        assert decide(happened, kind, progress) is Again.NO
