"""However a head or a body is made up, reading it costs time linear in its bytes. Numbers are docs/http.md's."""

import time
from collections.abc import Callable

import pytest

from proxy.wire import grammar
from proxy.wire.chunked import ChunkedDecoder
from proxy.wire.codec import parse_request
from proxy.wire.peer import Peer
from tests.support.http_lines import rows

CLIENT = Peer(b"192.0.2.7", trusted=True)
START = b"GET / HTTP/1.1\r\nHost: a\r\n"
SMALL, LARGE = 2_000, 32_000  # bytes
ROUNDS = 15

HEADS: dict[str, Callable[[int], bytes]] = {
    "75 one value": lambda size: START + b"A: " + b"x" * size,
    "75 blanks around a value": lambda size: START + b"A:" + b" \t" * (size // 2),
    "75 fields": lambda size: START + b"A:b\r\n" * (size // 5),
    "75 empty members of Connection": lambda size: START + b"Connection: " + b"," * size,
    "75 members of Connection": lambda size: START + b"Connection: " + b"ab," * (size // 3),
    "75 members of Transfer-Encoding": lambda size: START + b"Transfer-Encoding: " + b"chunked," * (size // 8),
    "75 digits of Content-Length": lambda size: START + b"Content-Length: " + b"1" * size,
    "75 a Host": lambda size: b"GET / HTTP/1.1\r\nHost: " + b"a.%3a" * (size // 5),
    "75 X-Forwarded-For": lambda size: START + b"X-Forwarded-For: " + b"1," * (size // 2),
    "75 a path": lambda size: b"GET " + b"/.." * (size // 3) + b" HTTP/1.1\r\nHost: a",
    "75 an absolute target": lambda size: b"GET http://" + b"a" * size + b"@ HTTP/1.1\r\nHost: a",
    "75 spaces in the request line": lambda size: b"GET" + b" " * size + b" HTTP/1.1\r\nHost: a",
}


def least(run: Callable[[], object]) -> float:
    """CPU seconds of the fastest of many runs."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        run()
        best = min(best, time.thread_time() - began)
    return best


def assert_linear(small: Callable[[], object], large: Callable[[], object]) -> None:
    """16 times the bytes cost 16 times the time, on a busy machine some multiple; quadratic would be 256 times."""
    fixed = 10e-6  # seconds that a call may take whatever its size, and the clock be wrong
    assert least(large) < LARGE / SMALL * 5 * (least(small) + fixed)


@pytest.mark.usefixtures("codec")
@pytest.mark.parametrize("make", rows(HEADS))
def test_any_head_is_read_in_linear_time(make: Callable[[int], bytes]) -> None:
    small, large = make(SMALL) + b"\r\n\r\n", make(LARGE) + b"\r\n\r\n"
    assert_linear(lambda: parse_request(small, CLIENT, 1), lambda: parse_request(large, CLIENT, 1))


BODIES: dict[str, Callable[[int], bytes]] = {
    "75 tiny chunks": lambda size: b"1\r\na\r\n" * (size // 6),
    "75 one chunk": lambda size: b"%x\r\n" % size + b"x" * size,
    "75 leading zeros": lambda size: b"0000000000000001\r\na\r\n" * (size // 21),
}


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("make", rows(BODIES))
def test_any_chunked_body_is_read_in_linear_time(make: Callable[[int], bytes], step: int) -> None:
    def read(raw: bytes) -> None:
        decoder = ChunkedDecoder()
        for index in range(0, len(raw), step):
            assert decoder.feed(raw[index : index + step]) is not None

    small, large = make(SMALL), make(LARGE)
    assert_linear(lambda: read(small), lambda: read(large))


@pytest.mark.http(75)
def test_line_that_never_ends_is_refused_at_its_limit_byte_by_byte() -> None:
    for begin, most in ((b"", 16 + 256 + 2), (b"0\r\n", grammar.MAX_TRAILERS + 2)):
        decoder = ChunkedDecoder()
        assert decoder.feed(begin + b"1;") is not None
        taken = 2
        while decoder.feed(b"x") is not None:
            taken += 1
            assert taken <= most
