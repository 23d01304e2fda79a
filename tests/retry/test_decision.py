"""The retry table of resilience.md, row by row."""

import pytest

from proxy.failure import Failure
from proxy.retry.decision import Again, decide

NEVER_SENT = (Failure.REFUSED, Failure.UNREACHABLE, Failure.CONNECT_TIMEOUT, Failure.TLS)
AFTER_A_RESPONSE = (Failure.TRUNCATED, Failure.IDLE_TIMEOUT, Failure.BAD_RESPONSE, Failure.CLIENT_GONE)


def again(
    failure: Failure, *, idempotent: bool = True, replayable: bool = True, tries: int = 1, resends: int = 0
) -> Again:
    return decide(failure, idempotent=idempotent, replayable=replayable, tries=tries, resends=resends, most_tries=3)


@pytest.mark.parametrize("failure", NEVER_SENT)
@pytest.mark.parametrize("idempotent", [True, False])
def test_never_sent_goes_elsewhere_up_to_twice(failure: Failure, idempotent: bool) -> None:
    assert again(failure, idempotent=idempotent, tries=1) is Again.ELSEWHERE
    assert again(failure, idempotent=idempotent, tries=2) is Again.ELSEWHERE
    assert again(failure, idempotent=idempotent, tries=3) is Again.NO


def test_stale_connection_is_replaced_for_idempotent_methods() -> None:
    assert again(Failure.STALE) is Again.FRESH
    assert again(Failure.STALE, tries=3) is Again.NO
    assert again(Failure.STALE, idempotent=False) is Again.NO


def test_backend_that_dies_after_a_stale_connection_still_costs_no_get() -> None:
    assert again(Failure.RESET, tries=2, resends=0) is Again.ELSEWHERE


@pytest.mark.parametrize("failure", [Failure.RESET, Failure.CLOSED])
def test_unanswered_goes_elsewhere_once_for_idempotent_methods(failure: Failure) -> None:
    assert again(failure) is Again.ELSEWHERE
    assert again(failure, resends=1, tries=2) is Again.NO
    assert again(failure, idempotent=False) is Again.NO


@pytest.mark.parametrize("failure", [Failure.STALE, Failure.RESET])
def test_58_body_that_is_not_held_whole_is_not_sent_again(failure: Failure) -> None:
    assert again(failure, replayable=False) is Again.NO


@pytest.mark.parametrize("failure", AFTER_A_RESPONSE)
def test_59_nothing_is_sent_again_after_a_response_began(failure: Failure) -> None:
    assert again(failure) is Again.NO
