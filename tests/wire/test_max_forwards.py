"""Max-Forwards by table (RFC 9110 section 7.6.2): counted down for OPTIONS and TRACE, passed on for all others."""

import pytest

from proxy.failure import Failure
from proxy.wire.codec import parse_request
from proxy.wire.head import RequestHead
from proxy.wire.peer import Peer

pytestmark = pytest.mark.usefixtures("codec")
COUNTING = [b"OPTIONS", b"TRACE"]


def parse(method: bytes, *lines: bytes) -> RequestHead | Failure:
    return parse_request(b"\r\n".join((method + b" / HTTP/1.1", b"Host: a", *lines, b"", b"")), Peer(b"192.0.2.7"), 0)


def hops(head: RequestHead | Failure) -> list[bytes]:
    """The lines of the head to forward that say how far it may go."""
    assert isinstance(head, RequestHead), head
    return [line for line in head.forward.split(b"\r\n") if line.lower().startswith(b"max-forwards:")]


COUNTED = {
    "one": (b"1", b"0"),
    "ten": (b"10", b"9"),
    "blanks around it": (b"\t7 ", b"6"),
    "leading zeros": (b"007", b"6"),
    "more leading zeros than any number needs": (b"0" * 5000 + b"20", b"19"),
    "the most that is told apart": (b"1000000000", b"999999999"),
    "one more than that": (b"1000000001", b"999999999"),
    "far more than that": (b"9" * 5000, b"999999999"),
}


@pytest.mark.parametrize("method", COUNTING)
@pytest.mark.parametrize(("value", "less"), COUNTED.values(), ids=COUNTED)
@pytest.mark.http(22)
def test_22_request_goes_on_with_one_less(method: bytes, value: bytes, less: bytes) -> None:
    head = parse(method, b"max-forwards:" + value)
    assert hops(head) == [b"Max-Forwards: " + less]
    assert isinstance(head, RequestHead)
    assert head.ends_here is False


@pytest.mark.parametrize("method", COUNTING)
@pytest.mark.parametrize("value", [b"0", b"000"])
@pytest.mark.http(22)
def test_22_request_that_may_not_go_on_ends_here(method: bytes, value: bytes) -> None:
    head = parse(method, b"Max-Forwards: " + value)
    assert isinstance(head, RequestHead), head
    assert head.ends_here is True


@pytest.mark.parametrize("method", COUNTING)
@pytest.mark.http(22)
def test_22_request_without_it_goes_on_without(method: bytes) -> None:
    head = parse(method)
    assert hops(head) == []
    assert isinstance(head, RequestHead)
    assert head.ends_here is False


@pytest.mark.parametrize("method", COUNTING)
@pytest.mark.http(22)
def test_22_naming_it_in_connection_does_not_stop_the_count(method: bytes) -> None:
    assert hops(parse(method, b"Connection: Max-Forwards", b"Max-Forwards: 3")) == [b"Max-Forwards: 2"]


REFUSED = {
    "a sign": [b"Max-Forwards: +1"],
    "a negative number": [b"Max-Forwards: -1"],
    "a fraction": [b"Max-Forwards: 1.0"],
    "a list": [b"Max-Forwards: 1, 1"],
    "a space inside": [b"Max-Forwards: 1 1"],
    "hexadecimal": [b"Max-Forwards: 0x1"],
    "an 8-bit digit": [b"Max-Forwards: \xb2"],
    "nothing": [b"Max-Forwards:"],
    "two equal fields": [b"Max-Forwards: 1", b"Max-Forwards: 1"],
    "two differing fields": [b"Max-Forwards: 0", b"Max-Forwards: 9"],
}


@pytest.mark.parametrize("method", COUNTING)
@pytest.mark.parametrize("lines", REFUSED.values(), ids=REFUSED)
@pytest.mark.http(22)
def test_22_count_that_is_none_is_refused(method: bytes, lines: list[bytes]) -> None:
    assert parse(method, *lines) is Failure.BAD_FIELD


@pytest.mark.parametrize("method", [b"GET", b"POST", b"OPTION", b"options", b"TRACES", b"PATCH"])
@pytest.mark.http(22)
def test_22_other_methods_pass_it_unchanged(method: bytes) -> None:
    head = parse(method, b"max-forwards:0", b"Connection: max-forwards", b"Max-Forwards: x")
    assert hops(head) == [b"max-forwards:0", b"Max-Forwards: x"]
    assert isinstance(head, RequestHead)
    assert head.ends_here is False
