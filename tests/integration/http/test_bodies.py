"""Bodies on the way, both ways: taken apart, passed on at once, held back, and never whole when they were cut."""

import asyncio

import pytest

from tests.integration.conftest import StartProxy, until
from tests.support.http_lines import rows
from tests.support.pieces import Answers, KeptBytes, KeptRequests, content_of, refusal, send_pieces, splits
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend

POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

BAD = {
    "29 a plus sign": b"+2\r\nhi\r\n0\r\n\r\n",
    "29 0x": b"0x2\r\nhi\r\n0\r\n\r\n",
    "29 a space before the size": b" 2\r\nhi\r\n0\r\n\r\n",
    "29 17 digits": b"00000000000000002\r\nhi\r\n0\r\n\r\n",
    "29 a size over 63 bits": b"8000000000000000\r\nhi\r\n0\r\n\r\n",
    "29 junk without a semicolon": b"2 hi\r\nhi\r\n0\r\n\r\n",
    "29 a bare LF behind the size": b"2\nhi\r\n0\r\n\r\n",
    "29 a bare CR in the size line": b"2;\rx\r\nhi\r\n0\r\n\r\n",
    "29, 79 a bare LF in an extension": b"2;a\nb\r\nhi\r\n0\r\n\r\n",
    "29, 79 a bare LF in the extension of the last chunk": b"2\r\nhi\r\n0;a\n\r\n\r\n",
    "29, 79 CRLF inside a quoted extension": b'2;a="\r\nhi\r\n"\r\n0\r\n\r\n',
    "30 data that is longer than said": b"1\r\nhi\r\n0\r\n\r\n",
    "30 LF behind the data": b"2\r\nhi\n0\r\n\r\n",
    "80 a trailer that is a request line": b"2\r\nhi\r\n0\r\n" + SMUGGLED,
    "80 a folded trailer": b"2\r\nhi\r\n0\r\nA: b\r\n c\r\n\r\n",
}


@pytest.mark.parametrize("body", rows(BAD))
async def test_malformed_chunks_never_make_a_whole_request(start_proxy: StartProxy, body: bytes) -> None:
    script = KeptBytes()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        assert (await refusal(proxy.port, [POST + body + SMUGGLED])).status == 400
        for number, pieces in enumerate(splits(body), backend.accepted):
            async with RawClient(proxy.port) as client:
                await client.send(POST)
                await until(lambda number=number: b"\r\n\r\n" in b"".join(script.connections[number:]))  # type: ignore[misc]
                await send_pieces(client, [*pieces, SMUGGLED])
                assert (await client.read_response()).status == 400
                assert await client.is_closed()
        await until(lambda: script.ended == backend.accepted)
    assert all(b"0\r\n\r\n" not in raw and b"smuggled" not in raw for raw in script.connections)


@pytest.mark.parametrize("body", rows(BAD))
async def test_malformed_chunks_never_make_a_whole_response(start_proxy: StartProxy, body: bytes) -> None:
    async with ScriptedBackend(Answers(RESPONSE + body)) as backend:
        proxy = await start_proxy(backend.claim())
        for request in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"):
            async with RawClient(proxy.port) as client:
                await client.send(request)
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await client.read_response()


@pytest.mark.http(29, 79)
@pytest.mark.parametrize(
    "flood", [b"1;" + b"x" * 300 + b"\r\na\r\n", b"1;" + b"x" * 99 + b"\r\na\r\n"], ids=["one", "many"]
)
async def test_flood_of_extensions_is_cut(start_proxy: StartProxy, flood: bytes) -> None:
    async with ScriptedBackend(KeptRequests()) as backend:
        proxy = await start_proxy(backend.claim())
        assert (await refusal(proxy.port, [POST + flood * 20])).status == 400


CONTENT = b"0123456789abcdefghij"
GOOD = {
    "33 tiny chunks": b"".join(b"1\r\n%c\r\n" % byte for byte in CONTENT) + b"0\r\n\r\n",
    "33 one chunk, upper case": b"0014\r\n" + CONTENT + b"\r\n00\r\n\r\n",
    "33 lower case and two sizes": b"a\r\n" + CONTENT[:10] + b"\r\nA\r\n" + CONTENT[10:] + b"\r\n0\r\n\r\n",
    "29, 32 extensions": b'14;a=b;c="d e"\r\n' + CONTENT + b"\r\n0;x\r\n\r\n",
    "31, 80 trailers": b"14\r\n" + CONTENT + b"\r\n0\r\nContent-Length: 9\r\nHost: evil\r\nA: b\r\n\r\n",
}


