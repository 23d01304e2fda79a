"""What is sent to a backend a second time, and what never is (RFC 9110 section 9.2.2)."""

import asyncio
import time

import pytest

from proxy.spec.service import RetrySpec, ServiceSpec
from tests.integration.conftest import StartProxy
from tests.integration.test_failover import closed_port
from tests.support.http_lines import rows
from tests.support.pieces import KeptRequests
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import BackendConnection, ScriptedBackend

NOT_AGAIN = {
    "56 POST": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "56 POST without a body": b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
    "56 PATCH": b"PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "57 a method nobody knows": b"FROB / HTTP/1.1\r\nHost: a\r\n\r\n",
    "57 get, which is not GET": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("end", ["FIN", "RST"])
@pytest.mark.parametrize("raw", rows(NOT_AGAIN))
async def test_request_that_may_have_had_an_effect_is_sent_once(start_proxy: StartProxy, raw: bytes, end: str) -> None:
    async def die(connection: BackendConnection) -> None:
        await connection.read_request()
        if end == "RST":
            connection.reset()

    async with ScriptedBackend(die, name="a") as first, ScriptedBackend(die, name="b") as second:
        proxy = await start_proxy(first.claim(), second.claim())
        async with RawClient(proxy.port) as client:
            await client.send(raw)
            assert (await client.read_response()).status == 502
        assert len(first.heads) + len(second.heads) == 1


AGAIN = {
    "58 PUT with a length": (
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        [b"one", b"two", b"six"],
        b"onetwosix",
    ),
    "58 PUT in chunks": (
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"],
        b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
    ),
}


@pytest.mark.parametrize(("head", "pieces", "whole"), rows(AGAIN))
async def test_body_that_was_half_sent_goes_whole_to_the_next(
    start_proxy: StartProxy, head: bytes, pieces: list[bytes], whole: bytes
) -> None:
    async def die(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.reader.readexactly(len(pieces[0]))
        died.set()

    died = asyncio.Event()
    script = KeptRequests()
    async with ScriptedBackend(die, name="a") as dying, ScriptedBackend(script, name="b") as alive:
        proxy = await start_proxy(dying.claim(), alive.claim(backup=True))
        async with RawClient(proxy.port) as client:
            await client.send(head + pieces[0])
            await died.wait()
            for piece in pieces[1:]:
                await client.send(piece)
            assert (await client.read_response()).body == b"ok"
    ((_, body),) = script.requests
    assert body == whole


@pytest.mark.http(59)
@pytest.mark.parametrize("part", [b"", b"half"], ids=["the head", "a part of the body"])
async def test_nothing_is_sent_again_once_the_client_saw_something(start_proxy: StartProxy, part: bytes) -> None:
    async def die(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + part)

    async with ScriptedBackend(die, name="a") as first, ScriptedBackend(die, name="b") as second:
        proxy = await start_proxy(first.claim(), second.claim())
        async with RawClient(proxy.port) as client:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.get()
        assert len(first.heads) + len(second.heads) == 1


@pytest.mark.http(60)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_tries_are_bounded_and_the_answer_is_whole(start_proxy: StartProxy, method: str) -> None:
    claims = [closed_port(f"gone-{number}") for number in range(20)]
    spec = ServiceSpec(name="web", retry=RetrySpec())
    proxy = await start_proxy(*claims, spec=spec)
    async with RawClient(proxy.port) as client:
        for _ in range(2):
            began = time.monotonic()
            response = await client.get(method=method)
            assert response.status in (502, 503, 504)
            assert time.monotonic() - began < 2.5
            assert bool(response.body) == (method != "HEAD")
            assert response.field("content-length") != "0"


@pytest.mark.http(60)
async def test_backends_that_all_die_are_asked_a_bounded_number_of_times(start_proxy: StartProxy) -> None:
    async def die(connection: BackendConnection) -> None:
        await connection.read_request()
        connection.reset()

    async with ScriptedBackend(die, name="a") as one, ScriptedBackend(die, name="b") as two:
        proxy = await start_proxy(one.claim(), two.claim())
        async with RawClient(proxy.port) as client:
            assert (await client.get()).status == 502
        assert 1 <= len(one.heads) + len(two.heads) <= 3
