"""Hostile and slow clients: a clear answer, a closed connection, and nobody else harmed."""

import asyncio

import pytest

from proxy.spec.service import ServiceSpec, TimeoutSpec
from tests.integration.conftest import StartProxy
from tests.support.http_lines import rows
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import BackendConnection, ScriptedBackend

REFUSED = {
    "garbage": (b"\x00\x01\x02\x03\r\n\r\n", 400, "bad-request-line"),
    "a TLS handshake, not even whole": (b"\x16\x03\x01\x02\x00\x01\x00", 400, "bad-request-line"),
    "10 a bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400, "bad-request-line"),
    "13 two empty lines": (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-request-line"),
    "12 the HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "bad-version"),
    "1 smuggling": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        400,
        "bad-framing",
    ),
    "70 an endless target": (b"GET /" + b"x" * 20_000, 414, "target-too-long"),
    "70 an endless head": (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"x" * 40_000, 431, "head-too-large"),
    "70 many fields": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431, "too-many-fields"),
}


@pytest.mark.parametrize(("raw", "status", "label"), rows(REFUSED))
async def test_refusal_says_why_forwards_nothing_and_closes(
    start_proxy: StartProxy, raw: bytes, status: int, label: str
) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client, RawClient(proxy.port) as other:
            await client.send(raw)
            response = await client.read_response()
            assert (response.status, response.field("x-seawall-failure")) == (status, label)
            assert response.field("connection") == "close"
            assert await client.is_closed()
            assert (await other.get()).status == 200
        assert len(backend.heads) == 1
        assert sum(proxy.plane.statistics.bad_requests.values()) == 1


@pytest.mark.http(50)
async def test_50_refusal_is_readable_though_the_client_goes_on_sending(start_proxy: StartProxy) -> None:
    proxy = await start_proxy()
    async with RawClient(proxy.port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n" + b"x" * 1_000_000)
        assert (await client.read_response()).status == 400


@pytest.mark.http(49)
async def test_49_good_requests_before_a_bad_one_are_answered(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + b"BAD\r\n\r\n")
            assert [(await client.read_response()).status for _ in range(3)] == [200, 200, 400]


@pytest.mark.http(49)
async def test_49_nothing_after_connection_close_is_processed(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(
                b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
            )
            assert (await client.read_response()).field("connection") == "close"
            assert await client.is_closed()
        assert len(backend.heads) == 1


@pytest.mark.http(15)
async def test_15_request_byte_by_byte_is_served(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for byte in b"\r\nPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n":
                await client.send(bytes([byte]))
                await asyncio.sleep(0)
            assert (await client.read_response()).body == b"ok"


@pytest.mark.http(71)
async def test_71_slow_head_is_408(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(head_timeout=0.2)
    async with RawClient(proxy.port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHo")
        response = await client.read_response()
        assert (response.status, response.field("x-seawall-failure")) == (408, "head-timeout")


@pytest.mark.http(72)
async def test_72_slow_body_is_408(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), body_timeout=0.2)
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
            response = await client.read_response()
            assert (response.status, response.field("x-seawall-failure")) == (408, "client-slow")


@pytest.mark.http(73)
async def test_73_idle_connection_is_closed_without_a_word(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), keep_alive=0.2)
        async with RawClient(proxy.port) as client:
            assert (await client.get()).status == 200
            assert await client.is_closed()


async def test_backend_that_never_answers_is_504(start_proxy: StartProxy) -> None:
    async def hang(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.read_to_end()

    spec = ServiceSpec(name="web", timeout=TimeoutSpec(response=0.2))
    async with ScriptedBackend(hang) as backend:
        proxy = await start_proxy(backend.claim(), spec=spec)
        async with RawClient(proxy.port) as client:
            response = await client.get()
            assert (response.status, response.field("x-seawall-failure")) == (504, "response-timeout")


@pytest.mark.http(63)
async def test_63_stall_in_the_middle_of_a_body_is_cut(start_proxy: StartProxy) -> None:
    async def stall(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await connection.read_to_end()

    spec = ServiceSpec(name="web", timeout=TimeoutSpec(idle=0.2))
    async with ScriptedBackend(stall) as backend:
        proxy = await start_proxy(backend.claim(), spec=spec)
        async with RawClient(proxy.port) as client:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.get()


async def test_bad_chunk_never_completes_the_body_upstream(start_proxy: StartProxy) -> None:
    bodies = []

    async def read_all(connection: BackendConnection) -> None:
        await connection.read_head()
        bodies.append(await connection.read_to_end())

    async with ScriptedBackend(read_all) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
            await client.send(b"zz\r\n0\r\n\r\n")
            response = await client.read_response()
            assert (response.status, response.field("x-seawall-failure")) == (400, "bad-body")
            assert await client.is_closed()
    assert bodies in ([b"2\r\nhi\r\n"], [b""], [])


async def test_idle_upstream_is_closed_before_the_backend_would(start_proxy: StartProxy) -> None:
    async def short(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok")
        assert await connection.read_to_end() == b""

    async with ScriptedBackend(short) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for _ in range(3):
                assert (await client.get()).body == b"ok"
        assert backend.accepted == 3
