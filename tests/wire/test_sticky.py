"""The sticky cookie: read from any request, made for a backend, added to a response."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.spec.service import BackendKey
from proxy.wire.codec import parse_request, parse_response
from proxy.wire.head import RequestHead, ResponseHead
from proxy.wire.peer import Peer
from proxy.wire.sticky import insert, read, set_cookie, token

codec = pytest.mark.usefixtures("codec")
NAME = b"seawall"
KEY = BackendKey(container="4f1c", host="172.18.0.3", port=8080)
SECRET = bytes(range(32))
LINE = set_cookie(NAME, b"0123456789abcdef", secure=False)


def request(*lines: bytes, target: bytes = b"/") -> RequestHead:
    raw = b"\r\n".join((b"GET " + target + b" HTTP/1.1", b"Host: a", *lines, b"", b""))
    result = parse_request(raw, Peer(b"192.0.2.7"), 1)
    assert isinstance(result, RequestHead), result
    return result


READ = {
    "no Cookie field": ((), None),
    "no cookie of this name": ((b"Cookie: a=1; b=2",), None),
    "the only cookie": ((b"Cookie: seawall=x",), b"x"),
    "among others": ((b"Cookie: a=1; seawall=x; b=2",), b"x"),
    "without a blank between them": ((b"Cookie: a=1;seawall=x;b=2",), b"x"),
    "with blanks wherever": ((b"Cookie:   a=1 ; \t seawall = x \t; b=2  ",), b"x"),
    "the first of two": ((b"Cookie: seawall=x; seawall=y",), b"x"),
    "in the second field": ((b"Cookie: a=1", b"Accept: */*", b"Cookie: seawall=x"), b"x"),
    "the first of two fields": ((b"Cookie: seawall=x", b"Cookie: seawall=y"), b"x"),
    "the field in any case": ((b"cOOKIE: seawall=x",), b"x"),
    "the name in its own case only": ((b"Cookie: Seawall=y; seawall=x",), b"x"),
    "not one whose name only ends like it": ((b"Cookie: notseawall=y; seawall=x",), b"x"),
    "not one whose name only begins like it": ((b"Cookie: seawalls=y; seawall=x",), b"x"),
    "not from a value": ((b"Cookie: a=seawall=y",), None),
    "not a name without a value": ((b"Cookie: seawall; a=1",), None),
    "not from a field called otherwise": ((b"X-Cookie: seawall=y", b"Cookies: seawall=y"), None),
    "quoted": ((b'Cookie: a=1; seawall="x"; b=2',), b"x"),
    "a quote on one side belongs to the value": ((b'Cookie: seawall="x',), b'"x'),
    "a lone quote is a value": ((b'Cookie: seawall="',), b'"'),
    "an empty value": ((b"Cookie: seawall=; a=1",), b""),
    "an empty quoted value": ((b'Cookie: seawall=""',), b""),
    "a value with an equals sign": ((b"Cookie: seawall=x=y==",), b"x=y=="),
    "an empty field": ((b"Cookie:",), None),
}


@codec
@pytest.mark.parametrize(("lines", "value"), READ.values(), ids=READ)
def test_cookie_is_read(lines: tuple[bytes, ...], value: bytes | None) -> None:
    assert read(request(*lines), NAME) == value


@codec
def test_cookie_is_not_read_from_the_target() -> None:
    assert read(request(target=b"/?Cookie:seawall=x"), NAME) is None


@codec
@given(st.from_regex(rb"[!-~]*", fullmatch=True).filter(lambda value: not set(value) & set(b'";,\\')))
def test_any_cookie_value_is_read_back(value: bytes) -> None:
    assert read(request(b"Cookie: a=b; seawall=" + value + b"; c=d"), NAME) == value


def test_token_is_the_same_in_every_process() -> None:
    assert token(KEY, SECRET) == b"7a00bc95f937cca6"


OTHERS = {
    "another container": replace(KEY, container="4f1d"),
    "another host": replace(KEY, host="172.18.0.4"),
    "another port": replace(KEY, port=8081),
    "the same letters divided otherwise": BackendKey(container="4f1c1", host="72.18.0.3", port=8080),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_backend_has_another_token(other: BackendKey) -> None:
    assert token(other, SECRET) != token(KEY, SECRET)


def test_other_secret_makes_another_token() -> None:
    assert token(KEY, bytes(32)) != token(KEY, SECRET)


@given(st.text(max_size=80), st.text(max_size=40), st.integers(0, 65535), st.binary(min_size=16, max_size=32))
def test_token_is_sixteen_hex_digits(container: str, host: str, port: int, secret: bytes) -> None:
    made = token(BackendKey(container=container, host=host, port=port), secret)
    assert len(made) == 16
    assert set(made) <= set(b"0123456789abcdef")


@pytest.mark.parametrize("length", [0, 15, 33], ids=lambda length: f"{length} bytes")
def test_secret_of_another_length_is_rejected(length: int) -> None:
    with pytest.raises(ValueError, match=r"secret|key"):
        token(KEY, bytes(length))


def test_field_line_has_its_attributes() -> None:
    assert set_cookie(NAME, b"abc", secure=False) == b"Set-Cookie: seawall=abc; Path=/; HttpOnly; SameSite=Lax\r\n"
    assert (
        set_cookie(NAME, b"abc", secure=True) == b"Set-Cookie: seawall=abc; Path=/; HttpOnly; SameSite=Lax; Secure\r\n"
    )


RESPONSES = {
    "a plain response": (b"HTTP/1.1 200 OK", b"Content-Length: 3"),
    "one without a reason": (b"HTTP/1.1 204 ",),
    "one with cookies of its own": (b"HTTP/1.1 200 OK", b"Set-Cookie: a=1", b"Set-Cookie: b=2; Path=/, x"),
    "one that has this cookie already": (b"HTTP/1.1 200 OK", b"Set-Cookie: seawall=mine", b"Content-Length: 0"),
    "one that ends with its connection": (b"HTTP/1.0 200 OK", b"Content-Type: text/plain"),
}


@codec
@pytest.mark.parametrize("lines", RESPONSES.values(), ids=RESPONSES)
def test_line_is_the_last_before_the_empty_line(lines: tuple[bytes, ...]) -> None:
    date = b"Wed, 25 Nov 2026 05:00:00 GMT"
    head = parse_response(b"\r\n".join((*lines, b"", b"")), request(), True, date)
    assert isinstance(head, ResponseHead), head
    before = head.forward.split(b"\r\n")
    after = insert(head.forward, LINE).split(b"\r\n")
    assert after == [*before[:-2], LINE.removesuffix(b"\r\n"), b"", b""]
