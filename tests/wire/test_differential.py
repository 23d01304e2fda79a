"""Both implementations give the same answer to every head: accepted or refused, and meaning the same.

A bounded slice here; `python -m benchmarks.fuzz_wire` for millions. A disagreement found becomes a row of the tables.
"""

import random
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.codec_comparison import Comparison
from tests.support.http_grammar import request_head, response_head
from tests.wire.conftest import implementation

CASES = 40_000


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return Comparison(implementation("compiled"))


@pytest.mark.parametrize("seed", range(2))
def test_requests_mean_the_same(comparison: Comparison, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(CASES):
        assert comparison.request(request_head(rng), rng) is None
    assert comparison.accepted > CASES / 5


@pytest.mark.parametrize("seed", range(2))
def test_responses_mean_the_same(comparison: Comparison, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(CASES):
        assert comparison.response(response_head(rng), rng) is None
    assert comparison.accepted > CASES / 5


def test_heads_with_something_behind_mean_the_same(comparison: Comparison) -> None:
    rng = random.Random(3)
    for _ in range(CASES // 4):
        behind = rng.choice((b"\r\n", b"\n", b"x", request_head(rng), response_head(rng)))
        assert comparison.request(request_head(rng) + behind, rng) is None
        assert comparison.response(response_head(rng) + behind, rng) is None


@given(st.randoms())
@settings(max_examples=200)
def test_heads_that_shrink_mean_the_same(comparison: Comparison, rng: random.Random) -> None:
    assert comparison.request(request_head(rng), rng) is None
    assert comparison.response(response_head(rng), rng) is None


@given(st.binary(max_size=60), st.binary(max_size=60))
@settings(max_examples=500)
@example(b"", b"")
@example(b"GET / HTTP/1.1\r\nHost: a", b"")
@example(b"HTTP/1.1 200 OK", b"A: b")
def test_any_bytes_mean_the_same(comparison: Comparison, start: bytes, fields: bytes) -> None:
    for raw in (start + b"\r\n" + fields + b"\r\n\r\n", start + fields):
        assert comparison.request(raw, random.Random(1)) is None
        assert comparison.response(raw, random.Random(1)) is None


def test_difference_is_found() -> None:
    blind = Comparison(SimpleNamespace(parse_request=lambda *_: None, parse_response=lambda *_: None))
    assert blind.request(b"GET / HTTP/1.1\r\n\r\n", random.Random(1)) is not None
    assert blind.response(b"HTTP/1.1 200 OK\r\n\r\n", random.Random(1)) is not None
