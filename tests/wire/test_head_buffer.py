"""A head in pieces gives what it gives in one, at linear cost."""

import time

import pytest

from proxy.wire.head_buffer import HeadBuffer
from tests.support.http_lines import rows

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.http(15)
def test_15_head_in_every_split_is_taken_whole() -> None:
    for cut in range(1, len(HEAD)):
        buffer = HeadBuffer(HEAD[:cut])
        assert buffer.take() is None
        assert not buffer.is_hopeless()
        buffer.add(HEAD[cut:] + b"rest")
        assert buffer.take() == (HEAD, b"rest")


@pytest.mark.http(15)
def test_15_head_byte_by_byte_costs_linear_time() -> None:
    def cost(size: int) -> float:
        began = time.process_time()
        buffer = HeadBuffer(b"G")
        for _ in range(size):
            buffer.add(b"x")
            assert buffer.take() is None
            assert not buffer.is_hopeless()
        return time.process_time() - began

    small = min(cost(2_000) for _ in range(5))
    large = min(cost(16_000) for _ in range(3))
    assert large < 8 * small * 3  # eight times the bytes; quadratic would be 64 times the time


HOPELESS = {
    "10 a bare LF ends the request line": b"GET / HTTP/1.1\n",
    "10 a bare LF ends a field": b"GET / HTTP/1.1\r\nHost: a\n",
    "a TLS handshake": b"\x16\x03\x01\x02\x00\x01",
    "12 a space first": b" GET / HTTP/1.1",
}


@pytest.mark.parametrize("raw", rows(HOPELESS))
def test_hopeless_head_is_seen_before_it_is_whole(raw: bytes) -> None:
    buffer = HeadBuffer(raw[:1])
    hopeless = False
    for index in range(1, len(raw)):
        assert buffer.take() is None
        hopeless = hopeless or buffer.is_hopeless()
        buffer.add(raw[index : index + 1])
    assert buffer.take() is None
    assert hopeless or buffer.is_hopeless()
