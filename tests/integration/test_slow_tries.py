"""A second try beside a slow first: when it may not begin at once, and when it is the one that answers."""

import asyncio

from proxy.spec.service import RetrySpec, ServiceSpec
from tests.integration.conftest import StartProxy, until
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend

# So long that a busy machine makes no other try slow as well.
SPEC = ServiceSpec(name="web", retry=RetrySpec(try_timeout=0.5))


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


async def test_slow_try_is_called_off_when_the_second_begins_to_answer(start_proxy: StartProxy) -> None:
    """Until its end would be too late: an answer of the first would go out in the middle of that of the second."""
    called_off = asyncio.Event()

    async def hang_until_called_off(connection: BackendConnection) -> None:
        await hang(connection)
        called_off.set()

    async def answer_in_two_pieces(connection: BackendConnection) -> None:
        while b"/held" not in (await connection.read_request())[0]:
            await connection.write(OK)
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await called_off.wait()
        await connection.write(b"cd")

    async with (
        ScriptedBackend(hang_until_called_off, name="slow") as slow,
        ScriptedBackend(answer_in_two_pieces, name="second") as second,
    ):
        proxy = await start_proxy(slow.claim(), spec=SPEC)
        async with RawClient(proxy.port) as held, RawClient(proxy.port) as others:
            answer = asyncio.create_task(held.get("/held"))
            await until(lambda: bool(slow.heads))
            proxy.reconcile(slow.claim(), second.claim(), spec=SPEC)
            for _ in range(40):  # one request in twenty may have a second try
                assert (await others.get()).status == 200
            async with asyncio.timeout(5):
                assert (await answer).body == b"abcd"