@pytest.mark.parametrize("body", rows(GOOD))
async def test_chunks_in_any_form_are_the_same_content_upstream(start_proxy: StartProxy, body: bytes) -> None:
    script = KeptRequests()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        for pieces in splits(body):
            async with RawClient(proxy.port) as client:
                await client.send(POST)
                await send_pieces(client, pieces)
                assert (await client.read_response()).status == 200
        for head, seen in script.requests:
            assert content_of(head, seen) == CONTENT
            assert b";" not in seen
            assert b"evil" not in head
            assert b"Content-Length" not in head


@pytest.mark.parametrize("body", rows(GOOD))
async def test_chunks_in_any_form_are_the_same_content_downstream(start_proxy: StartProxy, body: bytes) -> None:
    async def answer(connection: BackendConnection) -> None:
        for pieces in splits(RESPONSE + body):
            await connection.read_request()
            for piece in pieces:
                await connection.write(piece)
                await asyncio.sleep(0)

    async with ScriptedBackend(answer) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for _ in splits(RESPONSE + body):
                response = await client.get()
                assert response.body == CONTENT
                assert b"evil" not in response.head
        assert backend.accepted == 1


@pytest.mark.http(33, 34)
async def test_huge_chunk_passes_as_it_comes(start_proxy: StartProxy) -> None:
    received = 0

    async def count(connection: BackendConnection) -> None:
        nonlocal received
        await connection.read_head()
        while data := await connection.reader.read(1 << 16):
            received += len(data)

    async with ScriptedBackend(count) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(POST + b"7fffffffffffffff\r\n" + b"x" * 3_000_000)
            await until(lambda: received >= 3_000_000)


@pytest.mark.http(34)
async def test_each_piece_passes_before_the_next_is_sent(start_proxy: StartProxy) -> None:
    async def echo(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        for _ in range(5):
            await connection.write(await connection.reader.readexactly(1))

    async with ScriptedBackend(echo) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            assert b" 200 " in await client.read_head()
            for byte in (b"h", b"e", b"l", b"l", b"o"):
                await client.send(byte)
                assert await client.reader.readexactly(1) == byte


@pytest.mark.http(35)
async def test_backend_that_does_not_read_holds_the_client_back(start_proxy: StartProxy) -> None:
    asked, release = asyncio.Event(), asyncio.Event()
    size = 64 << 20

    async def stuck(connection: BackendConnection) -> None:
        await connection.read_head()
        asked.set()
        await release.wait()
        left = size
        while left:
            left -= len(await connection.reader.read(1 << 20))
        await connection.write(OK)

    async with ScriptedBackend(stuck) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
            sending = asyncio.create_task(client.send(bytes(size)))
            await asked.wait()
            (downstream,) = proxy.plane.downstreams
            await until(lambda: downstream.is_reading_paused)
            exchange = downstream._exchange
            assert exchange is not None
            assert exchange.upstream is not None
            assert exchange.upstream.transport is not None
            assert exchange.upstream.transport.get_write_buffer_size() < 1 << 20
            assert not sending.done()
            release.set()
            assert (await client.read_response()).body == b"ok"
            await sending


CUT_REQUESTS = {
    "36, 88 a length that is not reached": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhal",
    "36, 88 a chunk that is not whole": POST + b"5\r\nhal",
    "36, 88 no last chunk": POST + b"3\r\nhal\r\n",
    "36, 88 half a last chunk": POST + b"3\r\nhal\r\n0\r\n",
}


@pytest.mark.parametrize("leave", ["half-close", "reset"])
@pytest.mark.parametrize("raw", rows(CUT_REQUESTS))
async def test_request_cut_short_never_looks_whole_to_the_backend(
    start_proxy: StartProxy, raw: bytes, leave: str
) -> None:
    script = KeptBytes()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(raw)
            await until(lambda: b"hal" in b"".join(script.connections))
            if leave == "reset":
                client.abort()
            else:
                client.send_eof()
            await until(lambda: script.ended == 1)
    (seen,) = script.connections
    assert seen.endswith((b"\r\n\r\nhal", b"\r\n\r\n3\r\nhal\r\n"))
