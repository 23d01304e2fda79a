"""How long to wait before the next try, and what Retry-After says."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.retry.backoff import LEAST, MOST, parse_retry_after, wait_before

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the moment of RFC 9110's examples


def test_another_backend_is_asked_at_once() -> None:
    assert wait_before(same_backend=False, retry_after=None, now_wall=NOW, chance=random.Random(1)) == 0.0


def test_the_same_backend_is_asked_after_any_time_in_the_range() -> None:
    chance = random.Random(2)
    waits = [wait_before(same_backend=True, retry_after=None, now_wall=NOW, chance=chance) or 0.0 for _ in range(2000)]
    assert LEAST <= min(waits) < LEAST + 0.01
    assert MOST - 0.01 < max(waits) <= MOST
    assert abs(sum(waits) / len(waits) - (LEAST + MOST) / 2) < 0.01


HONOURED = {
    "a second is waited for": (b"1", False, 1.0),
    "a second is longer than the random time": (b"1", True, 1.0),
    "no time at all": (b"0", False, 0.0),
    "a moment within a second": (b"Sun, 06 Nov 1994 08:49:38 GMT", False, 1.0),
    "a moment that is over": (b"Sun, 06 Nov 1994 08:49:36 GMT", False, 0.0),
    "two seconds are too long": (b"2", False, None),
    "also at the same backend": (b"2", True, None),
    "a moment too far away": (b"Sun, 06 Nov 1994 08:49:39 GMT", False, None),
    "what cannot be read is passed over": (b"soon", False, 0.0),
}


@pytest.mark.parametrize(("field", "same", "wait"), HONOURED.values(), ids=HONOURED)
def test_retry_after_is_honoured_up_to_a_second(field: bytes, same: bool, wait: float | None) -> None:
    assert wait_before(same_backend=same, retry_after=field, now_wall=NOW, chance=random.Random(3)) == wait


def test_the_random_time_is_kept_where_retry_after_is_shorter() -> None:
    wait = wait_before(same_backend=True, retry_after=b"0", now_wall=NOW, chance=random.Random(4))
    assert wait is not None
    assert LEAST <= wait <= MOST


READ = {
    "seconds": (b"120", 120.0),
    "seconds among blanks": (b" \t7 ", 7.0),
    "zeros in front": (b"0001", 1.0),
    "more digits than a number has": (b"9" * 30_000, float("inf")),
    "IMF-fixdate": (b"Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
    "RFC 850": (b"Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
    "asctime": (b"Sun Nov  6 08:49:47 1994", 10.0),
    "a date that is over": (b"Sat, 05 Nov 1994 08:49:47 GMT", 0.0),
}


@pytest.mark.parametrize(("field", "seconds"), READ.values(), ids=READ)
def test_field_is_read(field: bytes, seconds: float) -> None:
    assert parse_retry_after(field, NOW) == seconds


UNREADABLE = {
    "nothing": b"",
    "a word": b"soon",
    "a negative number": b"-1",
    "a fraction": b"0.5",
    "an exponent": b"1e3",
    "two values": b"1, 2",
    "another zone": b"Sun, 06 Nov 1994 08:49:47 CET",
    "no such day": b"Thu, 31 Nov 1994 08:49:47 GMT",
    "no such hour": b"Sun, 06 Nov 1994 24:49:47 GMT",
    "more after it": b"Sun, 06 Nov 1994 08:49:47 GMT and then",
    "a whole head of blanks": b"Sun," + b" " * 30_000 + b"!",
    "not ASCII": "Sun, 06 Nov 1994 08:49:47 GMT\u0661".encode(),
    "digits of another script": "\u0661".encode(),
}


@pytest.mark.parametrize("field", UNREADABLE.values(), ids=UNREADABLE)
def test_field_that_cannot_be_read_is_none(field: bytes) -> None:
    assert parse_retry_after(field, NOW) is None


@given(st.binary(max_size=64), st.booleans())
def test_whatever_a_backend_sends_the_wait_is_bounded(field: bytes, same: bool) -> None:
    wait = wait_before(same_backend=same, retry_after=field, now_wall=NOW, chance=random.Random(5))
    assert wait is None or 0.0 <= wait <= 1.0
