"""Upgrade and TE by table: which protocols are offered on, which 101 goes on, whose trailers. Numbers are http.md's."""

import pytest

from proxy.failure import Failure
from proxy.wire.codec import parse_request, parse_response
from proxy.wire.head import CHUNKED, RequestHead, ResponseHead
from proxy.wire.peer import Peer
from tests.support.http_lines import rows

pytestmark = pytest.mark.usefixtures("codec")
CLIENT = Peer(b"192.0.2.7")
DATE = b"Wed, 25 Nov 2026 05:00:00 GMT"
TAIL = [b"X-Forwarded-Host: a", b"X-Forwarded-For: 192.0.2.7", b"X-Forwarded-Proto: http", b"Via: 1.1 seawall"]


def asked(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> RequestHead:
    head = parse_request(b"\r\n".join((start, b"Host: a", *lines, b"", b"")), CLIENT, 0)
    assert isinstance(head, RequestHead), head
    return head


def forwarded(head: RequestHead) -> list[bytes]:
    """The lines of the head to forward behind its Host."""
    return head.forward.split(b"\r\n")[2:-2]


UPGRADES = {
    "65 a WebSocket": (
        [b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"],
        [b"Sec-WebSocket-Version: 13", b"Connection: upgrade", b"Upgrade: websocket"],
    ),
    "65 fields in any order and case": (
        [b"UPGRADE: WebSocket", b"connection: keep-alive,UPGRADE"],
        [b"Connection: upgrade", b"Upgrade: WebSocket"],
    ),
    "65 several protocols, with versions": (
        [b"Connection: upgrade", b"Upgrade: a/1,b\t,, C/2.0 "],
        [b"Connection: upgrade", b"Upgrade: a/1, b, C/2.0"],
    ),
    "65 several fields are one list": (
        [b"Connection: x", b"Upgrade: a", b"Connection: upgrade", b"Upgrade:", b"Upgrade: b"],
        [b"Connection: upgrade", b"Upgrade: a, b"],
    ),
    "65 sixteen protocols": (
        [b"Connection: upgrade", b"Upgrade: " + b"a," * 16],
        [b"Connection: upgrade", b"Upgrade: " + b"a, " * 15 + b"a"],
    ),
    "67 HTTP/2 beside another": (
        [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: H2C, websocket, h2", b"HTTP2-Settings: x"],
        [b"Connection: upgrade", b"Upgrade: websocket"],
    ),
    "68 with a body, which stays the body": (
        [b"Connection: upgrade", b"Upgrade: a", b"Content-Length: 5"],
        [b"Content-Length: 5", b"Connection: upgrade", b"Upgrade: a"],
    ),
    "31 trailers too": (
        [b"Connection: TE, upgrade", b"TE: trailers", b"Upgrade: a"],
        [b"Connection: upgrade, TE", b"Upgrade: a", b"TE: trailers"],
    ),
}


@pytest.mark.parametrize(("lines", "expected"), rows(UPGRADES))
def test_upgrade_is_asked_for_in_our_own_words(lines: list[bytes], expected: list[bytes]) -> None:
    head = asked(*lines)
    assert head.upgrades is True
    assert forwarded(head) == [*expected, *TAIL]


NO_UPGRADES = {
    "65 no Connection": ([b"Upgrade: websocket"], b"GET / HTTP/1.1"),
    "65 a Connection that names something else": (
        [b"Connection: upgrades, keep-alive", b"Upgrade: websocket"],
        b"GET / HTTP/1.1",
    ),
    "65 no Upgrade": ([b"Connection: upgrade"], b"GET / HTTP/1.1"),
    "65 HTTP/1.0": ([b"Connection: upgrade", b"Upgrade: websocket"], b"GET / HTTP/1.0"),
    "an empty Upgrade": ([b"Connection: upgrade", b"Upgrade: , ,"], b"GET / HTTP/1.1"),
    "a space in a protocol": ([b"Connection: upgrade", b"Upgrade: web socket"], b"GET / HTTP/1.1"),
    "a version without a name": ([b"Connection: upgrade", b"Upgrade: /13"], b"GET / HTTP/1.1"),
    "a slash without a version": ([b"Connection: upgrade", b"Upgrade: websocket/"], b"GET / HTTP/1.1"),
    "two slashes": ([b"Connection: upgrade", b"Upgrade: a/b/c"], b"GET / HTTP/1.1"),
    "8-bit bytes": ([b"Connection: upgrade", b"Upgrade: a\xe9"], b"GET / HTTP/1.1"),
    "a malformed protocol beside a good one": (
        [b"Connection: upgrade", b"Upgrade: websocket", b'Upgrade: "a"'],
        b"GET / HTTP/1.1",
    ),
    "65 seventeen protocols": ([b"Connection: upgrade", b"Upgrade: a" + b",a" * 16], b"GET / HTTP/1.1"),
    "67 h2c": ([b"Connection: Upgrade", b"Upgrade: h2c"], b"GET / HTTP/1.1"),
    "67 h2c in any case, and h2": ([b"Connection: Upgrade", b"Upgrade: H2c,H2"], b"GET / HTTP/1.1"),
    "67 h2c with a version": ([b"Connection: Upgrade", b"Upgrade: h2c/1"], b"GET / HTTP/1.1"),
}


@pytest.mark.parametrize(("lines", "start"), rows(NO_UPGRADES))
def test_upgrade_that_is_none_is_dropped(lines: list[bytes], start: bytes) -> None:
    head = asked(*lines, start=start)
    assert head.upgrades is False
    assert forwarded(head) == TAIL


@pytest.mark.http(68)
def test_68_framing_rules_hold_for_an_upgrade() -> None:
    upgrade = (b"Connection: upgrade", b"Upgrade: websocket")
    assert asked(*upgrade, b"Content-Length: 5").body == 5
    assert asked(*upgrade, b"Transfer-Encoding: chunked").body == CHUNKED
    raw = b"\r\n".join((b"GET / HTTP/1.1", b"Host: a", *upgrade, b"Content-Length: 5", b"Content-Length: 5", b"", b""))
    assert parse_request(raw, CLIENT, 0) is Failure.BAD_FRAMING
    assert parse_request(raw.replace(b"GET /", b"CONNECT a:1"), CLIENT, 0) is Failure.METHOD_REFUSED


TRAILERS = {
    "alone": (b"trailers", True),
    "in any case and with blanks": (b"\tTrailers ", True),
    "among others": (b"gzip;q=0.5,, trailers", True),
    "with a weight": (b"trailers ; q=0.5", True),
    "not at all": (b"gzip, deflate", False),
    "a name that begins like it": (b"trailersx", False),
    "as a parameter": (b"gzip;trailers", False),
    "nothing": (b"", False),
}


@pytest.mark.parametrize(("value", "takes"), TRAILERS.values(), ids=TRAILERS)
@pytest.mark.http(31)
def test_31_trailers_are_taken_by_whom_te_says(value: bytes, takes: bool) -> None:
    head = asked(b"TE: " + value)
    assert head.takes_trailers is takes
    assert forwarded(head) == ([b"Connection: TE", b"TE: trailers", *TAIL] if takes else TAIL)


@pytest.mark.http(31)
def test_31_http10_takes_no_trailers() -> None:
    head = asked(b"TE: trailers", start=b"GET / HTTP/1.0")
    assert head.takes_trailers is False
    assert forwarded(head) == TAIL


@pytest.mark.http(31)
def test_31_several_te_fields_are_one_list() -> None:
    assert asked(b"TE: trailers", b"TE: gzip").takes_trailers is True


# responses

UPGRADE = (b"Connection: upgrade", b"Upgrade: websocket")


def answered(*lines: bytes, to: RequestHead | None = None, status: bytes = b"101 Go") -> ResponseHead | Failure:
    raw = b"\r\n".join((b"HTTP/1.1 " + status, *lines, b"", b""))
    return parse_response(raw, to or asked(*UPGRADE), True, DATE)


SWITCHES = {
    "65 a WebSocket": (
        [b"Upgrade: WebSocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: x"],
        [b"Sec-WebSocket-Accept: x", b"Connection: upgrade", b"Upgrade: WebSocket"],
    ),
    "65 protocols on top of each other": (
        [b"Upgrade: a/1,b", b"Connection: keep-alive, upgrade", b"Upgrade: c"],
        [b"Connection: upgrade", b"Upgrade: a/1, b, c"],
    ),
    "23 what Connection names goes": (
        [b"X-Hop: 1", *UPGRADE, b"Connection: x-hop", b"Keep-Alive: timeout=5"],
        [b"Connection: upgrade", b"Upgrade: websocket"],
    ),
    "37 a length": ([*UPGRADE, b"Content-Length: 5"], [b"Connection: upgrade", b"Upgrade: websocket"]),
    "37 a coding": ([*UPGRADE, b"Transfer-Encoding: chunked"], [b"Connection: upgrade", b"Upgrade: websocket"]),
}


@pytest.mark.parametrize(("lines", "expected"), rows(SWITCHES))
def test_switch_that_was_asked_for_goes_on_without_framing(lines: list[bytes], expected: list[bytes]) -> None:
    head = answered(*lines)
    assert isinstance(head, ResponseHead), head
    assert (head.status, head.body, head.rechunk) == (101, 0, False)
    assert head.forward.split(b"\r\n") == [b"HTTP/1.1 101 Go", *expected, b"Via: 1.1 seawall", b"", b""]


def test_switched_connections_never_serve_again() -> None:
    head = answered(*UPGRADE)
    assert isinstance(head, ResponseHead), head
    assert (head.persistent, head.keeps_client) == (False, False)


NO_SWITCHES = {
    "no Connection": [b"Upgrade: websocket"],
    "a Connection that does not name it": [b"Connection: keep-alive", b"Upgrade: websocket"],
    "no Upgrade": [b"Connection: upgrade"],
    "an empty Upgrade": [b"Connection: upgrade", b"Upgrade:"],
    "a malformed Upgrade": [b"Connection: upgrade", b"Upgrade: web socket"],
    "67 h2c": [b"Connection: upgrade", b"Upgrade: h2c"],
    "67 h2 beside another": [*UPGRADE, b"Upgrade: H2"],
    "38 two lengths": [*UPGRADE, b"Content-Length: 1", b"Content-Length: 1"],
}


@pytest.mark.parametrize("lines", rows(NO_SWITCHES))
def test_malformed_switch_is_refused(lines: list[bytes]) -> None:
    assert answered(*lines) is Failure.BAD_RESPONSE


UNASKED = {
    "no upgrade": ([], b"GET / HTTP/1.1"),
    "an Upgrade that Connection did not name": ([b"Upgrade: websocket"], b"GET / HTTP/1.1"),
    "HTTP/1.0": ([*UPGRADE], b"GET / HTTP/1.0"),
    "HTTP/2, which was not passed on": ([b"Connection: upgrade", b"Upgrade: h2c"], b"GET / HTTP/1.1"),
}


@pytest.mark.parametrize(("lines", "start"), UNASKED.values(), ids=UNASKED)
@pytest.mark.http(43)
def test_43_switch_nobody_asked_for_is_refused(lines: list[bytes], start: bytes) -> None:
    assert answered(*UPGRADE, to=asked(*lines, start=start)) is Failure.BAD_RESPONSE


@pytest.mark.http(66)
def test_66_refused_upgrade_is_still_http() -> None:
    head = answered(b"Content-Length: 2", b"Date: x", b"Connection: upgrade", b"Upgrade: b", status=b"426 No")
    assert isinstance(head, ResponseHead), head
    assert (head.body, head.persistent, head.keeps_client) == (2, True, True)
    assert head.forward == b"HTTP/1.1 426 No\r\nDate: x\r\nContent-Length: 2\r\nVia: 1.1 seawall\r\n\r\n"
