"""The bytes of a request head on the wire: what is malformed reaches no backend, in any split."""

import re

import pytest

from tests.integration.conftest import StartProxy
from tests.support.http_lines import rows
from tests.support.pieces import KeptRequests, content_of, lines_of, refusal, send_pieces, splits
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend


def get(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, b"Host: a", *lines, b"", b""))


REFUSED = {
    "7 an empty name": (get(b": x"), 400),
    "7, 76 a space before the colon": (get(b"Content-Length : 3"), 400),
    "7 a tab before the colon": (get(b"A\t: x"), 400),
    "7, 76 NUL in a name": (get(b"Content\x00-Length: 3"), 400),
    "7 an 8-bit byte in a name": (get(b"A\xe9: x"), 400),
    "7, 76 a line without a colon": (get(b"A"), 400),
    "8 folding": (get(b"A: x", b" y"), 400),
    "8, 76 a first line behind whitespace": (b"GET / HTTP/1.1\r\n Host: b\r\nHost: a\r\n\r\n", 400),
    "9 a bare CR in a value": (get(b"A: x\rContent-Length: 3"), 400),
    "9 NUL in a value": (get(b"A: x\x00"), 400),
    "9 a control byte in a value": (get(b"A: x\x1b"), 400),
    "9, 78 CR alone before the last line end": (b"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n", 400),
    "10 a bare LF between fields": (b"GET / HTTP/1.1\r\nHost: a\nA: x\r\n\r\n", 400),
    "10, 78 two bare LFs end the head": (b"GET / HTTP/1.1\r\nHost: a\n\n", 400),
    "10, 78 CRLF and then LF end the head": (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    "11 a method that is no token": (get(start=b"GE{T / HTTP/1.1"), 400),
    "12 two spaces": (get(start=b"GET  / HTTP/1.1"), 400),
    "12 a space behind the version": (get(start=b"GET / HTTP/1.1 "), 400),
    "12 HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "12 HTTP/1.2": (get(start=b"GET / HTTP/1.2"), 505),
    "12 HTTP/3.0": (get(start=b"GET / HTTP/3.0"), 505),
    "12 the HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "13 two empty lines": (b"\r\n\r\n" + get(), 400),
}


@pytest.mark.parametrize(("raw", "status"), rows(REFUSED))
async def test_malformed_head_reaches_no_backend_in_any_split(start_proxy: StartProxy, raw: bytes, status: int) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        for pieces in splits(raw):
            assert (await refusal(proxy.port, pieces)).status == status
        assert backend.accepted == 0


FORWARDED = {
    "9 8-bit bytes in a value": ([b"A: \xe4\xff"], [b"A: \xe4\xff"]),
    "9 a tab in a value": ([b"A: x\ty"], [b"A: x\ty"]),
    "14 order, spelling and repetition": ([b"b: 1", b"A: 2", b"B: 3"], [b"b: 1", b"A: 2", b"B: 3"]),
}


@pytest.mark.parametrize(("lines", "expected"), rows(FORWARDED))
async def test_end_to_end_fields_pass_as_sent(
    start_proxy: StartProxy, lines: list[bytes], expected: list[bytes]
) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(get(*lines))
            assert (await client.read_response()).status == 200
        assert lines_of(backend.heads[0])[1 : len(expected) + 1] == expected


@pytest.mark.http(11)
@pytest.mark.parametrize("method", [b"PROPFIND", b"get", b"!#$%&'*+-.^_`|~09azAZ", b"M" * 500])
async def test_any_token_is_a_method(start_proxy: StartProxy, method: bytes) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(get(start=method + b" / HTTP/1.1"))
            assert (await client.read_response()).body == b"ok"
        assert backend.heads[0].startswith(method + b" / HTTP/1.1\r\n")


@pytest.mark.http(13)
async def test_one_empty_line_before_each_request_is_ignored(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send((b"\r\n" + get()) * 2)
            assert [(await client.read_response()).status for _ in range(2)] == [200, 200]
        assert all(head.startswith(b"GET / HTTP/1.1\r\n") for head in backend.heads)


@pytest.mark.http(13)
async def test_flood_of_empty_lines_is_refused(start_proxy: StartProxy) -> None:
    proxy = await start_proxy()
    assert (await refusal(proxy.port, [b"\r\n" * 50_000])).status == 400


@pytest.mark.http(14)
async def test_set_cookie_lines_reach_the_client_one_by_one(start_proxy: StartProxy) -> None:
    script = KeptRequests(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nx: y\r\nset-cookie: b=2\r\nContent-Length: 0\r\n\r\n")
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            response = await client.get()
        assert lines_of(response.head)[:3] == [b"Set-Cookie: a=1", b"x: y", b"set-cookie: b=2"]


@pytest.mark.http(15)
async def test_request_in_every_split_arrives_as_in_one_piece(start_proxy: StartProxy) -> None:
    raw = b"\r\nPUT /x?y HTTP/1.1\r\nHost: a\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n2;e\r\nhi\r\n0\r\n\r\n"
    script = KeptRequests()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        for pieces in splits(raw):
            async with RawClient(proxy.port) as client:
                await send_pieces(client, pieces)
                assert (await client.read_response()).body == b"ok"
        numbered = re.compile(rb"\r\nX-Request-Id: [0-9a-f]+\r\n")
        assert len({numbered.sub(b"\r\n", head, 1) for head, _ in script.requests}) == 1
        assert {content_of(*request) for request in script.requests} == {b"hi"}
