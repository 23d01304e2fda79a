"""A second try beside a slow first, when it may not begin at once."""

import asyncio

from proxy.spec.service import RetrySpec, ServiceSpec
from tests.integration.conftest import StartProxy, until
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import BackendConnection, ScriptedBackend

SPEC = ServiceSpec(name="web", retry=RetrySpec(try_timeout=0.1))


async def hang(connection: BackendConnection) -> None:
    """Read the request, and never answer."""
    await connection.read_request()
    await connection.read_to_end()


async def test_slow_try_for_which_the_budget_has_nothing_left_gets_its_second_when_it_has(
    start_proxy: StartProxy,
) -> None:
    async with ScriptedBackend(hang, name="hung") as hung, ScriptedBackend(name="alive") as alive:
        proxy = await start_proxy(hung.claim(), spec=SPEC)
        async with RawClient(proxy.port) as held, RawClient(proxy.port) as others:
            answer = asyncio.create_task(held.get())
            await until(lambda: bool(hung.heads))
            proxy.reconcile(hung.claim(), alive.claim(), spec=SPEC)
            hedges = proxy.fleet.services["web"].tries.hedges
            await until(lambda: hedges.exhausted > 0)  # one in twenty requests, and there was none yet
            for _ in range(40):
                assert (await others.get()).status == 200
            async with asyncio.timeout(5):
                assert (await answer).body == b"ok"
    assert len(hung.heads) == 1
