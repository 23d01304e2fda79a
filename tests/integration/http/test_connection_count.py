"""How many connections are said to be open, whatever became of them."""

import asyncio
import random

from proxy.dataplane.plane import ClientSettings, DataPlane
from proxy.fleet.fleet import Fleet
from tests.integration.conftest import LOOPBACK, Proxy, until
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend

POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_connect_called_off_at_any_moment_is_not_counted_as_open() -> None:
    plane = DataPlane(Fleet(random.Random(7)), ClientSettings())
    await plane.start([LOOPBACK])
    proxy = Proxy(plane)
    try:
        async with ScriptedBackend() as backend:
            proxy.reconcile(backend.claim())
            for turns in range(10):
                async with RawClient(proxy.port) as client:
                    await client.send(POST)
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    await client.send(b"bad\n")
                    assert (await client.read_response()).status == 400
                await until(lambda: not plane.downstreams)
    finally:
        await plane.close()
    for _ in range(100):  # turns of the loop, in which every connection hears of its end
        await asyncio.sleep(0)
    assert plane.pool.open == 0
