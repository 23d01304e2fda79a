"""Limits on what clients may do: sizes, rates, connections. Numbers are http.md's."""

import asyncio
import contextlib

import pytest

from proxy.spec.service import LimitSpec, ServiceSpec
from tests.integration.conftest import StartProxy, until
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend

SMALL = ServiceSpec(name="web", limit=LimitSpec(body=10))


async def take_slowly(connection: BackendConnection) -> None:
    """Read a whole request, however large, and answer."""
    await connection.read_request()
    await connection.write(OK)


# bodies


@pytest.mark.http(70)
async def test_body_that_says_it_is_too_large_is_413_and_nothing_is_forwarded(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), spec=SMALL)
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
            response = await client.read_response()
            assert (response.status, response.field("x-seawall-failure")) == (413, "body-too-large")
            assert response.field("connection") == "close"
            assert await client.is_closed()
        assert backend.accepted == 0


@pytest.mark.http(70)
async def test_body_of_the_largest_size_is_served(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), spec=SMALL)
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789")
            assert (await client.read_response()).status == 200
            await client.send(
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"
            )
            assert (await client.read_response()).status == 200


@pytest.mark.http(36, 70)
async def test_body_that_turns_out_too_large_is_413_and_never_looks_whole_to_the_backend(
    start_proxy: StartProxy,
) -> None:
    seen: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def collect(connection: BackendConnection) -> None:
        await connection.read_head()
        try:
            seen.set_result(await connection.read_to_end())
        except ConnectionError:
            seen.set_result(b"")

    async with ScriptedBackend(collect) as backend:
        proxy = await start_proxy(backend.claim(), spec=SMALL)
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n")
            await until(lambda: len(backend.heads) == 1)
            await client.send(b"3\r\n890\r\n0\r\n\r\n")
            response = await client.read_response()
            assert (response.status, response.field("x-seawall-failure")) == (413, "body-too-large")
            assert await client.is_closed()
        assert b"0\r\n\r\n" not in await seen


# rates


@pytest.mark.http(72)
async def test_body_that_dribbles_is_408_though_it_never_pauses_for_long(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), body_timeout=0.6, min_rate=1000)
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
            answer = asyncio.ensure_future(client.read_response())
            for _ in range(100):
                await client.send(b"x")
                done, _ = await asyncio.wait((answer,), timeout=0.05)
                if done:
                    break
            assert (await answer).status == 408


@pytest.mark.http(72)
async def test_body_that_comes_slowly_but_fast_enough_is_served(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), body_timeout=1.5, min_rate=100)
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400\r\n\r\n")
            answer = asyncio.ensure_future(client.read_response())
            for _ in range(20):
                await client.send(b"x" * 20)
                await asyncio.wait((answer,), timeout=0.1)  # in all longer than the body may pause
            assert (await answer).status == 200


@pytest.mark.http(35, 72)
async def test_upload_that_the_backend_holds_up_is_not_the_clients_fault(start_proxy: StartProxy) -> None:
    body = b"x" * (4 << 20)

    async def wait_and_read(connection: BackendConnection) -> None:
        await connection.read_head()
        await asyncio.sleep(1.5)  # longer than the body may pause
        await connection.reader.readexactly(len(body))
        await connection.write(OK)

    async with ScriptedBackend(wait_and_read) as backend:
        proxy = await start_proxy(backend.claim(), body_timeout=1.0, min_rate=100_000_000)
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
            sending = asyncio.ensure_future(client.send(body))
            assert (await client.read_response()).status in (200, 504)
            with contextlib.suppress(ConnectionError):
                await sending


async def large(connection: BackendConnection) -> None:
    """Answer with 32 MiB."""
    await connection.read_request()
    await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n")
    for _ in range(512):
        await connection.write(b"x" * 65536)


@pytest.mark.http(72)
async def test_reader_that_takes_nothing_is_cut(start_proxy: StartProxy) -> None:
    spec = ServiceSpec(name="web")
    async with ScriptedBackend(large) as backend:
        proxy = await start_proxy(backend.claim(), spec=spec)
        proxy.fleet.services["web"].idle_timeout = 0.4
        async with RawClient(proxy.port) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: proxy.fleet.services["web"].statistics.requests == {(b"GET", 200): 1})
            await until(lambda: not proxy.plane.downstreams)


@pytest.mark.http(72)
async def test_reader_that_is_slower_than_the_floor_is_cut(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(large) as backend:
        proxy = await start_proxy(backend.claim(), min_rate=1 << 30)
        proxy.fleet.services["web"].idle_timeout = 0.4
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            taken = 0
            with contextlib.suppress(ConnectionError):
                while data := await client.reader.read(8192):
                    taken += len(data)
                    await asyncio.sleep(0.01)
            assert taken < 32 << 20


@pytest.mark.http(72)
async def test_reader_that_is_slow_but_fast_enough_gets_everything(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(large) as backend:
        proxy = await start_proxy(backend.claim(), min_rate=1000)
        proxy.fleet.services["web"].idle_timeout = 1.0
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.read_head()
            taken = 0
            while taken < 32 << 20:
                taken += len(await client.reader.read(1 << 20))
                await asyncio.sleep(0.05)  # in all longer than it may be idle


# connections


@pytest.mark.http(74)
async def test_connections_beyond_the_limit_are_turned_away_and_those_far_beyond_dropped(
    start_proxy: StartProxy,
) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), max_connections=8)
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(RawClient(proxy.port)) for _ in range(8)]
            assert [(await client.get()).status for client in clients] == [200] * 8
            ninth = await stack.enter_async_context(RawClient(proxy.port))
            response = await ninth.read_response()
            assert (response.status, response.field("x-seawall-failure")) == (503, "too-many-connections")
            assert response.field("retry-after") == "1"
            tenth = await stack.enter_async_context(RawClient(proxy.port))
            assert await tenth.is_closed()
            assert [(await client.get()).status for client in clients] == [200] * 8
        await until(lambda: not proxy.plane.downstreams)
        async with RawClient(proxy.port) as client:
            assert (await client.get()).status == 200
        assert proxy.plane.admissions.total <= 1


@pytest.mark.http(74)
async def test_connections_of_one_client_are_limited_apart(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), max_connections_per_client=2)
        async with RawClient(proxy.port) as first, RawClient(proxy.port) as second, RawClient(proxy.port) as third:
            assert (await first.get()).status == 200
            assert (await second.get()).status == 200
            assert (await third.read_response()).status == 503
            assert await third.is_closed()
        await until(lambda: not proxy.plane.downstreams)
        async with RawClient(proxy.port) as client:
            assert (await client.get()).status == 200
