"""Responses on the wire: where they end, what is none, and what comes of the bytes around them."""

import asyncio

import pytest

from tests.integration.conftest import StartProxy
from tests.support.http_lines import rows
from tests.support.pieces import Answers
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend

POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"


def head(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((start, *lines, b"", b""))


BAD = {
    "38 a length and a coding": head(b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "38 lengths that differ": head(b"Content-Length: 2", b"Content-Length: 3") + b"abc",
    "38 a length that is none": head(b"Content-Length: -2") + b"ab",
    "38 an unknown coding": head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "38 chunked from HTTP/1.0": head(b"Transfer-Encoding: chunked", start=b"HTTP/1.0 200 OK") + b"0\r\n\r\n",
    "41 a space in a name": head(b"A : b", b"Content-Length: 0"),
    "41 NUL in a value": head(b"A: \x00", b"Content-Length: 0"),
    "41 a bare CR": head(b"A: b\rSet-Cookie: c", b"Content-Length: 0"),
    "41 folding": head(b"A: b", b" c", b"Content-Length: 0"),
    "41 no colon": head(b"A", b"Content-Length: 0"),
    "41 bare LFs": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "41 no status line": b"Content-Length: 0\r\n\r\n",
    "41 another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "41 another version": head(b"Content-Length: 0", start=b"HTTP/2.0 200 OK"),
    "42 a status below 100": head(b"Content-Length: 0", start=b"HTTP/1.1 099 No"),
    "42 a status of four digits": head(b"Content-Length: 0", start=b"HTTP/1.1 1000 No"),
    "44 101 fields": head(*[b"A: b"] * 101),
    "43, 84 101 that was not asked for": head(start=b"HTTP/1.1 101 Switching Protocols") + POISON,
    "84 an interim response and the end": head(start=b"HTTP/1.1 102 Processing"),
    "63 half a head and the end": b"HTTP/1.1 200 OK\r\nContent-Le",
    "44, 75 a head that never ends": b"HTTP/1.1 200 OK\r\n" + b"A: bcd\r\n" * 20_000,
}


@pytest.mark.parametrize("raw", rows(BAD))
async def test_bad_head_is_502_and_costs_its_connection(start_proxy: StartProxy, raw: bytes) -> None:
    async def answer(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(raw if connection.number == 0 else OK)

    async with ScriptedBackend(answer) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            response = await client.get()
            while response.status < 200:
                response = await client.read_response()
            assert (response.status, response.field("x-seawall-failure")) == (502, "bad-response")
            following = await client.get()
            assert (following.status, following.body) == (200, b"ok")
        assert backend.accepted == 2


@pytest.mark.http(44)
async def test_head_over_the_limit_is_502_also_in_one_piece(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(Answers(head(b"A: " + b"x" * 40_000, b"Content-Length: 0"))) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            assert (await client.get()).status == 502


BODILESS = {
    "37 a length of HEAD": ("HEAD", head(b"Content-Length: 6")),
    "37 chunks of HEAD": ("HEAD", head(b"Transfer-Encoding: chunked")),
    "37 204 with a length": ("GET", head(b"Content-Length: 6", start=b"HTTP/1.1 204 No Content")),
    "37 304 with a length": ("GET", head(b"Content-Length: 6", start=b"HTTP/1.1 304 Not Modified")),
    "37 304 with chunks": ("GET", head(b"Transfer-Encoding: chunked", start=b"HTTP/1.1 304 Not Modified")),
}


@pytest.mark.parametrize(("method", "raw"), rows(BODILESS))
@pytest.mark.parametrize("extra", [b"", b"poison", POISON], ids=["nothing", "a body", "a response"])
async def test_bytes_behind_a_response_without_body_reach_nobody(
    start_proxy: StartProxy, method: str, raw: bytes, extra: bytes
) -> None:
    async def answer(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(raw + extra if connection.number == 0 else OK)
        if connection.number == 0:
            await connection.read_head()
        await connection.write(OK)

    async with ScriptedBackend(answer) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            response = await client.get(method=method)
            assert response.status in (200, 204, 304)
            following = await client.get()
            assert (following.status, following.body) == (200, b"ok")
        assert backend.accepted == (2 if extra else 1)


@pytest.mark.http(37)
async def test_length_in_a_204_does_not_pass(start_proxy: StartProxy) -> None:
    raw = head(b"Content-Length: 6", start=b"HTTP/1.1 204 No Content")
    async with ScriptedBackend(Answers(raw)) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            assert (await client.get()).field("content-length") is None


@pytest.mark.http(42)
@pytest.mark.parametrize(
    "line", [b"200 ", b"200", b"299 \xc3\xa4", b"418 I'm a teapot", b"599 Odd", b"302 See:\tthere"]
)
async def test_status_line_passes_unchanged(start_proxy: StartProxy, line: bytes) -> None:
    async with ScriptedBackend(Answers(head(b"Content-Length: 0", start=b"HTTP/1.1 " + line))) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            assert (await client.get()).head.split(b"\r\n")[0] == b"HTTP/1.1 " + line


@pytest.mark.http(43, 83)
async def test_fields_of_interim_responses_stay_out_of_the_final_one(start_proxy: StartProxy) -> None:
    interim = head(b"Link: </a>", b"Content-Length: 99", start=b"HTTP/1.1 103 Early Hints")
    async with ScriptedBackend(Answers(interim * 3 + OK)) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            answers = [await client.get(), *[await client.read_response() for _ in range(3)]]
        assert [answer.status for answer in answers] == [103, 103, 103, 200]
        assert all(answer.field("content-length") is None for answer in answers[:3])
        assert answers[3].field("link") is None
        assert answers[3].body == b"ok"


@pytest.mark.http(43)
async def test_32_interim_responses_pass_and_one_more_does_not(start_proxy: StartProxy) -> None:
    interim = head(start=b"HTTP/1.1 102 Processing")
    for count, status in ((32, 200), (33, 502)):
        async with ScriptedBackend(Answers(interim * count + OK)) as backend:
            proxy = await start_proxy(backend.claim())
            async with RawClient(proxy.port) as client:
                response = await client.get()
                while response.status < 200:
                    response = await client.read_response()
                assert response.status == status


WHOLE = {
    "85 a length": head(b"Content-Length: 2") + b"ok",
    "85 chunks": head(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n",
    "85 no body": head(b"Content-Length: 0"),
}


@pytest.mark.parametrize("end", ["FIN", "RST"])
@pytest.mark.parametrize("raw", rows(WHOLE))
async def test_whole_response_and_then_the_end_is_a_success(start_proxy: StartProxy, raw: bytes, end: str) -> None:
    async def answer(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(raw)
        if end == "RST":
            await answered.wait()
            connection.reset()

    answered = asyncio.Event()
    async with ScriptedBackend(answer) as backend:
        proxy = await start_proxy(backend.claim())
        for _ in range(3):
            async with RawClient(proxy.port) as client:
                response = await client.get()
                answered.set()
                assert response.status == 200
                assert response.body in (b"ok", b"")
        (living,) = proxy.fleet.backends()
        assert living.unavailable is None


CUT = {
    "36 a length": (head(b"Content-Length: 9") + b"half", b"HTTP/1.1"),
    "36 a chunk": (head(b"Transfer-Encoding: chunked") + b"9\r\nhalf", b"HTTP/1.1"),
    "36 no last chunk": (head(b"Transfer-Encoding: chunked") + b"4\r\nhalf\r\n", b"HTTP/1.1"),
    "36 chunks, for HTTP/1.0, which cannot see their end": (
        head(b"Transfer-Encoding: chunked") + b"4\r\nhalf\r\n",
        b"HTTP/1.0",
    ),
    "39, 86 a body until close": (head() + b"half", b"HTTP/1.1"),
    "39, 86 a body until close, for HTTP/1.0": (head() + b"half", b"HTTP/1.0"),
}


@pytest.mark.parametrize(("raw", "version"), rows(CUT))
async def test_response_cut_by_a_reset_is_cut_for_the_client(
    start_proxy: StartProxy, raw: bytes, version: bytes
) -> None:
    async def cut(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(raw)
        await begun.wait()
        connection.reset()

    begun = asyncio.Event()
    async with ScriptedBackend(cut) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / " + version + b"\r\nHost: a\r\n\r\n")
            assert b" 200 " in await client.read_head()
            begun.set()
            with pytest.raises(ConnectionResetError):
                await client.reader.read()


@pytest.mark.http(39)
async def test_body_until_close_ends_with_a_last_chunk_of_ours(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(Answers(head(start=b"HTTP/1.0 200 OK") + b"hello")) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for _ in range(2):
                response = await client.get()
                assert (response.field("transfer-encoding"), response.body) == ("chunked", b"hello")
