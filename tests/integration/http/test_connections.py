"""How long connections live, who may use them again, and who never sees whose bytes."""

import asyncio

import pytest

from proxy.spec.service import ServiceSpec, TimeoutSpec
from tests.integration.conftest import StartProxy, until
from tests.support.http_lines import rows
from tests.support.pieces import Answers, KeptRequests
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend, serve_ok

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"

ANNOUNCED = {
    "48 HTTP/1.1": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None, True),
    "48 HTTP/1.1 with close": (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", "close", False),
    "48 HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", "close", False),
    "48 HTTP/1.0 with keep-alive": (
        b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
        "keep-alive",
        True,
    ),
}


@pytest.mark.parametrize(("raw", "announced", "stays"), rows(ANNOUNCED))
async def test_what_is_announced_about_the_connection_happens(
    start_proxy: StartProxy, raw: bytes, announced: str | None, stays: bool
) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(raw)
            response = await client.read_response()
            assert response.field("connection") == announced
            if stays:
                assert (await client.get()).status == 200
            else:
                assert await client.is_closed()


@pytest.mark.http(49)
async def test_error_after_good_requests_leaves_their_answers_whole(start_proxy: StartProxy) -> None:
    script = KeptRequests(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(GET + POST + GET + b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n" + GET)
            answers = [await client.read_response() for _ in range(4)]
            assert [answer.status for answer in answers] == [200, 200, 200, 400]
            assert [len(answer.body) for answer in answers[:3]] == [100_000] * 3
            assert await client.is_closed()
    assert len(script.requests) == 3


@pytest.mark.http(49)
async def test_nothing_behind_a_close_is_a_request(start_proxy: StartProxy) -> None:
    closing = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(GET + closing + GET * 3)
            assert [(await client.read_response()).field("connection") for _ in range(2)] == [None, "close"]
            assert await client.is_closed()
        assert len(backend.heads) == 2


@pytest.mark.http(50)
@pytest.mark.parametrize("size", [1_000, 3_000_000])
async def test_answer_to_a_refused_upload_can_be_read_after_all_was_sent(start_proxy: StartProxy, size: int) -> None:
    proxy = await start_proxy()
    async with RawClient(proxy.port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nA : b\r\n\r\n" % size + bytes(size))
        response = await client.read_response()
        assert (response.status, response.field("connection")) == (400, "close")
        assert await client.is_closed()


@pytest.mark.http(51, 52)
@pytest.mark.parametrize("why", ["timeout", "the client left"])
async def test_late_answer_to_a_failed_request_reaches_nobody(start_proxy: StartProxy, why: str) -> None:
    async def late(connection: BackendConnection) -> None:
        if connection.number:
            await serve_ok(connection)
        await connection.read_request()
        asked.set()
        await answer.wait()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        await connection.read_to_end()

    asked, answer = asyncio.Event(), asyncio.Event()
    spec = ServiceSpec(name="web", timeout=TimeoutSpec(response=0.2 if why == "timeout" else 5.0))
    async with ScriptedBackend(late) as backend:
        proxy = await start_proxy(backend.claim(), spec=spec)
        async with RawClient(proxy.port) as client, RawClient(proxy.port) as other:
            await client.send(POST)
            await asked.wait()
            if why == "timeout":
                assert (await client.read_response()).status == 504
            else:
                client.reset()
                await until(lambda: not any(each.is_active for each in proxy.plane.downstreams))
            answer.set()
            for _ in range(3):
                assert (await other.get()).body == b"ok"


@pytest.mark.http(51)
async def test_answers_of_a_retried_request_are_not_mixed(start_proxy: StartProxy) -> None:
    async def half(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\nX-From: dying\r\n")
        connection.reset()

    async with ScriptedBackend(half, name="a") as dying, ScriptedBackend(name="b") as alive:
        proxy = await start_proxy(dying.claim(), alive.claim(backup=True))
        async with RawClient(proxy.port) as client:
            first = await client.get()
            assert first.field("x-from") is None
            assert (await client.get()).status in (200, 502)


UNCLEAN = {
    "52 the backend announced its close": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "52 HTTP/1.0 without keep-alive": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "40, 52 bytes behind the response": OK + b"x",
    "40, 52 bytes behind the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx",
}


@pytest.mark.parametrize("raw", rows(UNCLEAN))
async def test_connection_that_did_not_end_cleanly_serves_once(start_proxy: StartProxy, raw: bytes) -> None:
    async def answer(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(raw)
        assert await connection.read_to_end() == b""

    async with ScriptedBackend(answer) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for _ in range(3):
                assert (await client.get()).body == b"ok"
        assert backend.accepted == 3


@pytest.mark.http(53)
async def test_client_that_half_closed_gets_a_long_answer_whole(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(Answers(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500_000)) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(POST)
            client.send_eof()
            assert len((await client.read_response()).body) == 500_000
            assert await client.is_closed()


@pytest.mark.http(54, 64)
async def test_client_that_leaves_in_mid_response_lets_the_backend_go(start_proxy: StartProxy) -> None:
    async def endless(connection: BackendConnection) -> None:
        await connection.read_request()
        if connection.number:
            await connection.write(OK)
            return
        await connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                await connection.write(bytes(1 << 16))
        finally:
            stopped.set()

    stopped = asyncio.Event()
    async with ScriptedBackend(endless) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(GET)
            await client.reader.readexactly(1 << 18)
            client.abort()
            await asyncio.wait_for(stopped.wait(), 5)
        async with RawClient(proxy.port) as client:
            assert (await client.get()).body == b"ok"


@pytest.mark.http(55)
@pytest.mark.parametrize("end", ["FIN", "RST"])
async def test_backend_that_closes_while_idle_costs_no_client_an_error(start_proxy: StartProxy, end: str) -> None:
    async def once(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(OK)
        if end == "RST":
            connection.reset()

    async with ScriptedBackend(once) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for request in (GET, POST) * 10:
                await client.send(request)
                assert (await client.read_response()).body == b"ok"
                await until(lambda: proxy.plane.pool.idle == 0)
        assert backend.accepted == 20


@pytest.mark.source
@pytest.mark.http(55, 56)
async def test_post_does_not_go_over_a_connection_that_may_be_stale(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.dataplane.pool.FRESH", 0.0)
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.get()
            await client.get()
            assert backend.accepted == 1
            await client.send(POST)
            assert (await client.read_response()).body == b"ok"
        assert backend.accepted == 2
