"""Response heads by table: backends are read as strictly as clients. Numbers are http.md's."""

from types import ModuleType

import pytest

from proxy.failure import Failure
from proxy.wire.codec import parse_request, parse_response
from proxy.wire.head import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead
from proxy.wire.peer import Peer
from tests.support.http_lines import rows

pytestmark = pytest.mark.usefixtures("codec")
DATE = b"Wed, 25 Nov 2026 05:00:00 GMT"


def request(method: bytes = b"GET", version: bytes = b"HTTP/1.1", extra: bytes = b"") -> RequestHead:
    result = parse_request(method + b" / " + version + b"\r\nHost: a\r\n" + extra + b"\r\n", Peer(b"192.0.2.7"), 0)
    assert isinstance(result, RequestHead)
    return result


GET = request()
HTTP10 = request(version=b"HTTP/1.0", extra=b"Connection: keep-alive\r\n")


def head(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((start, *lines, b"", b""))


def parsed(raw: bytes, to: RequestHead = GET, stays: bool = True) -> ResponseHead:
    result = parse_response(raw, to, stays, DATE)
    assert isinstance(result, ResponseHead), result
    return result


REFUSED = {
    "38 both length and coding": head(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    "38 two lengths": head(b"Content-Length: 3", b"Content-Length: 4"),
    "38 a bad length": head(b"Content-Length: 3x"),
    "38 a negative length": head(b"Content-Length: -1"),
    "38 an unknown coding": head(b"Transfer-Encoding: gzip"),
    "38 a coding around chunked": head(b"Transfer-Encoding: gzip, chunked"),
    "38 chunked from HTTP/1.0": head(b"Transfer-Encoding: chunked", start=b"HTTP/1.0 200 OK"),
    "41 a bad name": head(b"A b: c"),
    "41 NUL in a value": head(b"A: \x00"),
    "41 a bare CR": head(b"A: b\rc"),
    "41 folding": head(b"A: b", b" c"),
    "41 no colon": head(b"A"),
    "41 a line end that is cut": b"HTTP/1.1 200 OK\r\n\r",
    "41 no empty line": b"HTTP/1.1 200 OK\r\nA: b\r\n",
    "41 no bytes": b"",
    "41 a line end where the reason may begin": b"HTTP/1.1 200",
    "41 no space before the reason": head(start=b"HTTP/1.1 200OK"),
    "41 a tab before the reason": head(start=b"HTTP/1.1 200\tOK"),
    "38 chunked twice": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "38 a length beside a coding in a 1xx": head(
        b"Transfer-Encoding: chunked", b"Content-Length: 1", start=b"HTTP/1.1 103 Early Hints"
    ),
    "41 garbage": b"\x00\x01\x02\r\n\r\n",
    "41 no status line": b"A: b\r\n\r\n",
    "41 a status of two digits": head(start=b"HTTP/1.1 20 OK"),
    "41 a status of four digits": head(start=b"HTTP/1.1 2000 OK"),
    "41 status 099": head(start=b"HTTP/1.1 099 OK"),
    "41 another version": head(start=b"HTTP/2.0 200 OK"),
    "41 a control byte in the reason": head(start=b"HTTP/1.1 200 O\x01K"),
    "44 too many fields": head(*[b"A: b"] * 101),
}


@pytest.mark.parametrize("raw", rows(REFUSED))
def test_bad_head_of_a_backend_is_refused(raw: bytes) -> None:
    assert parse_response(raw, GET, True, DATE) is Failure.BAD_RESPONSE


@pytest.mark.parametrize("rest", [b"A", head()], ids=["a body", "a second head"])
def test_bytes_behind_the_empty_line_are_not_of_the_head(rest: bytes) -> None:
    alone, first = (parse_response(data, GET, True, DATE) for data in (head(), head() + rest))
    assert isinstance(alone, ResponseHead)
    assert isinstance(first, ResponseHead)
    assert (first.forward, first.size) == (alone.forward, alone.size) == (alone.forward, len(head()))


def test_no_beginning_of_a_head_is_accepted() -> None:
    raw = head(b"Content-Length: 3", b"A: b")
    for end in range(len(raw)):
        assert parse_response(raw[:end], GET, True, DATE) is Failure.BAD_RESPONSE


BODIES = {
    "a length": (head(b"Content-Length: 5"), GET, 5, False),
    "37 HEAD has none": (head(b"Content-Length: 5"), request(b"HEAD"), 0, False),
    "37 204 has none": (head(b"Content-Length: 5", start=b"HTTP/1.1 204 No Content"), GET, 0, False),
    "37 304 has none": (head(b"Content-Length: 5", start=b"HTTP/1.1 304 Not Modified"), GET, 0, False),
    "chunked": (head(b"Transfer-Encoding: Chunked"), GET, CHUNKED, True),
    "chunked to HTTP/1.0 ends with the connection": (head(b"Transfer-Encoding: chunked"), HTTP10, CHUNKED, False),
    "39 neither: until close, in chunks of ours": (head(), GET, UNTIL_CLOSE, True),
    "39 neither to HTTP/1.0": (head(), HTTP10, UNTIL_CLOSE, False),
}


@pytest.mark.parametrize(("raw", "to", "body", "rechunk"), rows(BODIES))
def test_body_is_framed_by_rfc_9112_section_6_3(raw: bytes, to: RequestHead, body: int, rechunk: bool) -> None:
    response = parsed(raw, to)
    assert (response.body, response.rechunk) == (body, rechunk)


FORWARDED = {
    "14 Set-Cookie lines are not joined": (
        head(b"Set-Cookie: a", b"set-cookie: b", b"Date: x", b"Content-Length: 0"),
        GET,
        [b"HTTP/1.1 200 OK", b"Set-Cookie: a", b"set-cookie: b", b"Date: x", b"Content-Length: 0", b"Via: 1.1 seawall"],
    ),
    "23 hop-by-hop fields go": (
        head(
            b"Connection: X-Hop",
            b"X-Hop: 1",
            b"Keep-Alive: timeout=5",
            b"Upgrade: h2",
            b"Date: x",
            b"Content-Length: 0",
        ),
        GET,
        [b"HTTP/1.1 200 OK", b"Date: x", b"Content-Length: 0", b"Via: 1.1 seawall"],
    ),
    "23 what several Connection fields name goes": (
        head(
            b"A: 1", b"Connection: b,keep-alive", b"B: 2", b"Date: x", b"C: 3", b"Connection: ,C", b"Content-Length: 0"
        ),
        GET,
        [b"HTTP/1.1 200 OK", b"A: 1", b"Date: x", b"Content-Length: 0", b"Via: 1.1 seawall"],
    ),
    "32 a length without leading zeros": (
        head(b"Date: x", b"Content-Length: 0007"),
        GET,
        [b"HTTP/1.1 200 OK", b"Date: x", b"Content-Length: 7", b"Via: 1.1 seawall"],
    ),
    "32 a length of nothing but zeros": (
        head(b"Date: x", b"Content-Length: 000"),
        GET,
        [b"HTTP/1.1 200 OK", b"Date: x", b"Content-Length: 0", b"Via: 1.1 seawall"],
    ),
    "37 what chunks of a GET would have said to HEAD stays": (
        head(b"Date: x", b"Transfer-Encoding: chunked"),
        request(b"HEAD"),
        [b"HTTP/1.1 200 OK", b"Date: x", b"Transfer-Encoding: chunked", b"Via: 1.1 seawall"],
    ),
    "42 no reason and no space before it": (
        head(b"Date: x", b"Content-Length: 0", start=b"HTTP/1.1 200"),
        GET,
        [b"HTTP/1.1 200", b"Date: x", b"Content-Length: 0", b"Via: 1.1 seawall"],
    ),
    "26 Date is added": (
        head(b"Content-Length: 0"),
        GET,
        [b"HTTP/1.1 200 OK", b"Content-Length: 0", b"Date: " + DATE, b"Via: 1.1 seawall"],
    ),
    "37 a length of 204 goes": (
        head(b"Date: x", b"Content-Length: 5", start=b"HTTP/1.1 204 No Content"),
        GET,
        [b"HTTP/1.1 204 No Content", b"Date: x", b"Via: 1.1 seawall"],
    ),
    "37 a length of HEAD stays": (
        head(b"Date: x", b"Content-Length: 5"),
        request(b"HEAD"),
        [b"HTTP/1.1 200 OK", b"Date: x", b"Content-Length: 5", b"Via: 1.1 seawall"],
    ),
    "39 chunks of ours for a body until close": (
        head(b"Date: x", start=b"HTTP/1.0 200 OK"),
        GET,
        [b"HTTP/1.1 200 OK", b"Date: x", b"Transfer-Encoding: chunked", b"Via: 1.1 seawall"],
    ),
    "48 what HTTP/1.0 asked for is said": (
        head(b"Date: x", b"Content-Length: 0"),
        HTTP10,
        [b"HTTP/1.1 200 OK", b"Date: x", b"Content-Length: 0", b"Connection: keep-alive", b"Via: 1.1 seawall"],
    ),
    "39 HTTP/1.0 gets a body until close": (
        head(b"Date: x", b"Transfer-Encoding: chunked"),
        HTTP10,
        [b"HTTP/1.1 200 OK", b"Date: x", b"Connection: close", b"Via: 1.1 seawall"],
    ),
    "42 an empty reason and an unusual code stay": (
        head(b"Date: x", b"Content-Length: 0", start=b"HTTP/1.1 599 "),
        GET,
        [b"HTTP/1.1 599 ", b"Date: x", b"Content-Length: 0", b"Via: 1.1 seawall"],
    ),
}


@pytest.mark.parametrize(("raw", "to", "lines"), rows(FORWARDED))
def test_head_goes_on_as_it_came_but_for_what_is_ours(raw: bytes, to: RequestHead, lines: list[bytes]) -> None:
    assert parsed(raw, to).forward.split(b"\r\n") == [*lines, b"", b""]


PERSISTENCE = {
    "HTTP/1.1": (head(b"Content-Length: 0"), True),
    "close": (head(b"Content-Length: 0", b"Connection: Close"), False),
    "until close": (head(), False),
    "HTTP/1.0": (head(b"Content-Length: 0", start=b"HTTP/1.0 200 OK"), False),
    "HTTP/1.0 with keep-alive": (head(b"Content-Length: 0", b"Connection: keep-alive", start=b"HTTP/1.0 200 OK"), True),
}


@pytest.mark.parametrize(("raw", "persistent"), PERSISTENCE.values(), ids=PERSISTENCE)
@pytest.mark.http(48)
def test_48_upstream_connection_stays_by_version_and_field(raw: bytes, persistent: bool) -> None:
    assert parsed(raw).persistent is persistent


@pytest.mark.http(48)
def test_48_client_that_goes_is_told_so() -> None:
    assert b"\r\nConnection: close\r\n" in parsed(head(b"Content-Length: 0"), stays=False).forward


KEEP_ALIVE = {
    "in any place": (b"max=9, timeout=5", 5),
    "in any case": (b"Timeout=5", 5),
    "behind a blank": (b"max=9\ttimeout=5", 5),
    "blanks and a quotation mark": (b'timeout =\t"7"', 7),
    "six digits count": (b"timeout=1234567", 123456),
    "none": (b"max=9", None),
    "nothing behind it": (b"timeout", None),
    "nothing behind the sign": (b"timeout=", None),
    "no digits": (b"timeout=x", None),
    "the first that is one": (b"timeout=x, timeout=4, timeout=3", 4),
    "a name that ends like it": (b"xtimeout=5", None),
    "behind a semicolon": (b"max=1;timeout=5", None),
    "zero": (b"timeout=0", 0),
}


@pytest.mark.parametrize(("value", "seconds"), KEEP_ALIVE.values(), ids=KEEP_ALIVE)
def test_keep_alive_of_the_backend_is_read(value: bytes, seconds: int | None) -> None:
    assert parsed(head(b"Content-Length: 0", b"Keep-Alive: " + value)).keep_alive == seconds


def test_keep_alive_that_a_backend_does_not_send_is_none() -> None:
    assert parsed(head(b"Content-Length: 0")).keep_alive is None
    assert parsed(head(b"Content-Length: 0", b"Keep-Alive: timeout=5", b"Keep-Alive: max=1")).keep_alive is None


@pytest.mark.http(43)
def test_43_interim_head_has_no_framing() -> None:
    response = parsed(head(b"Link: </a>", b"Content-Length: 9", start=b"HTTP/1.1 103 Early Hints"))
    assert (response.status, response.body) == (103, 0)
    assert response.forward == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def test_each_codec_is_the_one_under_test(codec: ModuleType) -> None:
    assert parse_response is codec.parse_response
