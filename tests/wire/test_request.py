"""Request heads by table: what passes and how it goes on, what is refused and why. Numbers are http.md's."""

from types import ModuleType

import pytest

from proxy.failure import Failure
from proxy.wire.codec import parse_request
from proxy.wire.head import CHUNKED, RequestHead
from proxy.wire.peer import Peer
from tests.support.http_lines import rows

pytestmark = pytest.mark.usefixtures("codec")
CLIENT = Peer(b"192.0.2.7")
TRUSTED = Peer(b"10.0.0.1", trusted=True)
TAIL = [
    b"X-Forwarded-Host: a",
    b"X-Forwarded-For: 192.0.2.7",
    b"X-Forwarded-Proto: http",
    b"Via: 1.1 seawall",
    b"",
    b"",
]


def head(*lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bytes | None = b"Host: a") -> bytes:
    return b"\r\n".join((start, *((host,) if host is not None else ()), *lines, b"", b""))


def parsed(raw: bytes, peer: Peer = CLIENT) -> RequestHead:
    result = parse_request(raw, peer, 0)
    assert isinstance(result, RequestHead), result
    return result


REFUSED = {
    "1 Transfer-Encoding with Content-Length": (
        head(b"Transfer-Encoding: chunked", b"Content-Length: 3"),
        Failure.BAD_FRAMING,
    ),
    "1 Content-Length with Transfer-Encoding": (
        head(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        Failure.BAD_FRAMING,
    ),
    "2 two codings": (head(b"Transfer-Encoding: gzip, chunked"), Failure.BAD_FRAMING),
    "2 chunked twice in one field": (head(b"Transfer-Encoding: chunked, chunked"), Failure.BAD_FRAMING),
    "2 chunked in two fields": (
        head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        Failure.BAD_FRAMING,
    ),
    "2 chunked with a parameter": (head(b"Transfer-Encoding: chunked;q=1"), Failure.UNKNOWN_CODING),
    "2 an empty list element": (head(b"Transfer-Encoding: ,chunked"), Failure.BAD_FRAMING),
    "2 identity": (head(b"Transfer-Encoding: identity"), Failure.BAD_FRAMING),
    "2 no coding at all": (head(b"Transfer-Encoding:"), Failure.BAD_FRAMING),
    "2 an unknown coding": (head(b"Transfer-Encoding: zstd"), Failure.UNKNOWN_CODING),
    "2 a name that looks like chunked": (head(b"Transfer-Encoding: xchunked"), Failure.UNKNOWN_CODING),
    "2 vertical tab around chunked": (head(b"Transfer-Encoding: \x0bchunked"), Failure.BAD_FIELD),
    "2 8-bit space around chunked": (head(b"Transfer-Encoding: \x85chunked"), Failure.UNKNOWN_CODING),
    "3 a sign": (head(b"Content-Length: +3"), Failure.BAD_FRAMING),
    "3 a negative length": (head(b"Content-Length: -3"), Failure.BAD_FRAMING),
    "3 hexadecimal": (head(b"Content-Length: 0x3"), Failure.BAD_FRAMING),
    "3 an underscore": (head(b"Content-Length: 1_0"), Failure.BAD_FRAMING),
    "3 a comma": (head(b"Content-Length: 3, 3"), Failure.BAD_FRAMING),
    "3 a space inside": (head(b"Content-Length: 3 3"), Failure.BAD_FRAMING),
    "3 an empty value": (head(b"Content-Length:"), Failure.BAD_FRAMING),
    "3 an empty one beside a good one": (head(b"Content-Length:", b"Content-Length: 3"), Failure.BAD_FRAMING),
    "3 two equal fields": (head(b"Content-Length: 3", b"Content-Length: 3"), Failure.BAD_FRAMING),
    "3 two differing fields": (head(b"Content-Length: 3", b"Content-Length: 4"), Failure.BAD_FRAMING),
    "3 overflow by one": (head(b"Content-Length: 9223372036854775808"), Failure.BAD_FRAMING),
    "3 overflow that wraps": (head(b"Content-Length: 18446744073709551619"), Failure.BAD_FRAMING),
    "3 more digits than any number needs": (head(b"Content-Length: " + b"0" * 40 + b"3"), Failure.BAD_FRAMING),
    "4 chunked in HTTP/1.0": (head(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0"), Failure.BAD_FRAMING),
    "7 an empty name": (head(b": x"), Failure.BAD_FIELD),
    "7 a space before the colon": (head(b"Accept : x"), Failure.BAD_FIELD),
    "7 a tab before the colon": (head(b"Accept\t: x"), Failure.BAD_FIELD),
    "7 a control byte in a name": (head(b"Acc\x01ept: x"), Failure.BAD_FIELD),
    "7 NUL in a name": (head(b"Acc\x00ept: x"), Failure.BAD_FIELD),
    "7 an 8-bit byte in a name": (head(b"Acc\xe9pt: x"), Failure.BAD_FIELD),
    "7 a line without colon": (head(b"Accept"), Failure.BAD_FIELD),
    "8 folding by a space": (head(b"Accept: x", b" y"), Failure.BAD_FIELD),
    "8 folding by a tab": (head(b"Accept: x", b"\ty"), Failure.BAD_FIELD),
    "8 a malformed line counts before a length it follows": (
        head(b"Content-Length: x", b"Accept : x"),
        Failure.BAD_FIELD,
    ),
    "8 a first line that starts with a space": (head(b"Accept: x", host=b" Host: a"), Failure.BAD_FIELD),
    "9 a bare CR in a value": (head(b"Accept: x\ry"), Failure.BAD_FIELD),
    "9 NUL in a value": (head(b"Accept: x\x00y"), Failure.BAD_FIELD),
    "9 a control byte in a value": (head(b"Accept: x\x1fy"), Failure.BAD_FIELD),
    "9 DEL in a value": (head(b"Accept: x\x7fy"), Failure.BAD_FIELD),
    "9 a bare CR in the request line": (head(start=b"GET /\r HTTP/1.1"), Failure.BAD_TARGET),
    "10 a bare LF between lines": (b"GET / HTTP/1.1\r\nHost: a\nAccept: x\r\n\r\n", Failure.BAD_FIELD),
    "10 a bare LF after the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", Failure.BAD_REQUEST_LINE),
    "10 a CRLF that is cut": (b"GET / HTTP/1.1\r\nHost: a\r\n\r", Failure.BAD_FIELD),
    "10 no empty line": (b"GET / HTTP/1.1\r\nHost: a\r\n", Failure.BAD_FIELD),
    "10 no line end at all": (b"GET / HTTP/1.1", Failure.BAD_REQUEST_LINE),
    "no bytes": (b"", Failure.BAD_REQUEST_LINE),
    "11 a method that is no token": (head(start=b"G(T / HTTP/1.1"), Failure.BAD_REQUEST_LINE),
    "11 an empty method": (head(start=b" / HTTP/1.1"), Failure.BAD_REQUEST_LINE),
    "12 two spaces": (head(start=b"GET  / HTTP/1.1"), Failure.BAD_REQUEST_LINE),
    "12 a tab": (head(start=b"GET\t/ HTTP/1.1"), Failure.BAD_REQUEST_LINE),
    "12 a space at the end": (head(start=b"GET / HTTP/1.1 "), Failure.BAD_REQUEST_LINE),
    "12 HTTP/0.9": (b"GET /\r\n\r\n", Failure.BAD_REQUEST_LINE),
    "12 lower case http": (head(start=b"GET / http/1.1"), Failure.BAD_REQUEST_LINE),
    "12 HTTP/1.2": (head(start=b"GET / HTTP/1.2"), Failure.BAD_VERSION),
    "12 HTTP/2.0": (head(start=b"GET / HTTP/2.0"), Failure.BAD_VERSION),
    "12 the HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\n", Failure.BAD_VERSION),
    "13 an empty line where the request should be": (b"\r\n\r\n", Failure.BAD_REQUEST_LINE),
    "16 no Host": (head(host=None), Failure.BAD_HOST),
    "16 an empty Host": (head(host=b"Host:"), Failure.BAD_HOST),
    "16 two Hosts": (head(b"Host: b"), Failure.BAD_HOST),
    "16 two equal Hosts": (head(b"Host: a"), Failure.BAD_HOST),
    "16 a space in Host": (head(host=b"Host: a b"), Failure.BAD_HOST),
    "16 a comma-joined Host": (head(host=b"Host: a,/b"), Failure.BAD_HOST),
    "16 a slash in Host": (head(host=b"Host: a/b"), Failure.BAD_HOST),
    "16 an @ in Host": (head(host=b"Host: a@b"), Failure.BAD_HOST),
    "16 a # in Host": (head(host=b"Host: a#b"), Failure.BAD_HOST),
    "16 a port that is no number": (head(host=b"Host: a:b"), Failure.BAD_HOST),
    "16 a port too high": (head(host=b"Host: a:65536"), Failure.BAD_HOST),
    "16 a bad Host beside the one of absolute-form": (
        head(start=b"GET http://a/ HTTP/1.1", host=b"Host: b c"),
        Failure.BAD_HOST,
    ),
    "16 an IPv6 address without its bracket": (head(host=b"Host: [::1"), Failure.BAD_HOST),
    "16 brackets around nothing": (head(host=b"Host: []"), Failure.BAD_HOST),
    "16 a zone without a name": (head(host=b"Host: [::1%25]"), Failure.BAD_HOST),
    "16 a port of six digits": (head(host=b"Host: a:000080"), Failure.BAD_HOST),
    "18 an empty target": (head(start=b"GET  HTTP/1.1"), Failure.BAD_TARGET),
    "18 a target without slash": (head(start=b"GET x HTTP/1.1"), Failure.BAD_TARGET),
    "18 * for GET": (head(start=b"GET * HTTP/1.1"), Failure.BAD_TARGET),
    "19 another scheme": (head(start=b"GET ftp://a/ HTTP/1.1"), Failure.BAD_TARGET),
    "19 no authority": (head(start=b"GET http:///x HTTP/1.1"), Failure.BAD_TARGET),
    "19 a vertical tab in the authority": (head(start=b"GET http://a\x0b/ HTTP/1.1"), Failure.BAD_TARGET),
    "19 userinfo": (head(start=b"GET http://u@a/ HTTP/1.1"), Failure.BAD_TARGET),
    "19 a fragment in absolute-form": (head(start=b"GET http://a/#x HTTP/1.1"), Failure.BAD_TARGET),
    "19 a bad authority": (head(start=b"GET http://a:b/ HTTP/1.1"), Failure.BAD_HOST),
    "20 CONNECT": (head(start=b"CONNECT a:443 HTTP/1.1"), Failure.METHOD_REFUSED),
    "21 a control byte in the target": (head(start=b"GET /\x01 HTTP/1.1"), Failure.BAD_TARGET),
    "a fragment in the target": (head(start=b"GET /#x HTTP/1.1"), Failure.BAD_TARGET),
    "46 an unknown expectation": (head(b"Expect: 200-ok"), Failure.UNKNOWN_EXPECTATION),
    "70 a target over 8 KiB": (head(start=b"GET /" + b"x" * 8192 + b" HTTP/1.1"), Failure.TARGET_TOO_LONG),
    "70 101 fields": (head(*[b"A: b"] * 100), Failure.TOO_MANY_FIELDS),
    "70 a malformed one behind 101 fields": (head(*[b"A: b"] * 100, b"A"), Failure.BAD_FIELD),
}


@pytest.mark.parametrize(("raw", "failure"), rows(REFUSED))
def test_ambiguous_head_is_refused(raw: bytes, failure: Failure) -> None:
    assert parse_request(raw, CLIENT, 0) is failure
    assert 400 <= failure.status < 506


@pytest.mark.parametrize("rest", [b"A", head()], ids=["a body", "a second head"])
def test_bytes_behind_the_empty_line_are_not_of_the_head(rest: bytes) -> None:
    alone, first = (parse_request(data, CLIENT, 0) for data in (head(), head() + rest))
    assert isinstance(alone, RequestHead)
    assert isinstance(first, RequestHead)
    assert (first.forward, first.raw) == (alone.forward, alone.raw) == (alone.forward, head())


def test_no_beginning_of_a_head_is_accepted() -> None:
    raw = head(b"Content-Length: 3", b"A: b")
    for end in range(len(raw)):
        assert isinstance(parse_request(raw[:end], CLIENT, 0), Failure)


KEPT = {
    "5 neither length nor coding: no body": (head(start=b"POST / HTTP/1.1"), 0),
    "6 GET with a body keeps it": (head(b"Content-Length: 3"), 3),
    "2 chunked in any case and with blanks": (
        head(b"Transfer-Encoding: \tChunKed ", start=b"POST / HTTP/1.1"),
        CHUNKED,
    ),
    "3 leading zeros are digits": (head(b"Content-Length: 003"), 3),
    "3 the largest length": (head(b"Content-Length: 9223372036854775807"), 2**63 - 1),
}


@pytest.mark.parametrize(("raw", "body"), rows(KEPT))
def test_body_is_framed_as_sent(raw: bytes, body: int) -> None:
    assert parsed(raw).body == body


FORWARDED = {
    "14 order, spelling and repetition stay": (
        head(b"b: 1", b"A: 2", b"B: 3", b"a:4"),
        [b"GET / HTTP/1.1", b"Host: a", b"b: 1", b"A: 2", b"B: 3", b"a:4", *TAIL],
    ),
    "9 8-bit bytes in values stay": (head(b"A: \xe9"), [b"GET / HTTP/1.1", b"Host: a", b"A: \xe9", *TAIL]),
    "11 unknown methods stay, case too": (head(start=b"Frob / HTTP/1.1"), [b"Frob / HTTP/1.1", b"Host: a", *TAIL]),
    "21 path and query stay as sent": (
        head(start=b"GET /a%2f..//%0d%0a?q=%20&\xe9 HTTP/1.1"),
        [b"GET /a%2f..//%0d%0a?q=%20&\xe9 HTTP/1.1", b"Host: a", *TAIL],
    ),
    "23 hop-by-hop fields go": (
        head(b"Connection: keep-alive", b"Keep-Alive: 5", b"Proxy-Connection: x", b"TE: gzip", b"Upgrade: h2c"),
        [b"GET / HTTP/1.1", b"Host: a", *TAIL],
    ),
    "23 what Connection names goes": (
        head(b"Connection: X-Hop, close", b"x-hop: 1", b"X-Hop-2: 2"),
        [b"GET / HTTP/1.1", b"Host: a", b"X-Hop-2: 2", *TAIL],
    ),
    "23 naming cannot remove what protects": (
        head(
            b"Connection: Host, Cookie, Authorization, Content-Length",
            b"Cookie: c",
            b"Authorization: x",
            b"Content-Length: 1",
        ),
        [b"GET / HTTP/1.1", b"Host: a", b"Cookie: c", b"Authorization: x", b"Content-Length: 1", *TAIL],
    ),
    "25 claims of an untrusted peer go": (
        head(
            b"X-Forwarded-For: 1.1.1.1",
            b"x-forwarded-proto: https",
            b"Forwarded: for=1",
            b"X-Real-IP: 1",
            b"X-Forwarded-User: root",
        ),
        [b"GET / HTTP/1.1", b"Host: a", *TAIL],
    ),
    "25 a claim with a name as long as Content-Length goes": (
        head(b"X-Forwarded-Ab: x", b"X-Forwarded-Ab12: y", b"X-Forwarded-: z"),
        [b"GET / HTTP/1.1", b"Host: a", *TAIL],
    ),
    "25 naming X-Forwarded-For cannot remove it": (
        head(b"Connection: X-Forwarded-For"),
        [b"GET / HTTP/1.1", b"Host: a", *TAIL],
    ),
    "27 underscore twins go": (
        head(b"X_Forwarded_For: 1.1.1.1", b"Content_Length: 9", b"my_field: stays"),
        [b"GET / HTTP/1.1", b"Host: a", b"my_field: stays", *TAIL],
    ),
    "45 Expect stays": (
        head(b"Expect: 100-Continue", b"Content-Length: 1"),
        [b"GET / HTTP/1.1", b"Host: a", b"Expect: 100-continue", b"Content-Length: 1", *TAIL],
    ),
    "46 Expect of HTTP/1.0 goes": (
        head(b"Expect: 100-continue", start=b"GET / HTTP/1.0"),
        [b"GET / HTTP/1.1", b"Host: a", *TAIL],
    ),
    "19 the host of absolute-form wins": (
        head(start=b"GET http://A:80/x?y HTTP/1.1", host=b"Host: other"),
        [b"GET /x?y HTTP/1.1", b"Host: A:80", b"X-Forwarded-Host: A:80", *TAIL[1:]],
    ),
    "19 absolute-form without a path": (
        head(start=b"GET https://a?y HTTP/1.1"),
        [b"GET /?y HTTP/1.1", b"Host: a", *TAIL],
    ),
    "19 an empty Host beside absolute-form": (
        head(start=b"GET http://a/ HTTP/1.1", host=b"Host:"),
        [b"GET / HTTP/1.1", b"Host: a", *TAIL],
    ),
    "23 what several Connection fields name goes": (
        head(b"a: 1", b"Connection: B ,, keep-alive", b"b:2", b"C: 3", b"connection: c\t"),
        [b"GET / HTTP/1.1", b"Host: a", b"a: 1", *TAIL],
    ),
    "16 Host in another place and spelling": (
        head(b"A: b", b"host:\ta ", b"C: d", host=None),
        [b"GET / HTTP/1.1", b"Host: a", b"A: b", b"C: d", *TAIL],
    ),
    "17 HTTP/1.0 goes on as HTTP/1.1": (head(start=b"GET / HTTP/1.0"), [b"GET / HTTP/1.1", b"Host: a", *TAIL]),
    "27 underscores that stand for nothing of ours stay": (
        head(b"X_Forwarded: 1", b"Content_Lengths: 2", b"X_Forwarded_: goes", b"X_Forwarded_For_Each_And_All: goes"),
        [b"GET / HTTP/1.1", b"Host: a", b"X_Forwarded: 1", b"Content_Lengths: 2", *TAIL],
    ),
    "32 our own framing": (
        head(b"transfer-encoding: CHUNKED", start=b"POST / HTTP/1.1"),
        [b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked", *TAIL],
    ),
}


@pytest.mark.parametrize(("raw", "lines"), rows(FORWARDED))
def test_head_goes_on_as_it_came_but_for_what_is_ours(raw: bytes, lines: list[bytes]) -> None:
    assert parsed(raw).forward.split(b"\r\n") == lines


def test_claims_of_a_trusted_peer_are_continued() -> None:
    raw = head(
        b"X-Forwarded-For: 1.1.1.1", b"X-Forwarded-For: 2.2.2.2", b"X-Forwarded-Proto: https", b"X-Forwarded-Port: 443"
    )
    lines = parsed(raw, TRUSTED).forward.split(b"\r\n")
    assert b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.1" in lines
    assert b"X-Forwarded-Proto: https" in lines
    assert b"X-Forwarded-Port: 443" in lines
    assert sum(line.lower().startswith(b"x-forwarded-for") for line in lines) == 1


CLAIMS = {
    "25 several lines are one list": (
        [b"X-Forwarded-For: 1.1.1.1", b"x-forwarded-for:\t2.2.2.2, 3.3.3.3 "],
        [b"X-Forwarded-Host: a", b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.1", b"X-Forwarded-Proto: http"],
    ),
    "25 the first host and scheme that say something count": (
        [
            b"X-Forwarded-Host: ",
            b"X-Forwarded-Host: b",
            b"X-Forwarded-Proto:",
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Host: c",
        ],
        [b"X-Forwarded-Host: b", b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-Proto: https"],
    ),
    "25 claims that say nothing": (
        [b"X-Forwarded-For:", b"X-Forwarded-Host:"],
        [b"X-Forwarded-Host: a", b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-Proto: http"],
    ),
    "27 underscores of a trusted peer stay": (
        [b"X_Forwarded_For: 1.1.1.1", b"Forwarded: for=b", b"X-Real-IP: c"],
        [
            b"X_Forwarded_For: 1.1.1.1",
            b"Forwarded: for=b",
            b"X-Real-IP: c",
            b"X-Forwarded-Host: a",
            b"X-Forwarded-For: 10.0.0.1",
            b"X-Forwarded-Proto: http",
        ],
    ),
    "70 as many as there may be": (
        [b"X-Forwarded-For: 1"] * 99,
        [b"X-Forwarded-Host: a", b"X-Forwarded-For: " + b"1, " * 99 + b"10.0.0.1", b"X-Forwarded-Proto: http"],
    ),
}


@pytest.mark.parametrize(("claims", "lines"), rows(CLAIMS))
def test_trusted_peer_is_believed(claims: list[bytes], lines: list[bytes]) -> None:
    forward = parsed(head(*claims), TRUSTED).forward.split(b"\r\n")
    assert forward == [b"GET / HTTP/1.1", b"Host: a", *lines, b"Via: 1.1 seawall", b"", b""]


HOSTS = {
    "lower case, without port": (b"EXAMPLE.com:8080", b"example.com"),
    "IPv6 in brackets": (b"[::1]:80", b"[::1]"),
    "an empty port": (b"a:", b"a"),
    "IPv6 with a zone": (b"[FE80::1%25Eth0]", b"[fe80::1%25eth0]"),
    "one letter": (b"A", b"a"),
    "the highest port": (b"a:65535", b"a"),
    "an underscore, as compose makes them": (b"my_app", b"my_app"),
}


@pytest.mark.parametrize(("value", "host"), HOSTS.values(), ids=HOSTS)
def test_host_is_read_without_its_port(value: bytes, host: bytes) -> None:
    assert parsed(head(host=b"Host: " + value)).host == host


PERSISTENCE = {
    "HTTP/1.1": (head(), True),
    "HTTP/1.1 with close": (head(b"Connection: foo, CLOSE"), False),
    "HTTP/1.0": (head(start=b"GET / HTTP/1.0"), False),
    "HTTP/1.0 with keep-alive": (head(b"Connection: Keep-Alive", start=b"GET / HTTP/1.0"), True),
}


@pytest.mark.parametrize(("raw", "persistent"), PERSISTENCE.values(), ids=PERSISTENCE)
@pytest.mark.http(48)
def test_48_connection_stays_by_version_and_field(raw: bytes, persistent: bool) -> None:
    assert parsed(raw).persistent is persistent


@pytest.mark.http(17)
def test_17_http10_without_host_is_served_and_upstream_gets_one() -> None:
    request = parsed(head(start=b"GET / HTTP/1.0", host=None))
    assert request.host == b""
    assert request.forward.startswith(b"GET / HTTP/1.1\r\nHost: \r\n")


def test_options_asterisk_is_kept() -> None:
    assert parsed(head(start=b"OPTIONS * HTTP/1.1")).forward.startswith(b"OPTIONS * HTTP/1.1\r\n")


def test_100_fields_and_an_8000_byte_line_are_ordinary() -> None:
    request = parsed(head(*[b"A: b"] * 99, start=b"GET /" + b"x" * 8000 + b" HTTP/1.1"))
    assert request.forward.count(b"A: b") == 99


@pytest.mark.http(75)
def test_75_many_spans_and_many_named_fields_are_ordinary() -> None:
    # Every second line goes, so that the others make as many spans as there can be.
    lines = [b"Keep-Alive: 1" if index % 2 else b"A%d: b" % index for index in range(98)]
    assert parsed(head(*lines)).forward.count(b"\r\nA") == 49
    named = b"Connection: " + b",".join(b"a%d" % index for index in range(3000))
    assert parsed(head(named, *lines)).forward.count(b"\r\nA") == 0


def test_attributes_are_what_the_head_says() -> None:
    request = parsed(head(b"Content-Length: 007", b"Expect: 100-continue", start=b"PATCH /a?b=?c HTTP/1.1"))
    assert (request.method, request.target, request.path, request.host) == (b"PATCH", b"/a?b=?c", b"/a", b"a")
    assert (request.minor, request.persistent, request.body, request.expects_continue) == (1, True, 7, True)
    assert request.raw.startswith(b"PATCH /a?b=?c HTTP/1.1\r\nHost: a\r\n")
    assert request.field_values(b"expect") == [b"100-continue"]
    assert repr(request) == "<RequestHead PATCH /a body=7>"


def test_nothing_is_remembered_from_a_head_that_closed() -> None:
    for _ in range(3):
        parsed(head(b"Connection: close"))
        assert isinstance(parse_request(head(b"bad line"), CLIENT, 0), Failure)
        parsed(head(b"Content-Length: 5"))
        parsed(head(b"Connection: upgrade", b"Upgrade: websocket"))
        parsed(head())


def test_each_codec_is_the_one_under_test(codec: ModuleType) -> None:
    assert parse_request is codec.parse_request
