"""What a client sees when a backend fails: another backend's answer, or a clear one of the proxy's own."""

import asyncio
import socket
import time
from dataclasses import replace

import pytest

from proxy.fleet.interface import Transition
from proxy.spec.container import Claim
from proxy.spec.service import Lifecycle, RetrySpec, ServiceSpec, TimeoutSpec
from tests.integration.conftest import StartProxy, until
from tests.support.http_lines import rows
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend, serve_ok

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


def closed_port(name: str) -> Claim:
    """A claim for an address that refuses: one of the loopback's at which no test listens, whatever the port."""
    claim = ScriptedBackend(name=name).claim()
    key = replace(claim.backend.key, host="127.0.0.9", port=9)
    return replace(claim, backend=replace(claim.backend, key=key))


async def test_refused_goes_to_another_backend_for_any_method(start_proxy: StartProxy) -> None:
    gone = [closed_port("gone-1"), closed_port("gone-2")]
    async with ScriptedBackend(name="alive") as backend:
        for method in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", POST):
            proxy = await start_proxy(*gone, backend.claim())
            for _ in range(5):
                async with RawClient(proxy.port) as client:
                    await client.send(method)
                    assert (await client.read_response()).body == b"ok"


@pytest.mark.http(60)
async def test_60_all_refusing_is_one_complete_502_in_time(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(*[closed_port(f"gone-{number}") for number in range(4)])
    for method in ("GET", "HEAD"):
        async with RawClient(proxy.port) as client:
            began = time.monotonic()
            response = await client.get(method=method)
            assert response.status == 502
            assert response.field("x-seawall-failure") == "refused"
            assert time.monotonic() - began < 2.5


async def test_connect_timeout_goes_to_another_backend(start_proxy: StartProxy) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:  # a listener whose backlog is full drops SYNs: nobody answers
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        hung = ScriptedBackend(name="a-hung")
        hung.port = port
        spec = ServiceSpec(name="web", timeout=TimeoutSpec(connect=0.3))
        async with ScriptedBackend(name="alive") as backend:
            proxy = await start_proxy(hung.claim(), backend.claim(), spec=spec)
            for _ in range(4):
                async with RawClient(proxy.port) as client:
                    await client.send(POST)
                    assert (await client.read_response()).body == b"ok"
        for filler in fillers:
            filler.close()


@pytest.mark.http(55)
async def test_55_stale_connection_costs_no_get(start_proxy: StartProxy) -> None:
    async def close_unseen(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(OK)
        if connection.number == 0:
            await connection.read_head()  # the second request is taken and answered by closing
            return
        await serve_ok(connection)

    async with ScriptedBackend(close_unseen) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            assert (await client.get()).body == b"ok"
            assert (await client.get()).body == b"ok"
        assert backend.accepted == 2
        (living,) = proxy.fleet.backends()
        assert living.unavailable is None


@pytest.mark.http(56)
async def test_56_post_is_not_sent_again_once_written(start_proxy: StartProxy) -> None:
    async def die(connection: BackendConnection) -> None:
        await connection.read_request()

    async with ScriptedBackend(die, name="a") as first, ScriptedBackend(die, name="b") as second:
        proxy = await start_proxy(first.claim(), second.claim())
        async with RawClient(proxy.port) as client:
            await client.send(POST)
            response = await client.read_response()
        assert (response.status, response.field("x-seawall-failure")) == (502, "closed")
        assert first.accepted + second.accepted == 1


async def test_get_whose_backend_dies_goes_elsewhere_once(start_proxy: StartProxy) -> None:
    async def die(connection: BackendConnection) -> None:
        await connection.read_request()
        connection.reset()

    async with ScriptedBackend(die, name="a") as dying, ScriptedBackend(name="b") as alive:
        proxy = await start_proxy(dying.claim(), alive.claim())
        for _ in range(4):
            async with RawClient(proxy.port) as client:
                assert (await client.get()).body == b"ok"
        assert dying.accepted >= 1


@pytest.mark.http(58)
async def test_58_put_is_sent_again_with_its_whole_body(start_proxy: StartProxy) -> None:
    bodies: list[bytes] = []

    async def die(connection: BackendConnection) -> None:
        bodies.append((await connection.read_request())[1])

    async def keep(connection: BackendConnection) -> None:
        bodies.append((await connection.read_request())[1])
        await connection.write(OK)

    async with ScriptedBackend(die, name="a") as dying, ScriptedBackend(keep, name="b") as alive:
        proxy = await start_proxy(dying.claim(), alive.claim(backup=True))
        async with RawClient(proxy.port) as client:
            await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            assert (await client.read_response()).body == b"ok"
    assert bodies == [b"hello", b"hello"]


async def test_body_too_large_to_hold_is_not_sent_again(start_proxy: StartProxy) -> None:
    async def die(connection: BackendConnection) -> None:
        await connection.read_request()

    spec = ServiceSpec(name="web", retry=RetrySpec(body=10))
    async with ScriptedBackend(die, name="a") as dying, ScriptedBackend(name="b") as alive:
        proxy = await start_proxy(dying.claim(), alive.claim(backup=True), spec=spec)
        async with RawClient(proxy.port) as client:
            await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n" + b"x" * 20)
            assert (await client.read_response()).status == 502
    assert alive.accepted == 0


async def test_no_backend_is_503_with_retry_after(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        proxy.fleet.observe(backend.name, Lifecycle.DRAINING, time.monotonic())
        async with RawClient(proxy.port) as client:
            response = await client.get()
            assert (response.status, response.field("x-seawall-failure")) == (503, "no-backend")
            assert response.field("retry-after") == "1"
            proxy.fleet.observe(backend.name, Lifecycle.RUNNING, time.monotonic())
            assert (await client.get()).status == 200


async def test_no_route_is_404_and_the_connection_stays(start_proxy: StartProxy) -> None:
    proxy = await start_proxy()
    async with RawClient(proxy.port) as client:
        for _ in range(2):
            response = await client.get()
            assert (response.status, response.field("x-seawall-failure")) == (404, "no-route")


async def test_drained_backend_finishes_what_it_has_and_gets_no_more(start_proxy: StartProxy) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def slow(connection: BackendConnection) -> None:
        await connection.read_request()
        asked.set()
        await release.wait()
        await connection.write(OK)
        assert await connection.read_to_end() == b""

    async with ScriptedBackend(slow, name="leaving") as leaving, ScriptedBackend(name="staying") as staying:
        proxy = await start_proxy(leaving.claim())
        async with RawClient(proxy.port) as first, RawClient(proxy.port) as second:
            await first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await asked.wait()
            proxy.reconcile(leaving.claim(), staying.claim())
            proxy.fleet.observe("leaving", Lifecycle.DRAINING, time.monotonic())
            for _ in range(5):
                assert (await second.get()).body == b"ok"
            assert leaving.accepted == 1
            release.set()
            assert (await first.read_response()).body == b"ok"
        assert staying.accepted >= 1


BAD_RESPONSES = {
    "garbage": b"\x00\xff\x00garbage\r\n\r\n",
    "garbage without end": b"\x16\x03\x01",
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
    "63 a partial head": b"HTTP/1.1 200 OK\r\nConte",
    "101 nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "1xx and then a close": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "44 an endless head": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 40_000,
    "43 a flood of 1xx": b"HTTP/1.1 102 Processing\r\n\r\n" * 40,
}


@pytest.mark.parametrize("raw", rows(BAD_RESPONSES))
async def test_bad_response_is_502_and_harms_nobody_else(start_proxy: StartProxy, raw: bytes) -> None:
    async def bad(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(raw if connection.number == 0 else OK)

    async with ScriptedBackend(bad) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            response = await client.get()
            while response.status < 200:
                response = await client.read_response()
            assert (response.status, response.field("x-seawall-failure")) == (502, "bad-response")
            assert (await client.get()).body == b"ok"


async def test_suspect_is_asked_last_and_for_a_time(start_proxy: StartProxy) -> None:
    gone = closed_port("gone")
    async with ScriptedBackend(name="alive") as alive:
        proxy = await start_proxy(gone, alive.claim())
        flips: list[Transition] = []
        proxy.fleet.on_flip = flips.append
        async with RawClient(proxy.port) as client:
            for _ in range(20):
                assert (await client.get()).status == 200
        assert [(flip.backend, flip.after, flip.reason) for flip in flips] == [("gone", "suspect", "refused")]
        await until(lambda: len(flips) == 2)
        assert flips[1].after == "available"
