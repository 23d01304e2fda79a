"""The retry budget: what it allows, what it forgets, and that it bounds what an outage adds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.retry.budget import TRICKLE, WORTH, Budget, retry_budget

ATTEMPTS = 3


def drained(budget: Budget, requests: int, now: float) -> int:
    """How many tokens it gives at once."""
    count = 0
    while budget.spend(requests, now):
        count += 1
    return count


def test_new_service_may_retry_at_once() -> None:
    assert drained(retry_budget(0.2, 0, 100.0), 0, 100.0) == 30


def test_empty_budget_says_no_and_counts_it() -> None:
    budget = retry_budget(0.2, 0, 0.0)
    drained(budget, 0, 0.0)
    assert not budget.spend(0, 0.1)
    assert budget.exhausted == 2
    assert budget.spent == 30


def test_five_requests_make_one_token() -> None:
    budget = retry_budget(0.2, 0, 0.0)
    drained(budget, 0, 0.0)
    assert not budget.spend(4, 0.0)
    assert budget.spend(5, 0.0)
    assert not budget.spend(9, 0.0)
    assert budget.spend(10, 0.0)


def test_three_tokens_come_by_each_second() -> None:
    budget = retry_budget(0.0, 0, 0.0)
    drained(budget, 0, 0.0)
    assert drained(budget, 1_000_000, 1.0) == 3
    assert drained(budget, 2_000_000, 3.0) == 6


def test_steady_traffic_fills_in_ten_seconds_worth() -> None:
    budget = retry_budget(0.2, 0, 0.0)
    assert drained(budget, 100 * 1000, 1000.0) == 200 + 30


def test_tokens_of_a_busy_time_are_lost_in_ten_seconds() -> None:
    budget = retry_budget(0.2, 0, 0.0)
    assert budget.spend(1000, 10.0)
    assert drained(budget, 1000, 15.0) == 100 + 30
    assert budget.spend(2000, 16.0)
    assert drained(budget, 2000, 26.0) == 30


def test_requests_before_the_budget_count_for_nothing() -> None:
    assert drained(retry_budget(0.2, 1_000_000, 50.0), 1_000_000, 50.0) == 30


def test_changed_share_holds_from_the_next_spending_on() -> None:
    budget = retry_budget(0.2, 0, 0.0)
    drained(budget, 0, 0.0)
    budget.per_request = 1.0
    assert drained(budget, 50, 0.0) == 50


def test_memory_is_bounded_however_often_it_spends() -> None:
    budget = retry_budget(0.2, 0, 0.0)
    for tick in range(10_000):
        budget.spend(tick, tick * 0.01)
    assert len(budget._marks) <= WORTH + 3


def test_representation_tells_the_state() -> None:
    budget = retry_budget(0.2, 0, 0.0)
    budget.spend(0, 0.0)
    assert repr(budget) == "<Budget tokens=29.0 spent=1 exhausted=0>"


# (seconds since the last arrival, how many arrive at once)
ARRIVALS = st.lists(
    st.tuples(st.one_of(st.just(0.0), st.floats(0.0, 0.1), st.floats(0.0, 60.0)), st.integers(1, 200)), max_size=60
)


@given(ARRIVALS)
def test_outage_of_all_backends_adds_a_fifth_and_the_trickle(arrivals: list[tuple[float, int]]) -> None:
    now, requests, tries = 1000.0, 0, 0
    budget = retry_budget(0.2, 0, now)
    for gap, count in arrivals:
        now += gap
        for _ in range(count):
            requests += 1
            tries += 1
            for _ in range(ATTEMPTS - 1):
                if not budget.spend(requests, now):
                    break
                tries += 1
    assert tries == requests + budget.spent
    assert tries <= 1.2 * requests + TRICKLE * (WORTH + now - 1000.0) + 1e-6


@pytest.mark.parametrize("rate", [1, 10, 100, 1000], ids=lambda rate: f"{rate} requests per second")
def test_amplification_of_a_long_outage_is_no_less_than_allowed(rate: int) -> None:
    budget = retry_budget(0.2, 0, 0.0)
    for request in range(1, rate * 60 + 1):
        while budget.spend(request, request / rate) and budget.spent < 2 * request:
            pass
    assert budget.spent >= min(2 * rate * 60, 0.2 * rate * 60 + TRICKLE * 60)
