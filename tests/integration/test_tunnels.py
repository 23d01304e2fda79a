"""Upgrades and the tunnels that follow them, by raw bytes and by a real WebSocket client and server."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from proxy.spec.container import Claim
from proxy.spec.route import EVERYTHING, RouteSpec
from proxy.spec.service import BackendKey, BackendSpec, Lifecycle, ServiceSpec, TimeoutSpec
from tests.integration.conftest import Proxy, StartProxy, until
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend

ASK = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


async def switch_and_echo(connection: BackendConnection) -> None:
    """Answer 101 and send back whatever comes, to the end."""
    await connection.read_head()
    await connection.write(SWITCHED)
    while data := await connection.reader.read(65536):
        await connection.write(data)


def is_idle(proxy: Proxy) -> bool:
    return not any(each.is_active for each in proxy.plane.downstreams)


@pytest.mark.http(65)
async def test_upgrade_goes_through_with_its_fields_and_opens_a_tunnel(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(switch_and_echo) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(ASK)
            head = (await client.read_head()).lower()
            assert head.startswith(b"http/1.1 101 ")
            assert b"\r\nconnection: upgrade\r\n" in head
            assert b"\r\nupgrade: websocket\r\n" in head
            assert b"\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n" in head
            await client.send(b"\x00anything\r\n\r\nat all\xff")
            assert await client.reader.readexactly(20) == b"\x00anything\r\n\r\nat all\xff"
            assert [each.in_flight for each in proxy.fleet.backends()] == [1]
        (sent,) = backend.heads
        assert b"\r\nconnection: upgrade\r\n" in sent.lower()
        assert b"\r\nUpgrade: websocket\r\n" in sent
        assert b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" in sent
        await until(lambda: is_idle(proxy))
        assert proxy.fleet.services["web"].statistics.requests == {(b"GET", 101): 1}


@pytest.mark.http(65)
async def test_bytes_that_come_early_on_either_side_are_not_lost(start_proxy: StartProxy) -> None:
    may_switch = asyncio.Event()

    async def switch_late(connection: BackendConnection) -> None:
        await connection.read_head()
        await may_switch.wait()
        early = asyncio.ensure_future(connection.reader.read(100))
        await asyncio.sleep(0)
        assert not early.done(), "what is behind the head of an upgrade passed before the 101"
        await connection.write(SWITCHED + b"first words")
        await connection.write(b"heard " + await early)

    async with ScriptedBackend(switch_late) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(ASK + b"too early")
            await until(lambda: len(backend.heads) == 1)
            may_switch.set()
            assert (await client.read_head()).startswith(b"HTTP/1.1 101 ")
            assert await client.reader.read() == b"first wordsheard too early"


@pytest.mark.http(66)
async def test_refused_upgrade_is_still_http(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(ASK + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
            assert [(await client.read_response()).status for _ in range(2)] == [200, 200]
        assert [head.split(b" ")[1] for head in backend.heads] == [b"/chat", b"/next"]


@pytest.mark.http(67)
async def test_upgrade_to_h2c_is_never_forwarded(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            response = await client.get(
                "/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"
            )
            assert response.status == 200
        (sent,) = backend.heads
        assert b"upgrade" not in sent.lower()
        assert b"http2-settings" not in sent.lower()


@pytest.mark.http(43, 65)
@pytest.mark.parametrize("ask", [b"", b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Upgrade: websocket\r\n"])
async def test_101_that_nobody_asked_for_is_502(start_proxy: StartProxy, ask: bytes) -> None:
    async with ScriptedBackend(switch_and_echo) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + ask + b"\r\n")
            assert (await client.read_response()).status == 502


@pytest.mark.http(68)
async def test_body_of_an_upgrade_stays_a_body(start_proxy: StartProxy) -> None:
    bodies = []

    async def read_and_switch(connection: BackendConnection) -> None:
        _, body = await connection.read_request()
        bodies.append(body)
        await connection.write(SWITCHED)
        await connection.write(await connection.reader.read(100))

    async with ScriptedBackend(read_and_switch) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            ask = ASK.replace(b"GET", b"POST").replace(b"Host: a\r\n", b"Host: a\r\nContent-Length: 4\r\n")
            await client.send(ask + b"bodybehind")
            assert (await client.read_head()).startswith(b"HTTP/1.1 101 ")
            assert await client.reader.read() == b"behind"
    assert bodies == [b"body"]


@pytest.mark.http(68)
async def test_101_before_the_body_is_whole_is_502(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(switch_and_echo) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            ask = ASK.replace(b"GET", b"POST").replace(b"Host: a\r\n", b"Host: a\r\nContent-Length: 4\r\n")
            await client.send(ask + b"bo")
            assert (await client.read_response()).status == 502
            assert await client.is_closed()


@pytest.mark.http(69)
async def test_half_close_of_the_client_is_passed_on_and_the_backends_last_words_come(start_proxy: StartProxy) -> None:
    async def answer_at_the_end(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(SWITCHED)
        await connection.write(b"you said: " + await connection.read_to_end())

    async with ScriptedBackend(answer_at_the_end) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(ASK)
            await client.read_head()
            await client.send(b"goodbye")
            client.send_eof()
            assert await client.reader.read() == b"you said: goodbye"


@pytest.mark.http(69)
async def test_half_close_of_the_backend_is_passed_on_and_the_clients_last_words_come(start_proxy: StartProxy) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def end_first(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(SWITCHED + b"that is all")
        connection.writer.write_eof()
        heard.set_result(await connection.read_to_end())

    async with ScriptedBackend(end_first) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(ASK)
            await client.read_head()
            assert await client.reader.read() == b"that is all"
            await client.send(b"not for me")
            client.send_eof()
            assert await heard == b"not for me"


@pytest.mark.http(69)
async def test_reset_of_the_backend_is_seen_by_the_client_as_one(start_proxy: StartProxy) -> None:
    async def switch_and_reset(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(SWITCHED)
        await connection.reader.readexactly(1)
        connection.reset()

    async with ScriptedBackend(switch_and_reset) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(ASK)
            await client.read_head()
            await client.send(b"x")
            with pytest.raises(ConnectionResetError):
                await client.reader.read()


@pytest.mark.http(69)
async def test_client_that_leaves_ends_the_tunnel_at_the_backend(start_proxy: StartProxy) -> None:
    ended = asyncio.Event()

    async def switch_and_wait(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(SWITCHED)
        try:
            await connection.read_to_end()
        finally:
            ended.set()

    async with ScriptedBackend(switch_and_wait) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(ASK)
            await client.read_head()
            client.abort()
            await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.http(69)
async def test_idle_tunnel_has_a_timeout_of_its_own(start_proxy: StartProxy) -> None:
    spec = ServiceSpec(name="web", timeout=TimeoutSpec(idle=0.4, response=0.4, tunnel=1.2))
    async with ScriptedBackend(switch_and_echo) as backend:
        proxy = await start_proxy(backend.claim(), spec=spec, keep_alive=0.4)
        async with RawClient(proxy.port) as client:
            loop = asyncio.get_running_loop()
            await client.send(ASK)
            await client.read_head()
            started = loop.time()
            assert await client.is_closed()
            assert 1.1 < loop.time() - started < 3.0


@pytest.mark.http(35, 69)
@pytest.mark.parametrize("reader", ["client", "backend"])
async def test_side_that_does_not_read_stops_the_other(start_proxy: StartProxy, reader: str) -> None:
    piece = b"x" * 65536
    flooded = asyncio.Event()

    async def flood(writer: asyncio.StreamWriter) -> int:
        sent = 0
        while sent < 1600 * len(piece):
            writer.write(piece)
            try:
                async with asyncio.timeout(0.5):
                    await writer.drain()
            except TimeoutError:
                break
            sent += len(piece)
        flooded.set()
        return sent

    counts = []

    async def script(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(SWITCHED)
        if reader == "client":
            counts.append(await flood(connection.writer))
        await flooded.wait()

    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            client.writer.transport.set_write_buffer_limits(high=65536)
            await client.send(ASK)
            await client.read_head()
            if reader == "client":
                client.writer.transport.pause_reading()  # type: ignore[attr-defined]
                await flooded.wait()
            else:
                counts.append(await flood(client.writer))
            assert counts[0] < 1600 * len(piece), "nothing stopped the flood"
            client.abort()


@asynccontextmanager
async def websocket_server() -> AsyncIterator[Claim]:
    """An application that sends each message back, found at a free port."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/ws", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        yield Claim(
            service=ServiceSpec(name="web"),
            backend=BackendSpec(key=BackendKey(container="ws", host="127.0.0.1", port=port), name="ws", service="web"),
            routes=(RouteSpec(rule=EVERYTHING, service="web"),),
        )
    finally:
        await runner.cleanup()


