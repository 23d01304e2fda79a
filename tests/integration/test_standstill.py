"""A process that stood still for longer than its timeouts, with what it waited for at hand: nobody was late."""

import asyncio
import os
import socket
import time

from proxy.dataplane.plane import STANDSTILL
from proxy.spec.service import ServiceSpec, TimeoutSpec
from tests.integration.conftest import StartProxy, until
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend

SHORT = 0.3  # seconds


async def arrives_while_all_stands_still(writer: asyncio.StreamWriter, data: bytes) -> None:
    """In the middle of the loop's reading: it goes through its timers before it reads again."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    ours, theirs = socket.socketpair()

    def stand_still() -> None:
        os.write(writer.get_extra_info("socket").fileno(), data)
        time.sleep(2 * STANDSTILL)
        loop.remove_reader(ours)
        done.set()

    with ours, theirs:
        loop.add_reader(ours, stand_still)
        theirs.send(b"now")
        await done.wait()


async def test_response_that_came_meanwhile_is_no_timeout(start_proxy: StartProxy) -> None:
    async def answer_meanwhile(connection: BackendConnection) -> None:
        await connection.read_request()
        await arrives_while_all_stands_still(connection.writer, OK)
        await connection.read_to_end()

    async with ScriptedBackend(answer_meanwhile) as backend:
        spec = ServiceSpec(name="web", timeout=TimeoutSpec(response=SHORT))
        proxy = await start_proxy(backend.claim(), spec=spec)
        async with RawClient(proxy.port) as client:
            assert (await client.get()).status == 200


async def test_head_that_came_meanwhile_is_no_timeout(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), head_timeout=SHORT)
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHo")
            await until(lambda: bool(proxy.plane.downstreams))
            await arrives_while_all_stands_still(client.writer, b"st: a\r\n\r\n")
            assert (await client.read_response()).status == 200
