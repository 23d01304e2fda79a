"""Expect: 100-continue, as client, proxy and backend agree or do not (RFC 9110 section 10.1.1)."""

import asyncio

import pytest

from tests.integration.conftest import StartProxy, until
from tests.support.http_lines import rows
from tests.support.pieces import Answers, KeptBytes, KeptRequests, refusal
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend

REFUSAL = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"


def post(*lines: bytes, start: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, b"Host: a", *lines, b"", b""))


EXPECTING = post(b"Expect: 100-continue", b"Content-Length: 5")


@pytest.mark.http(45)
async def test_nothing_is_answered_before_the_backend_says_continue(start_proxy: StartProxy) -> None:
    async def careful(connection: BackendConnection) -> None:
        assert b"\r\nExpect: 100-continue\r\n" in await connection.read_head()
        asked.set()
        await go_on.wait()
        await connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await connection.reader.readexactly(5) == b"hello"
        await connection.write(OK)

    asked, go_on = asyncio.Event(), asyncio.Event()
    async with ScriptedBackend(careful) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(EXPECTING)
            await asked.wait()
            reading = asyncio.create_task(client.read_response())
            await asyncio.sleep(0)
            assert not reading.done()
            go_on.set()
            assert (await reading).status == 100
            await client.send(b"hello")
            assert (await client.read_response()).body == b"ok"


@pytest.mark.http(45)
async def test_body_sent_without_waiting_arrives(start_proxy: StartProxy) -> None:
    script = KeptRequests()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(EXPECTING + b"hello" + EXPECTING + b"again")
            assert [(await client.read_response()).status for _ in range(2)] == [200, 200]
    assert [body for _, body in script.requests] == [b"hello", b"again"]


@pytest.mark.http(45, 81)
@pytest.mark.parametrize("sent", [b"", b"he"], ids=["nothing of the body", "a part of the body"])
async def test_refused_expectation_ends_both_connections(start_proxy: StartProxy, sent: bytes) -> None:
    async def refuse(connection: BackendConnection) -> None:
        await connection.read_head()
        if connection.number == 0:
            await connection.write(REFUSAL)
            rest.append(await connection.read_to_end())
        else:
            await connection.write(OK)

    rest: list[bytes] = []
    async with ScriptedBackend(refuse) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client, RawClient(proxy.port) as other:
            await client.send(EXPECTING + sent)
            response = await client.read_response()
            assert response.status == 417
            await client.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await client.is_closed()
            assert (await other.get()).body == b"ok"
        assert backend.accepted == 2
        assert not any(b"smuggled" in head for head in backend.heads)


@pytest.mark.http(45, 81)
async def test_connection_serves_on_when_the_whole_body_went_in_spite_of_a_refusal(start_proxy: StartProxy) -> None:
    async def refuse(connection: BackendConnection) -> None:
        _, body = await connection.read_request()
        assert body == b"hello"
        await connection.write(REFUSAL)
        await connection.read_request()
        await connection.write(OK)

    async with ScriptedBackend(refuse) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(EXPECTING + b"hello")
            assert (await client.read_response()).status == 417
            assert (await client.get()).body == b"ok"
        assert backend.accepted == 1


UNKNOWN = {
    "46, 82 another expectation": post(b"Expect: 200-ok", b"Content-Length: 5"),
    "46, 82 continue and something else": post(b"Expect: 100-continue, x", b"Content-Length: 5"),
    "46, 82 nothing": post(b"Expect:", b"Content-Length: 5"),
    "46, 82 a parameter": post(b"Expect: 100-continue;a=b", b"Content-Length: 5"),
    "46, 82 a look-alike before chunks": post(b"Expect: y 100-continue", b"Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("raw", rows(UNKNOWN))
async def test_unknown_expectation_is_417_and_its_body_no_request(start_proxy: StartProxy, raw: bytes) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        behind = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        assert (await refusal(proxy.port, [raw + behind])).status == 417
        assert backend.accepted == 0


@pytest.mark.http(46)
async def test_expect_of_http10_is_not_passed_on(start_proxy: StartProxy) -> None:
    script = KeptRequests()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            head = post(b"Expect: 100-continue", b"Content-Length: 5", start=b"POST / HTTP/1.0")
            await client.send(head + b"hello")
            assert (await client.read_response()).body == b"ok"
    ((head, body),) = script.requests
    assert b"Expect" not in head
    assert body == b"hello"


@pytest.mark.http(46)
async def test_continue_is_not_for_http10(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(Answers(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(post(b"Content-Length: 2", start=b"POST / HTTP/1.0") + b"hi")
            assert (await client.read_response()).status == 200


@pytest.mark.http(47)
async def test_expect_without_a_body_holds_nothing_up(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for _ in range(2):
                assert (await client.get("/", "Expect: 100-continue")).body == b"ok"
        assert backend.accepted == 1


@pytest.mark.http(45, 88)
async def test_client_that_leaves_instead_of_going_on_leaves_no_request(start_proxy: StartProxy) -> None:
    script = KeptBytes()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(EXPECTING)
            await until(lambda: b"\r\n\r\n" in b"".join(script.connections))
            client.abort()
            await until(lambda: script.ended == 1)
    assert script.connections[0].endswith(b"\r\n\r\n")