@pytest.mark.http(65, 69)
async def test_websocket_client_and_server_exchange_large_frames_both_ways(start_proxy: StartProxy) -> None:
    frames = [os.urandom(65536) for _ in range(50)]
    async with websocket_server() as claim:
        proxy = await start_proxy(claim)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{proxy.port}/ws", max_msg_size=0) as socket,
        ):

            async def send() -> None:
                for frame in frames:
                    await socket.send_bytes(frame)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(send())
                for frame in frames:
                    assert await socket.receive_bytes() == frame
            await socket.send_str("höre")
            assert await socket.receive_str() == "höre"
            await socket.close()
            assert socket.close_code == 1000


@pytest.mark.http(66)
async def test_websocket_request_to_a_path_that_is_none_gets_its_404(start_proxy: StartProxy) -> None:
    async with websocket_server() as claim:
        proxy = await start_proxy(claim)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
                await session.ws_connect(f"http://127.0.0.1:{proxy.port}/none")
            assert raised.value.status == 404


async def test_idle_connection_is_not_given_to_a_tunnel_and_then_to_others(start_proxy: StartProxy) -> None:
    async def switch_or_serve(connection: BackendConnection) -> None:
        while True:
            head = await connection.read_head()
            if b"/chat" in head:
                await connection.write(SWITCHED)
                return
            await connection.write(OK)

    async with ScriptedBackend(switch_or_serve) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client, RawClient(proxy.port) as other:
            assert (await other.get()).status == 200
            await client.send(ASK)
            await client.read_head()
            assert await client.is_closed()
            assert (await other.get()).status == 200
        assert backend.accepted == 2


