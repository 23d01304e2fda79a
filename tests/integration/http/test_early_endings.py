"""Answers that come before the request is over, and peers that leave before theirs is."""

import asyncio

import pytest

from proxy.spec.service import ServiceSpec, TimeoutSpec
from tests.integration.conftest import StartProxy, until
from tests.support.http_lines import rows
from tests.support.pieces import splits
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend

HEADS = {
    "61 an upload with a length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    "61 an upload in chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
}


@pytest.mark.parametrize("end", ["keeps", "FIN", "RST"])
@pytest.mark.parametrize("head", rows(HEADS))
@pytest.mark.http(87)
async def test_early_answer_reaches_a_client_that_goes_on_sending(
    start_proxy: StartProxy, head: bytes, end: str
) -> None:
    async def refuse(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 6\r\n\r\ntoo it")
        if end == "keeps":
            await connection.read_to_end()
        elif end == "RST":
            await connection.reader.read(1)  # the rest of the upload stays unread: a close would reset anyway
            connection.reset()

    async with ScriptedBackend(refuse) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(head + b"some")
            response = await client.read_response()
            assert (response.status, response.body) == (413, b"too it")
            await client.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await client.is_closed()
        assert len(backend.heads) == 1


@pytest.mark.http(61)
async def test_body_of_an_early_answer_is_streamed_beside_the_upload(start_proxy: StartProxy) -> None:
    async def both(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi")
        assert await connection.reader.readexactly(10) == b"0123456789"
        await connection.write(b"ne")
        await connection.read_request()
        await connection.write(OK)

    async with ScriptedBackend(both) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234")
            await client.read_head()
            assert await client.reader.readexactly(2) == b"fi"
            await client.send(b"56789")
            assert await client.reader.readexactly(2) == b"ne"
            assert (await client.get()).body == b"ok"
        assert backend.accepted == 1


@pytest.mark.http(62, 64)
@pytest.mark.parametrize("end", ["FIN", "RST"])
async def test_backend_that_leaves_in_mid_upload_is_502(start_proxy: StartProxy, end: str) -> None:
    async def leave(connection: BackendConnection) -> None:
        if connection.number:
            await connection.read_request()
            await connection.write(OK)
            return
        await connection.read_head()
        await connection.reader.readexactly(4)
        if end == "RST":
            connection.reset()

    async with ScriptedBackend(leave) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client, RawClient(proxy.port) as other:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome")
            response = await client.read_response()
            assert response.status == 502
            assert response.field("connection") == "close"
            assert await client.is_closed()
            assert (await other.get()).body == b"ok"


@pytest.mark.http(63, 64)
async def test_half_a_head_in_any_split_is_502_and_the_next_request_is_served(start_proxy: StartProxy) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r"
    beginnings = [raw[:end] for end in range(1, len(raw) + 1)]
    count = 0

    async def begin(connection: BackendConnection) -> None:
        nonlocal count
        await connection.read_request()
        if count < 2 * len(beginnings) and count % 2 == 0:
            await connection.write(beginnings[count // 2])
        else:
            await connection.write(OK)
        count += 1

    async with ScriptedBackend(begin) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for _ in beginnings:
                assert (await client.get()).status == 502
                assert (await client.get()).body == b"ok"


@pytest.mark.http(63)
async def test_stall_of_a_chunked_body_is_cut_visibly(start_proxy: StartProxy) -> None:
    async def stall(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await connection.read_to_end()

    spec = ServiceSpec(name="web", timeout=TimeoutSpec(idle=0.2))
    async with ScriptedBackend(stall) as backend:
        proxy = await start_proxy(backend.claim(), spec=spec)
        async with RawClient(proxy.port) as client:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.get()


@pytest.mark.http(88)
async def test_client_gone_in_mid_head_leaves_no_trace_upstream(start_proxy: StartProxy) -> None:
    raw = b"GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r"
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        for index, (first, *_) in enumerate(splits(raw)):
            async with RawClient(proxy.port) as client:
                await client.send(first)
                await until(lambda: bool(proxy.plane.downstreams))
                if index % 2:
                    client.abort()
                else:
                    client.send_eof()
            await until(lambda: not proxy.plane.downstreams)
        assert backend.accepted == 0


@pytest.mark.http(88, 54)
async def test_client_gone_in_mid_body_takes_the_upstream_connection_along(start_proxy: StartProxy) -> None:
    async def read(connection: BackendConnection) -> None:
        await connection.read_head()
        begun.set()
        try:
            await connection.read_to_end()
        finally:
            gone.set()

    begun, gone = asyncio.Event(), asyncio.Event()
    async with ScriptedBackend(read) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            await begun.wait()
            client.abort()
            await asyncio.wait_for(gone.wait(), 5)
        assert proxy.plane.pool.idle == 0
