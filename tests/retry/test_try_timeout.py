"""When a second try starts, by the service's times to first byte, and how many may."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.fleet.statistics import BOUNDS, Histogram
from proxy.retry.try_timeout import hedge_budget, quantile, try_timeout


def histogram(*samples: tuple[int, float]) -> list[int]:
    """Counts of (how many, seconds)."""
    made = Histogram()
    for count, seconds in samples:
        for _ in range(count):
            made.observe(seconds)
    return made.counts


CASES = {
    "15 s without a backend": (None, [], 15.0),
    "15 s without a sample": (None, [histogram()], 15.0),
    "15 s with 99 samples": (None, [histogram((99, 0.3))], 15.0),
    "backends count together": (None, [histogram((50, 0.0)), histogram((50, 0.0))], 1.0),
    "a fast service has 1 s": (None, [histogram((1000, 0.004))], 1.0),
    "one slow answer in two hundred is not the rule": (None, [histogram((199, 0.004), (1, 9.0))], 1.0),
    "half a second is waited for fourfold": (None, [histogram((980, 0.1), (20, 0.5))], 4 * 0.375),
    "a slow service has 15 s": (None, [histogram((1000, 9.0))], 15.0),
    "so has one beyond the last bound": (None, [histogram((1000, 60.0))], 15.0),
    "a fixed value is taken as it is": (0.2, [histogram((1000, 9.0))], 0.2),
}


@pytest.mark.parametrize(("fixed", "first_bytes", "seconds"), CASES.values(), ids=CASES)
def test_try_timeout_follows_the_service(fixed: float | None, first_bytes: list[list[int]], seconds: float) -> None:
    assert try_timeout(fixed, first_bytes, BOUNDS) == pytest.approx(seconds)


@given(st.lists(st.floats(0.0, 20.0), min_size=1), st.floats(0.01, 1.0))
def test_quantile_lies_in_the_bucket_of_the_true_value(samples: list[float], share: float) -> None:
    true = sorted(samples)[ceil(share * len(samples)) - 1]
    found = quantile(share, histogram(*((1, seconds) for seconds in samples)), BOUNDS)
    upper = min((bound for bound in BOUNDS if bound >= true), default=BOUNDS[-1])
    lower = max((bound for bound in BOUNDS if bound < true), default=0.0)
    assert lower - 1e-9 <= found <= upper + 1e-9


def test_quantile_of_nothing_is_zero() -> None:
    assert quantile(0.99, histogram(), BOUNDS) == 0.0


@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 300)), max_size=40))
def test_at_most_one_request_in_twenty_is_hedged(arrivals: list[tuple[float, int]]) -> None:
    now, requests = 0.0, 0
    hedges = hedge_budget(0, now)
    for gap, count in arrivals:
        now += gap
        for _ in range(count):
            requests += 1
            hedges.spend(requests, now)
            assert hedges.spent <= 0.05 * requests + 1e-6


def test_quiet_service_may_hedge_its_twentieth_request() -> None:
    hedges = hedge_budget(0, 0.0)
    answers = [hedges.spend(request, request * 60.0) for request in range(1, 41)]
    assert answers.count(True) in (1, 2)
    assert not any(answers[:19])


def test_hedges_of_a_busy_day_are_not_spent_at_once() -> None:
    hedges = hedge_budget(0, 0.0)
    requests = 100 * 86_400
    spent = sum(hedges.spend(requests, 86_400.0) for _ in range(1000))
    assert spent == 50