@pytest.mark.http(69)
async def test_tunnel_is_closed_and_not_cut_when_the_proxys_time_to_drain_is_over(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(switch_and_echo) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(ASK)
            await client.read_head()
            draining = asyncio.create_task(proxy.plane.drain(1.0))
            await client.send(b"still here")
            assert await client.reader.readexactly(10) == b"still here"
            assert await client.reader.read() == b""  # an end, where a cut would raise
            assert await draining


@pytest.mark.http(69)
async def test_tunnel_is_closed_before_its_backend_is_killed(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(switch_and_echo) as backend:
        proxy = await start_proxy(backend.claim(stop_timeout=1.0))
        async with RawClient(proxy.port) as client:
            await client.send(ASK)
            await client.read_head()
            began = asyncio.get_running_loop().time()
            proxy.fleet.observe("scripted", Lifecycle.DRAINING, began)
            assert await client.reader.read() == b""
            assert 0.3 < asyncio.get_running_loop().time() - began < 2.0  # at 0.5 s, and a sweep later


async def test_tunnel_of_a_backend_that_was_not_stopped_after_all_goes_on(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(switch_and_echo) as backend:
        proxy = await start_proxy(backend.claim(stop_timeout=0.6))
        async with RawClient(proxy.port) as client:
            await client.send(ASK)
            await client.read_head()
            loop = asyncio.get_running_loop()
            proxy.fleet.observe("scripted", Lifecycle.DRAINING, loop.time())
            proxy.fleet.observe("scripted", Lifecycle.RUNNING, loop.time())
            await until(lambda: not proxy.plane._tunnels_until)
            await client.send(b"still here")
            assert await client.reader.readexactly(10) == b"still here"
