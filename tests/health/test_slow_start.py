"""The numbers of a slow start."""

import pytest

from proxy.health.slow_start import most_in_flight, warmth, weight

WARMTHS = {
    "cold at once": (0.0, 10.0, 0.0),
    "half way": (5.0, 10.0, 0.5),
    "warm when the time is over": (10.0, 10.0, 1.0),
    "and after": (1000.0, 10.0, 1.0),
    "warm at once where there is no slow start": (0.0, 0.0, 1.0),
}


@pytest.mark.parametrize(("elapsed", "duration", "expected"), WARMTHS.values(), ids=WARMTHS)
def test_warmth_is_the_share_of_the_time(elapsed: float, duration: float, expected: float) -> None:
    assert warmth(elapsed, duration) == expected


WEIGHTS = {
    "a tenth at first": (1, 0.0, 1),
    "still a tenth before a tenth of the time": (5, 0.05, 5),
    "half of it half way": (3, 0.5, 15),
    "all of it, in tenths": (3, 1.0, 30),
}


@pytest.mark.parametrize(("full", "warm", "expected"), WEIGHTS.values(), ids=WEIGHTS)
def test_weight_is_in_tenths(full: int, warm: float, expected: int) -> None:
    assert weight(full, warm) == expected


CAPS = {
    "one where the others have nothing to do": (0.0, 0.5, 1),
    "one at first": (100.0, 0.0, 1),
    "rounded up": (10.0, 0.31, 4),
    "their mean in the end": (10.0, 1.0, 10),
}


@pytest.mark.parametrize(("mean", "warm", "expected"), CAPS.values(), ids=CAPS)
def test_most_in_flight_grows_with_the_warmth(mean: float, warm: float, expected: int) -> None:
    assert most_in_flight(mean, warm) == expected
