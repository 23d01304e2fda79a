"""What becomes of client connections when a proxy is told to end."""

import asyncio
import socket

import pytest

from proxy.dataplane.plane import DataPlane
from proxy.spec.proxy import ListenAddress
from tests.integration.conftest import StartProxy
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend


async def test_client_that_had_just_connected_is_still_answered(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            while not proxy.plane.downstreams:  # noqa: ASYNC110  # no event tells that it was accepted
                await asyncio.sleep(0)
            draining = asyncio.create_task(proxy.plane.drain(5.0))
            await asyncio.sleep(0)
            response = await client.get()
            assert (response.status, response.field("connection")) == (200, "close")
            assert await draining


async def test_client_that_asks_nothing_is_waited_for_a_moment_only(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), listen=ListenAddress("127.0.0.1", 0, proxy_protocol=True))
        async with RawClient(proxy.port) as client:
            while not proxy.plane.downstreams:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0)
            assert await asyncio.wait_for(proxy.plane.drain(5.0), 2.0)
            assert await client.is_closed()


async def test_client_between_two_requests_is_let_go_at_once(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            assert (await client.get()).status == 200
            assert await asyncio.wait_for(proxy.plane.drain(5.0), 0.25)
            assert await client.is_closed()


@pytest.mark.parametrize("rounds", range(6))
async def test_client_that_connects_just_as_another_plane_takes_over_is_answered(
    start_proxy: StartProxy, rounds: int
) -> None:
    """In whatever round of the loop the old one stops accepting: one of the two has the connection."""
    async with ScriptedBackend() as backend:
        old, new = await start_proxy(backend.claim()), await start_proxy(backend.claim())
        with socket.create_server(("127.0.0.1", 0)) as listening:
            await _serve(old.plane, listening)
            # by the kernel, while the loop stands still
            with socket.create_connection(listening.getsockname()) as connection:
                is_ending = asyncio.Event()
                answer = asyncio.create_task(_ask_when(is_ending, new.plane, listening, connection))
                for _ in range(rounds):
                    await asyncio.sleep(0)
                is_ending.set()
                assert await _end(old.plane)
                assert (await answer).startswith(b"HTTP/1.1 200 ")


async def _ask_when(
    is_ending: asyncio.Event, plane: DataPlane, listening: socket.socket, connection: socket.socket
) -> bytes:
    """Let this plane serve too, and say what comes over the connection for a request."""
    await is_ending.wait()
    await _serve(plane, listening)
    reader, writer = await asyncio.open_connection(sock=connection)
    writer.write(b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def _serve(plane: DataPlane, listening: socket.socket) -> None:
    await plane.adopt([(listening.dup(), False)])
    await plane.serve()


async def _end(plane: DataPlane) -> bool:
    """As a worker does, which is told to end once it has said that it has drained."""
    is_whole = await plane.drain(5.0)
    for _ in range(3):
        await asyncio.sleep(0)
    await plane.close()
    return is_whole
