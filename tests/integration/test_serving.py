"""Requests and answers through a real data plane: framing, order, fields, backpressure."""

import asyncio
import hashlib
from typing import Any

import pytest

from proxy.dataplane import attempts
from tests.integration.conftest import StartProxy, until
from tests.support.http_lines import rows
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend, serve_ok


def answering(*responses: bytes) -> "Answers":
    return Answers(responses)


class Answers:
    """A script that gives these responses in order, to one request each, then closes."""

    def __init__(self, responses: tuple[bytes, ...]) -> None:
        self.responses = responses

    async def __call__(self, connection: BackendConnection) -> None:
        for response in self.responses:
            await connection.read_request()
            await connection.write(response)


async def test_get_is_answered_and_both_connections_are_kept(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for _ in range(3):
                response = await client.get("/x?y=1", "Accept: text/plain")
                assert (response.status, response.body) == (200, b"ok")
        assert backend.accepted == 1
        assert backend.heads[0].startswith(b"GET /x?y=1 HTTP/1.1\r\nHost: example.com\r\nAccept: text/plain\r\n")
        assert b"X-Forwarded-For: 127.0.0.1\r\n" in backend.heads[0]


async def test_pipelined_requests_are_answered_in_order(start_proxy: StartProxy) -> None:
    async def echo_path(connection: BackendConnection) -> None:
        while True:
            head, _ = await connection.read_request()
            path = head.split(b" ")[1]
            await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(path) + path)

    async with ScriptedBackend(echo_path) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            one = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
            post = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            await client.send(b"".join(one % number for number in range(20)) + post + one % 20)
            bodies = [(await client.read_response()).body for _ in range(22)]
        assert bodies == [*(b"/%d" % number for number in range(20)), b"/p", b"/20"]


async def test_an_endless_pipeline_is_read_no_further_than_the_limit(start_proxy: StartProxy) -> None:
    asked = asyncio.Event()
    release = asyncio.Event()

    async def slow(connection: BackendConnection) -> None:
        await connection.read_request()
        asked.set()
        await release.wait()
        await connection.write(OK)
        await serve_ok(connection)

    async with ScriptedBackend(slow) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Pad: " + b"x" * 1000 + b"\r\n\r\n"
            count = 3000

            async def read_all() -> int:
                return sum([(await client.read_response()).status == 200 for _ in range(count)])

            sending = asyncio.create_task(client.send(request * count))
            await asked.wait()
            (downstream,) = proxy.plane.downstreams
            await until(lambda: downstream.is_reading_paused)
            assert len(downstream._pending) < 1 << 19
            release.set()
            good, _ = await asyncio.gather(read_all(), sending)
            assert good == count


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_body_is_streamed_both_ways_and_whole(start_proxy: StartProxy, framing: str) -> None:
    content = hashlib.sha256(b"seed").digest() * 40_000  # 1.28 MB

    async def echo(connection: BackendConnection) -> None:
        head = await connection.read_head()
        chunked = b"Transfer-Encoding: chunked\r\n" in head
        await connection.write(b"HTTP/1.1 200 OK\r\n")
        await connection.write(
            b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % len(content)
        )
        left = len(content)
        while chunked or left:
            if chunked:
                size_line = await connection.reader.readuntil(b"\r\n")
                data = await connection.reader.readexactly(int(size_line, 16) + 2)
                await connection.write(size_line + data)
                if size_line == b"0\r\n":
                    return
            else:
                data = await connection.reader.read(65536)
                left -= len(data)
                await connection.write(data)

    async with ScriptedBackend(echo) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            head = b"POST / HTTP/1.1\r\nHost: a\r\n"
            if framing == "length":
                body = b"Content-Length: %d\r\n\r\n" % len(content) + content
            else:
                body = b"Transfer-Encoding: chunked\r\n\r\n%x;ext=1\r\n" % len(content) + content + b"\r\n0\r\n\r\n"
            _, response = await asyncio.gather(client.send(head + body), client.read_response())
            assert response.body == content


