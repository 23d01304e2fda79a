"""Framing of requests on the wire: what could be read in two ways reaches no backend, in any split."""

import pytest

from tests.integration.conftest import StartProxy
from tests.support.http_lines import rows
from tests.support.pieces import KeptRequests, content_of, refusal, send_pieces, splits
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*lines: bytes, start: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, b"Host: a", *lines, b"", b""))


REFUSED = {
    "1 a length, then chunked": (post(b"Content-Length: 4", b"Transfer-Encoding: chunked"), 400),
    "1 chunked, then a length": (post(b"Transfer-Encoding: chunked", b"Content-Length: 4"), 400),
    "2 a coding before chunked": (post(b"Transfer-Encoding: gzip, chunked"), 400),
    "2, 78 a coding in a second field": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), 400),
    "2 an unknown coding": (post(b"Transfer-Encoding: zstd"), 501),
    "2 a parameter": (post(b"Transfer-Encoding: chunked;a=b"), 501),
    "2, 78 a name that only looks like chunked": (post(b"Transfer-Encoding: chunked_"), 501),
    "2, 78 next line, which some trim": (post(b"Transfer-Encoding: chunked\x85"), 501),
    "2, 78 vertical tab, which some trim": (post(b"Transfer-Encoding:\x0bchunked"), 400),
    "2, 78 NUL, where some end": (post(b"Transfer-Encoding: chunked\x00"), 400),
    "2, 8, 78 a coding on a folded line": (post(b"Transfer-Encoding:", b" chunked"), 400),
    "3 a plus sign": (post(b"Content-Length: +4"), 400),
    "3, 78 an underscore": (post(b"Content-Length: 1_0"), 400),
    "3, 78 an empty length before a good one": (post(b"Content-Length:", b"Content-Length: 4"), 400),
    "3, 78 an empty length behind a good one": (post(b"Content-Length: 4", b"Content-Length:"), 400),
    "3 two equal ones": (post(b"Content-Length: 4", b"Content-Length: 4"), 400),
    "3 one that wraps at 64 bits": (post(b"Content-Length: 18446744073709551620"), 400),
    "4 chunked in HTTP/1.0": (post(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0"), 400),
    "77 both framings of CONNECT": (
        post(b"Content-Length: 4", b"Transfer-Encoding: chunked", start=b"CONNECT a:80 HTTP/1.1"),
        405,
    ),
    "1, 77 both framings of an upgrade": (
        post(b"Connection: Upgrade", b"Upgrade: x", b"Content-Length: 4", b"Transfer-Encoding: chunked"),
        400,
    ),
    "20, 77 CONNECT, whose tunnel would be raw": (post(start=b"CONNECT a:80 HTTP/1.1"), 405),
}


@pytest.mark.parametrize(("head", "status"), rows(REFUSED))
async def test_ambiguous_framing_reaches_no_backend_in_any_split(
    start_proxy: StartProxy, head: bytes, status: int
) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        for pieces in splits(head + b"0\r\n\r\n" + SMUGGLED, len(head)):
            assert (await refusal(proxy.port, pieces)).status == status
        assert backend.accepted == 0


KEPT = {
    "5 POST without framing has no body": (post(), b""),
    "6 GET": (post(b"Content-Length: 3", start=b"GET / HTTP/1.1"), b"abc"),
    "6 DELETE": (post(b"Content-Length: 3", start=b"DELETE / HTTP/1.1"), b"abc"),
    "6 OPTIONS, in chunks": (
        post(b"Transfer-Encoding: chunked", start=b"OPTIONS / HTTP/1.1"),
        b"3\r\nabc\r\n0\r\n\r\n",
    ),
    "2, 33 chunked in other letters": (post(b"transfer-encoding:\tCHUNKED "), b"3\r\nabc\r\n0\r\n\r\n"),
    "3 leading zeros": (post(b"Content-Length: 0003"), b"abc"),
    "77 an upgrade that is not taken up, with a body": (
        post(b"Connection: Upgrade", b"Upgrade: x", b"Content-Length: 3"),
        b"abc",
    ),
    "82 Expect in another case": (post(b"Expect: 100-CONTINUE", b"Content-Length: 3"), b"abc"),
}


@pytest.mark.parametrize(("head", "body"), rows(KEPT))
async def test_body_ends_where_its_framing_says_and_the_next_request_begins(
    start_proxy: StartProxy, head: bytes, body: bytes
) -> None:
    script = KeptRequests()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        for pieces in splits(head + body + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n", len(head + body)):
            script.requests.clear()
            async with RawClient(proxy.port) as client:
                await send_pieces(client, pieces)
                assert [(await client.read_response()).status for _ in range(2)] == [200, 200]
            first, (following, _) = script.requests
            assert content_of(*first) == (b"abc" if body else b"")
            assert following.startswith(b"GET /next HTTP/1.1\r\n")


@pytest.mark.http(77)
async def test_bytes_behind_the_head_of_an_upgrade_never_pass_raw(start_proxy: StartProxy) -> None:
    script = KeptRequests()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(
                b"GET /one HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                b"GET /two HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"
            )
            assert (await client.read_response()).status == 200
            await client.reader.read(1)  # of the answer to the second, or the end of the connection
        for head, _ in script.requests:
            assert b"\r\nVia: 1.1 seawall\r\n" in head
            assert b"1.1.1.1" not in head
