"""Limits on what a client may send and how slowly, and what is ordinary for all that."""

import asyncio
import time
from collections.abc import Callable

import pytest

from proxy.spec.service import ServiceSpec, TimeoutSpec
from tests.integration.conftest import StartProxy, until
from tests.support.http_lines import rows
from tests.support.pieces import KeptBytes, KeptRequests, refusal, send_pieces
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import BackendConnection, ScriptedBackend

START = b"GET / HTTP/1.1\r\nHost: a\r\n"

REFUSED = {
    "70 a target over 8 KiB": (b"GET /" + b"x" * 8192 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "70, 75 a target without end": (b"GET /" + b"x" * 100_000, 414),
    "70 101 fields": (START + b"A: b\r\n" * 100 + b"\r\n", 431),
    "70 a head over 32 KiB": (START + b"A: " + b"x" * 32_768 + b"\r\n\r\n", 431),
    "70, 75 a head without end": (START + b"A: bcd\r\n" * 12_000, 431),
}


@pytest.mark.parametrize("step", [1 << 20, 1000], ids=["at once", "in pieces"])
@pytest.mark.parametrize(("raw", "status"), rows(REFUSED))
async def test_what_is_over_a_limit_is_refused(start_proxy: StartProxy, raw: bytes, status: int, step: int) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        pieces = [raw[index : index + step] for index in range(0, len(raw), step)]
        assert (await refusal(proxy.port, pieces)).status == status
        assert backend.accepted == 0


@pytest.mark.http(31, 70)
@pytest.mark.parametrize("step", [1 << 20, 1000], ids=["at once", "in pieces"])
async def test_trailers_over_the_limit_end_no_body(start_proxy: StartProxy, step: int) -> None:
    script = KeptBytes()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        trailers = b"0\r\n" + b"A: bcd\r\n" * 1025 + b"\r\n"
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
            await until(lambda: b"2\r\nhi\r\n" in b"".join(script.connections))
            await send_pieces(client, [trailers[index : index + step] for index in range(0, len(trailers), step)])
            assert (await client.read_response()).status == 400
            assert await client.is_closed()
        await until(lambda: script.ended == 1)
    assert script.connections[0].endswith(b"\r\n\r\n2\r\nhi\r\n")


@pytest.mark.http(91)
async def test_long_lines_and_many_fields_are_ordinary(start_proxy: StartProxy) -> None:
    script = KeptRequests()
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for _ in range(2):
                fields = [f"X-{number}: {'v' * 200}" for number in range(99)]
                assert (await client.get("/" + "x" * 8000, *fields)).body == b"ok"
    for head, _ in script.requests:
        assert head.startswith(b"GET /" + b"x" * 8000 + b" HTTP/1.1\r\n")
        assert head.count(b": " + b"v" * 200) == 99


@pytest.mark.http(71)
async def test_dribbled_head_is_408_when_its_time_is_over(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), head_timeout=0.3)
        async with RawClient(proxy.port) as client:
            began = time.monotonic()
            reading = asyncio.create_task(client.read_response())
            await client.send(START + b"A: ")
            while not reading.done():
                await client.send(b"x")
                await asyncio.wait([reading], timeout=0.02)  # a slow client is one that lets time pass
            assert (await reading).status == 408
            assert 0.25 < time.monotonic() - began < 2
            assert await client.is_closed()
        assert backend.accepted == 0


@pytest.mark.http(71, 73)
async def test_second_request_has_the_time_of_a_head_from_its_first_byte(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), head_timeout=0.3, keep_alive=60.0)
        async with RawClient(proxy.port) as client:
            assert (await client.get()).status == 200
            await client.send(b"G")
            assert (await client.read_response()).status == 408


@pytest.mark.http(72)
async def test_client_that_stops_reading_is_given_up(start_proxy: StartProxy) -> None:
    async def flood(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                await connection.write(bytes(1 << 16))
        finally:
            ended.set()

    ended = asyncio.Event()
    async with ScriptedBackend(flood) as backend:
        proxy = await start_proxy(backend.claim(), spec=ServiceSpec(name="web", timeout=TimeoutSpec(idle=0.3)))
        async with RawClient(proxy.port) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await client.send(START + b"\r\n")
            await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.http(73)
@pytest.mark.parametrize("sent", [b"", b"\r\n"], ids=["nothing", "an empty line"])
async def test_idle_connection_is_closed_without_a_byte(start_proxy: StartProxy, sent: bytes) -> None:
    proxy = await start_proxy(head_timeout=0.2, keep_alive=0.2)
    async with RawClient(proxy.port) as client:
        await client.send(sent)
        assert await client.is_closed()


GROWING: dict[str, Callable[[int], bytes]] = {
    "75 a value": lambda size: START + b"A: " + b"x" * size,
    "75 fields": lambda size: START + b"A:\r\n" * (size // 4),
    "75 empty list members": lambda size: START + b"Connection: " + b"," * size,
    "75 digits": lambda size: START + b"Content-Length: " + b"1" * size,
    "75 a Host": lambda size: b"GET / HTTP/1.1\r\nHost: " + b"[" * size,
}


@pytest.mark.parametrize("make", rows(GROWING))
async def test_memory_for_a_head_without_end_is_bounded(start_proxy: StartProxy, make: Callable[[int], bytes]) -> None:
    proxy = await start_proxy()
    async with RawClient(proxy.port) as client:
        await client.send(make(30_000))
        await until(lambda: any(each._partial is not None for each in proxy.plane.downstreams))
        (downstream,) = proxy.plane.downstreams
        assert downstream._partial is not None
        assert len(downstream._partial) <= 32 * 1024
        await client.send(b"y" * 4000)
        assert (await client.read_response()).status == 431
        assert downstream._partial is None
