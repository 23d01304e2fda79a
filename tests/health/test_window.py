"""The ring of buckets, with literal times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.health.window import BUCKETS, Window


def counts(window: Window, now: float) -> tuple[int, int]:
    window.advance(now)
    return window.successes, window.failures


def test_what_is_too_old_is_forgotten() -> None:
    window = Window(10.0)
    window.add(3, 1, 100.0)
    window.add(0, 2, 105.0)
    assert counts(window, 109.9) == (3, 3)
    assert counts(window, 110.0) == (0, 2)
    assert counts(window, 115.0) == (0, 0)


def test_long_silence_empties_it() -> None:
    window = Window(10.0)
    window.add(3, 1, 5.0)
    assert counts(window, 1e9) == (0, 0)


def test_ratio_is_of_all_requests_in_it() -> None:
    window = Window(10.0)
    assert window.ratio == 0.0
    window.add(3, 1, 0.0)
    assert (window.ratio, window.requests) == (0.25, 4)


def test_resized_window_keeps_its_counts_as_of_now() -> None:
    window = Window(10.0)
    window.add(3, 1, 100.0)
    window.resize(60.0, 109.0)
    assert counts(window, 160.0) == (3, 1)
    assert counts(window, 170.0) == (0, 0)


def test_resize_to_the_same_span_keeps_the_age() -> None:
    window = Window(10.0)
    window.add(3, 1, 100.0)
    window.resize(10.0, 109.0)
    assert counts(window, 110.0) == (0, 0)


def test_part_that_leaves_takes_its_counts_along() -> None:
    whole, part = Window(10.0), Window(10.0)
    whole.add(5, 5, 100.0)
    for window in (whole, part):
        window.add(1, 2, 103.0)
    whole.move_out(part, 104.0)
    assert (counts(whole, 104.0), counts(part, 104.0)) == ((5, 5), (0, 0))
    assert counts(whole, 111.0) == (0, 0)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0.0, 7.0)), max_size=50),
    st.floats(1.0, 60.0),
)
def test_sums_are_those_of_the_buckets_that_are_left(steps: list[tuple[int, int, float]], seconds: float) -> None:
    window, now, added = Window(seconds), 1000.0, []
    for successes, failures, pause in steps:
        now += pause
        window.add(successes, failures, now)
        added.append((now, successes, failures))
    bucket = seconds / BUCKETS
    left = [each for each in added if int(each[0] / bucket) > int(now / bucket) - BUCKETS]
    assert counts(window, now) == (sum(each[1] for each in left), sum(each[2] for each in left))


def test_repr_tells_the_share() -> None:
    window = Window(10.0)
    window.add(3, 1, 0.0)
    assert repr(window) == "<Window 1/4 failed>"


@pytest.mark.parametrize("earlier", [95.0, 90.1, 0.0])
def test_time_that_goes_back_counts_as_now(earlier: float) -> None:
    window = Window(10.0)
    window.add(1, 0, 100.0)
    window.add(1, 0, earlier)
    assert counts(window, 100.0) == (2, 0)