@pytest.mark.http(39)
async def test_39_body_until_close_becomes_chunks(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(answering(b"HTTP/1.1 200 OK\r\n\r\nhello")) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            response = await client.get()
            assert response.field("transfer-encoding") == "chunked"
            assert response.body == b"hello"
            assert (await client.get()).status == 200


@pytest.mark.http(39)
async def test_39_body_until_close_goes_to_http10_as_it_is(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(answering(b"HTTP/1.1 200 OK\r\n\r\nhello")) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            response = await client.read_response()
            assert response.field("connection") == "close"
            assert response.body == b"hello"


BODILESS = {
    "HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304),
}


@pytest.mark.parametrize(("method", "raw", "status"), rows(BODILESS))
@pytest.mark.http(37)
async def test_37_response_without_body_ends_with_its_head(
    start_proxy: StartProxy, method: str, raw: bytes, status: int
) -> None:
    async with ScriptedBackend(answering(raw, OK)) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            assert (await client.get(method=method)).status == status
            assert (await client.get()).body == b"ok"
        assert backend.accepted == 1


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!", b"junk"])
@pytest.mark.parametrize("first", [OK, b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"])
@pytest.mark.http(40)
async def test_40_bytes_behind_a_response_reach_nobody(start_proxy: StartProxy, first: bytes, extra: bytes) -> None:
    async def smuggle(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write((first + extra) if connection.number == 0 else OK)
        await connection.read_to_end()

    async with ScriptedBackend(smuggle) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            assert (await client.get()).status in (200, 204)
            assert (await client.get()).body == b"ok"
        assert backend.accepted == 2


@pytest.mark.http(40)
async def test_40_bytes_on_an_idle_connection_reach_nobody(start_proxy: StartProxy) -> None:
    async def unasked(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(OK)
        if connection.number == 0:
            await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!")
            assert await connection.read_to_end() == b""
        else:
            await serve_ok(connection)

    async with ScriptedBackend(unasked) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for _ in range(3):
                assert (await client.get()).body == b"ok"


@pytest.mark.http(43)
async def test_43_interim_responses_are_relayed_and_the_final_one_is_intact(start_proxy: StartProxy) -> None:
    raw = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n" + OK
    async with ScriptedBackend(answering(raw)) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            first = await client.get()
            second = await client.read_response()
            final = await client.read_response()
            assert [first.status, second.status, final.status] == [103, 103, 200]
            assert first.field("link") == "</a>"
            assert final.field("link") is None
            assert final.body == b"ok"


@pytest.mark.http(43)
async def test_43_interim_responses_are_not_for_http10(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            assert (await client.read_response()).status == 200


@pytest.mark.http(45)
async def test_45_continue_is_relayed_and_then_the_body(start_proxy: StartProxy) -> None:
    async def careful(connection: BackendConnection) -> None:
        assert b"Expect: 100-continue" in await connection.read_head()
        await connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await connection.reader.readexactly(5) == b"hello"
        await connection.write(OK)

    async with ScriptedBackend(careful) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            assert (await client.read_response()).status == 100
            await client.send(b"hello")
            assert (await client.read_response()).body == b"ok"


@pytest.mark.http(61)
async def test_61_final_response_before_the_body_is_relayed_at_once(start_proxy: StartProxy) -> None:
    async def refuse(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await connection.read_to_end()

    async with ScriptedBackend(refuse) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome")
            assert (await client.read_response()).status == 413
            await client.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")  # is body, never a request
            assert await client.is_closed()
        assert len(backend.heads) == 1


@pytest.mark.http(36)
async def test_36_response_cut_short_is_visibly_cut(start_proxy: StartProxy) -> None:
    cut = {
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf": "length",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe": "chunked",
    }
    for raw in cut:
        async with ScriptedBackend(answering(raw)) as backend:
            proxy = await start_proxy(backend.claim())
            async with RawClient(proxy.port) as client:
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await client.get()


@pytest.mark.http(39)
async def test_39_a_reset_is_no_end_of_a_body_until_close(start_proxy: StartProxy) -> None:
    async def reset(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await begun.wait()
        connection.reset()

    begun = asyncio.Event()
    async with ScriptedBackend(reset) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            await client.read_head()
            assert await client.reader.readexactly(4) == b"half"
            begun.set()
            with pytest.raises(ConnectionResetError):
                await client.reader.read()


@pytest.mark.http(53)
async def test_53_half_closed_client_gets_its_answer(start_proxy: StartProxy) -> None:
    async def late(connection: BackendConnection) -> None:
        await connection.read_request()
        await half_closed.wait()
        await connection.write(OK)

    half_closed = asyncio.Event()
    async with ScriptedBackend(late) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.send_eof()
            half_closed.set()
            assert (await client.read_response()).body == b"ok"
            assert await client.is_closed()


@pytest.mark.http(53)
async def test_53_half_closed_client_gets_all_answers_it_asked_for(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
            client.send_eof()
            assert [(await client.read_response()).body for _ in range(3)] == [b"ok"] * 3
            assert await client.is_closed()


@pytest.mark.http(54)
@pytest.mark.source
async def test_54_client_that_left_while_connecting_is_not_waited_for(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.read_to_end()
        closed.set()

    monkeypatch.setattr(attempts, "HALF_CLOSED_GRACE", 0.2)
    closed = asyncio.Event()
    async with ScriptedBackend(hang) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            client.writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.send_eof()  # comes with the request, before any connection to the backend is there
            await asyncio.wait_for(closed.wait(), 3)


@pytest.mark.http(54)
async def test_54_client_gone_closes_the_upstream(start_proxy: StartProxy) -> None:
    async def stuck(connection: BackendConnection) -> None:
        await connection.read_head()
        asked.set()
        await connection.read_to_end()
        closed.set()

    asked, closed = asyncio.Event(), asyncio.Event()
    async with ScriptedBackend(stuck) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
            await asked.wait()
            client.abort()
            await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.http(35)
async def test_35_slow_reader_holds_the_backend_back(start_proxy: StartProxy) -> None:
    size = 64 << 20
    sent = 0

    async def flood(connection: BackendConnection) -> None:
        nonlocal sent
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 16):
            await connection.write(bytes(1 << 16))
            sent += 1 << 16

    async with ScriptedBackend(flood) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            seen = -1
            while seen != sent or not sent:
                seen = sent
                await asyncio.sleep(0.2)  # "nothing moves any more" is a fact about time
            held = [d._transport.get_write_buffer_size() for d in proxy.plane.downstreams]
            assert sum(held) < 1 << 20
            assert sent < size
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert len((await client.read_response()).body) == size


async def test_happy_path_makes_no_task_and_no_timer(start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.get()
            loop = asyncio.get_running_loop()
            calls = {"call_later": 0, "call_at": 0, "call_soon": 0, "create_task": 0}
            tasks: list[object] = []

            def count(loop: Any, coroutine: Any, /, **more: Any) -> Any:
                tasks.append(coroutine)
                return asyncio.Task(coroutine, loop=loop, **more)

            loop.set_task_factory(count)
            monkeypatch.setattr(asyncio, "get_running_loop", lambda: _Spy(loop, calls))
            for _ in range(1000):
                assert (await client.get()).status == 200
        loop.set_task_factory(None)
        assert not tasks
        assert (calls["create_task"], calls["call_at"], calls["call_soon"]) == (0, 0, 0)
        assert calls["call_later"] <= 40  # the sweep: four a second


class _Spy:
    """A loop that counts what is asked of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, calls: dict[str, int]) -> None:
        self._loop = loop
        self._calls = calls

    def __getattr__(self, name: str) -> object:
        if name in self._calls:
            self._calls[name] += 1
        return getattr(self._loop, name)
