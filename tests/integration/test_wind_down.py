"""What becomes of client connections when a proxy is told to end."""

import asyncio

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
