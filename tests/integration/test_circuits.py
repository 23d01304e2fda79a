"""A backend that answers badly is left alone, and comes back by one request that it answers well."""

import asyncio

from proxy.fleet.backend import Backend, Unavailable
from proxy.spec.service import CircuitSpec, ServiceSpec, TimeoutSpec
from tests.integration.conftest import Proxy, StartProxy, until
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import BackendConnection, ScriptedBackend, serve_ok

BAD = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nbad"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
# So long that a trial is due only when a test waits for it, also on a busy machine.
SPEC = ServiceSpec(name="web", circuit=CircuitSpec(open=1.0), timeout=TimeoutSpec(response=1.0))


class Ill:
    """A script for a backend: answers 503 until `is_well`, then 200; `is_hung` answers nothing."""

    def __init__(self) -> None:
        self.is_well = False
        self.is_hung = False
        self.methods: list[bytes] = []

    async def __call__(self, connection: BackendConnection) -> None:
        while True:
            head, _ = await connection.read_request()
            self.methods.append(head.split(b" ", 1)[0])
            if self.is_hung:
                await connection.read_to_end()
                return
            await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell" if self.is_well else BAD)


def ill_one(proxy: Proxy) -> Backend:
    return next(backend for backend in proxy.fleet.backends() if backend.name == "ill")


async def open_it(proxy: Proxy, client: RawClient) -> None:
    """Requests until its circuit is open."""
    for _ in range(10):
        await client.get()
    assert ill_one(proxy).unavailable is Unavailable.CIRCUIT_OPEN


async def test_backend_that_answers_503_is_left_alone_until_a_get_finds_it_well(start_proxy: StartProxy) -> None:
    ill = Ill()
    async with ScriptedBackend(ill, name="ill") as bad, ScriptedBackend(serve_ok, name="well") as good:
        proxy = await start_proxy(bad.claim(), good.claim(), spec=SPEC)
        async with RawClient(proxy.port) as client:
            await open_it(proxy, client)
            assert len(ill.methods) == 3
            await until(lambda: ill_one(proxy).unavailable is Unavailable.ON_TRIAL)
            ill.is_well = True
            for _ in range(5):
                await client.send(POST)
                assert (await client.read_response()).body == b"ok"  # a POST is no trial
            assert (await client.get()).body == b"well"
            assert ill_one(proxy).unavailable is None
    assert ill.methods == [b"GET"] * 4


async def test_trial_that_fails_is_the_only_one(start_proxy: StartProxy) -> None:
    ill = Ill()
    async with ScriptedBackend(ill, name="ill") as bad, ScriptedBackend(serve_ok, name="well") as good:
        proxy = await start_proxy(bad.claim(), good.claim(), spec=SPEC)
        async with RawClient(proxy.port) as client:
            await open_it(proxy, client)
            await until(lambda: ill_one(proxy).unavailable is Unavailable.ON_TRIAL)
            for _ in range(5):
                await client.get()
            assert len(ill.methods) == 4
            assert ill_one(proxy).unavailable is Unavailable.CIRCUIT_OPEN


async def test_nobody_waits_for_a_trial_that_hangs(start_proxy: StartProxy) -> None:
    ill = Ill()
    async with ScriptedBackend(ill, name="ill") as bad, ScriptedBackend(serve_ok, name="well") as good:
        proxy = await start_proxy(bad.claim(), good.claim(), spec=SPEC)
        async with RawClient(proxy.port) as client, RawClient(proxy.port) as unlucky:
            await open_it(proxy, client)
            await until(lambda: ill_one(proxy).unavailable is Unavailable.ON_TRIAL)
            ill.is_hung = True
            trial = asyncio.create_task(unlucky.get())
            await until(lambda: len(ill.methods) == 4)
            for _ in range(20):
                assert (await client.get()).body == b"ok"
            await until(lambda: ill_one(proxy).unavailable is Unavailable.CIRCUIT_OPEN)
            await trial
            assert len(ill.methods) == 4
