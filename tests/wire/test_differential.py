"""Both implementations give the same answer to every head: accepted or refused, and meaning the same.

A bounded slice here; `python -m benchmarks.fuzz_wire` for millions. A disagreement found becomes a row of the tables.
"""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.wire import reference
from proxy.wire.head import RequestHead
from proxy.wire.peer import Peer
from tests.support.http_grammar import meaning, request_head, response_head
from tests.wire.conftest import implementation

PEERS = (Peer(b"192.0.2.7"), Peer(b"10.0.0.1", trusted=True))
CASES = 40_000
DATE = b"Wed, 25 Nov 2026 05:00:00 GMT"


@pytest.mark.parametrize("seed", range(2))
def test_requests_mean_the_same(seed: int) -> None:
    compiled = implementation("compiled")
    rng = random.Random(seed)
    for _ in range(CASES):
        raw, peer = request_head(rng), rng.choice(PEERS)
        assert meaning(compiled.parse_request(raw, peer)) == meaning(reference.parse_request(raw, peer)), raw


@pytest.mark.parametrize("seed", range(2))
def test_responses_mean_the_same(seed: int) -> None:
    compiled = implementation("compiled")
    rng = random.Random(seed)
    asked = [parsed(b"GET"), parsed(b"HEAD"), parsed(b"GET", b"HTTP/1.0")]
    for _ in range(CASES):
        raw, request, stays = response_head(rng), rng.choice(asked), rng.random() < 0.5
        one = compiled.parse_response(raw, request, stays, DATE)
        assert meaning(one) == meaning(reference.parse_response(raw, request, stays, DATE)), raw


@given(st.binary(max_size=60), st.binary(max_size=60))
@settings(max_examples=500)
@example(b"", b"")
@example(b"GET / HTTP/1.1\r\nHost: a", b"")
def test_any_bytes_mean_the_same(start: bytes, fields: bytes) -> None:
    compiled = implementation("compiled")
    raw = start + b"\r\n" + fields + b"\r\n\r\n"
    raw = raw[: raw.find(b"\r\n\r\n") + 4]
    assert meaning(compiled.parse_request(raw, PEERS[0])) == meaning(reference.parse_request(raw, PEERS[0]))


def parsed(method: bytes, version: bytes = b"HTTP/1.1") -> RequestHead:
    head = reference.parse_request(method + b" / " + version + b"\r\nHost: a\r\n\r\n", PEERS[0])
    assert isinstance(head, RequestHead)
    return head
