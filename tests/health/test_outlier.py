"""How sure it is that one fails more than the rest."""

import math

import pytest

from proxy.health.outlier import deviations

# By the normal approximation, which holds for numbers like these.
LARGE = {
    "a little more": (330, 1000, 3000, 10_000),
    "clearly more": (400, 1000, 3000, 10_000),
    "the rest is smaller": (5000, 10_000, 450, 1000),
}


@pytest.mark.parametrize("counts", LARGE.values(), ids=LARGE)
def test_for_large_numbers_it_is_the_difference_over_its_standard_error(counts: tuple[int, int, int, int]) -> None:
    failures, requests, rest_failures, rest_requests = counts
    share = (failures + rest_failures) / (requests + rest_requests)
    error = math.sqrt(share * (1 - share) * (1 / requests + 1 / rest_requests))
    expected = (failures / requests - rest_failures / rest_requests) / error
    assert deviations(*counts) == pytest.approx(expected, rel=0.05)


def test_for_small_numbers_it_is_less() -> None:
    """5 of 15 where one in twenty fails: five standard errors, and yet one time in two thousand."""
    assert 3.0 < deviations(5, 15, 5000, 100_000) < 3.6


NO_MORE = {
    "as many": (10, 100, 20, 200),
    "fewer": (1, 100, 20, 200),
    "none anywhere": (0, 10, 0, 10),
    "all everywhere": (10, 10, 10, 10),
}


@pytest.mark.parametrize("counts", NO_MORE.values(), ids=NO_MORE)
def test_where_no_more_fail_it_is_nothing(counts: tuple[int, int, int, int]) -> None:
    assert deviations(*counts) == 0.0


def test_all_here_and_none_there_is_beyond_doubt() -> None:
    assert deviations(10, 10, 0, 100) > 7.0
