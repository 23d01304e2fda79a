"""Requests that go again: by status, beside a slow try, off a backend that went down; and what keeps them from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from proxy.dataplane.plane import SWEEP_INTERVAL
from proxy.failure import Failure
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Transition
from proxy.retry.budget import Budget
from proxy.spec.service import BackendKey, Lifecycle, PolicyName, RetrySpec, ServiceSpec, TimeoutSpec
from tests.integration.conftest import Proxy, StartProxy, until
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, Script, ScriptedBackend

ROUND_ROBIN = ServiceSpec(name="web", policy=PolicyName.ROUND_ROBIN)


def answer(raw: bytes) -> Script:
    async def script(connection: BackendConnection) -> None:
        while True:
            await connection.read_request()
            await connection.write(raw)

    return script


BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
WAIT_LONG = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 4\r\n\r\nbusy"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nohno"


async def hang(connection: BackendConnection) -> None:
    await connection.read_request()
    await connection.read_to_end()


async def statuses(proxy: Proxy, count: int, method: str = "GET") -> list[int]:
    async with RawClient(proxy.port) as client:
        got = []
        for _ in range(count):
            if method == "GET":
                got.append((await client.get()).status)
            else:
                await client.send(POST)
                got.append((await client.read_response()).status)
        return got


# by status


async def test_get_that_is_answered_503_goes_elsewhere(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(answer(BUSY), "busy") as busy, ScriptedBackend(name="good") as good:
        proxy = await start_proxy(busy.claim(), good.claim(), spec=ROUND_ROBIN)
        assert await statuses(proxy, 4) == [200] * 4
        assert len(busy.heads) >= 1
        retried = proxy.fleet.services["web"].statistics.retries
        assert retried == {Failure.BAD_STATUS: len(busy.heads)}


async def test_post_that_is_answered_503_does_not(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(answer(BUSY), "busy") as busy, ScriptedBackend(name="good") as good:
        proxy = await start_proxy(busy.claim(), good.claim(), spec=ROUND_ROBIN)
        assert sorted(await statuses(proxy, 2, "POST")) == [200, 503]


async def test_500_is_no_reason_to_go_elsewhere(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(answer(BROKEN), "broken") as broken, ScriptedBackend(name="good") as good:
        proxy = await start_proxy(broken.claim(), good.claim(), spec=ROUND_ROBIN)
        assert sorted(await statuses(proxy, 2)) == [200, 500]


async def test_service_says_which_statuses_go_again(start_proxy: StartProxy) -> None:
    spec = ServiceSpec(name="web", policy=PolicyName.ROUND_ROBIN, retry=RetrySpec(statuses=(500,)))
    async with ScriptedBackend(answer(BROKEN), "broken") as broken, ScriptedBackend(name="good") as good:
        proxy = await start_proxy(broken.claim(), good.claim(), spec=spec)
        assert await statuses(proxy, 2) == [200] * 2


async def test_answer_that_asks_to_come_much_later_reaches_the_client(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(answer(WAIT_LONG), "busy") as busy, ScriptedBackend(name="good") as good:
        proxy = await start_proxy(busy.claim(), good.claim(), spec=ROUND_ROBIN)
        assert sorted(await statuses(proxy, 2)) == [200, 503]


async def test_only_backend_is_asked_once_more_after_a_moment(start_proxy: StartProxy) -> None:
    async def busy_at_first(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(BUSY)
        while True:
            await connection.read_request()
            await connection.write(OK)

    async with ScriptedBackend(busy_at_first) as backend:
        proxy = await start_proxy(backend.claim())
        assert await statuses(proxy, 1) == [200]
        assert len(backend.heads) == 2


async def test_answer_of_the_second_try_goes_out_whatever_it_is(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(answer(BUSY), "a") as first, ScriptedBackend(answer(BUSY), "b") as second:
        proxy = await start_proxy(first.claim(), second.claim(), spec=ROUND_ROBIN)
        async with RawClient(proxy.port) as client:
            response = await client.get()
            assert (response.status, response.body, response.field("x-seawall-failure")) == (503, b"busy", None)
        assert len(first.heads) == len(second.heads) == 1


async def test_without_budget_the_first_answer_goes_out(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(answer(BUSY), "busy") as busy, ScriptedBackend(name="good") as good:
        proxy = await start_proxy(busy.claim(), good.claim(), spec=ROUND_ROBIN)
        tries = proxy.fleet.services["web"].tries
        tries.budget = Budget(0.0, 0.0, 0, 0.0)
        assert 503 in await statuses(proxy, 2)
        assert tries.budget.exhausted == 1


async def test_amplification_is_bounded_when_everybody_is_busy(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(answer(BUSY), "a") as first, ScriptedBackend(answer(BUSY), "b") as second:
        proxy = await start_proxy(first.claim(), second.claim(), spec=ROUND_ROBIN)
        began = asyncio.get_running_loop().time()
        assert set(await statuses(proxy, 600)) == {503}
        taken = asyncio.get_running_loop().time() - began
        seen = len(first.heads) + len(second.heads)
        assert 600 <= seen <= 1.2 * 600 + 30 + 3 * taken  # what an idle service may spend at once, and in each second


async def test_body_is_sent_again_whole(start_proxy: StartProxy) -> None:
    bodies: list[bytes] = []

    def taking(raw: bytes) -> Script:
        async def script(connection: BackendConnection) -> None:
            bodies.append((await connection.read_request())[1])
            await connection.write(raw)

        return script

    async with ScriptedBackend(taking(BUSY), "busy") as busy, ScriptedBackend(taking(OK), "good") as good:
        proxy = await start_proxy(busy.claim(), good.claim(), spec=ROUND_ROBIN)
        async with RawClient(proxy.port) as client:
            for _ in range(2):
                await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789")
                assert (await client.read_response()).status == 200
    assert set(bodies) == {b"0123456789"}
    assert len(bodies) in (3, 4)  # by where the first of them began


# beside a slow try

HASTY = ServiceSpec(
    name="web", policy=PolicyName.ROUND_ROBIN, retry=RetrySpec(try_timeout=0.2), timeout=TimeoutSpec(response=3.0)
)


async def test_second_try_beside_a_slow_one_answers_and_the_slow_one_is_called_off(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(hang, "slow") as slow, ScriptedBackend(name="good") as good:
        proxy = await start_proxy(slow.claim(), good.claim(), spec=HASTY)
        proxy.fleet.services["web"].tries.hedges = Budget(1.0, 100.0, 0, 0.0)
        began = asyncio.get_running_loop().time()
        assert await statuses(proxy, 2) == [200] * 2
        assert asyncio.get_running_loop().time() - began < 2.0
        await until(lambda: all(backend.in_flight == 0 for backend in proxy.fleet.backends()))
        failures = [backend.statistics.failures for backend in proxy.fleet.backends() if backend.name == "slow"]
        assert failures == [{Failure.TRY_TIMEOUT: 1}]


async def test_slow_try_that_answers_first_is_the_one_that_counts(start_proxy: StartProxy) -> None:
    asked_again = asyncio.Event()

    async def answer_late(connection: BackendConnection) -> None:
        await connection.read_request()
        await asked_again.wait()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nla")
        await asyncio.sleep(0.05)  # a body in two pieces, of which the second is still to find its way
        await connection.write(b"te")

    async def note_and_hang(connection: BackendConnection) -> None:
        await connection.read_request()
        asked_again.set()
        await connection.read_to_end()

    async with ScriptedBackend(answer_late, "late") as late, ScriptedBackend(note_and_hang, "other") as other:
        proxy = await start_proxy(late.claim(), other.claim(), spec=HASTY)
        proxy.fleet.services["web"].tries.hedges = Budget(1.0, 100.0, 0, 0.0)
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            response = await client.read_response()
        assert response.status == 200
        assert response.body == b"late"
        await until(lambda: all(backend.in_flight == 0 for backend in proxy.fleet.backends()))


async def test_slow_try_is_fallen_back_on_when_the_other_fails(start_proxy: StartProxy) -> None:
    failed = asyncio.Event()

    async def answer_after(connection: BackendConnection) -> None:
        await connection.read_request()
        await failed.wait()
        await connection.write(OK)

    async def reset(connection: BackendConnection) -> None:
        await connection.read_request()
        connection.reset()
        failed.set()

    async with ScriptedBackend(answer_after, "slow") as slow, ScriptedBackend(reset, "bad") as bad:
        proxy = await start_proxy(slow.claim(), bad.claim(), spec=HASTY)
        proxy.fleet.services["web"].tries.hedges = Budget(1.0, 100.0, 0, 0.0)
        async with RawClient(proxy.port) as client:
            assert (await client.get()).status == 200
        assert len(slow.heads) == 1


async def test_post_has_no_second_try_beside_it(start_proxy: StartProxy) -> None:
    async def late(connection: BackendConnection) -> None:
        await connection.read_request()
        await asyncio.sleep(0.8)
        await connection.write(OK)

    async with ScriptedBackend(late, "a") as first, ScriptedBackend(late, "b") as second:
        proxy = await start_proxy(first.claim(), second.claim(), spec=HASTY)
        proxy.fleet.services["web"].tries.hedges = Budget(1.0, 100.0, 0, 0.0)
        assert await statuses(proxy, 1, "POST") == [200]
        assert len(first.heads) + len(second.heads) == 1


async def test_backend_that_holds_a_post_is_asked_about_until_it_answers(start_proxy: StartProxy) -> None:
    answer_now = asyncio.Event()

    async def late(connection: BackendConnection) -> None:
        await connection.read_request()
        await answer_now.wait()
        await connection.write(OK)

    async with ScriptedBackend(late, "first") as first, ScriptedBackend(late, "second") as second:
        proxy = await start_proxy(first.claim(), second.claim(), spec=HASTY)
        suspects: list[BackendKey] = []
        flips: list[Transition] = []
        proxy.fleet.on_flip = flips.append
        proxy.fleet.on_suspect = suspects.append
        async with RawClient(proxy.port) as client:
            await client.send(POST)
            await until(lambda: bool(suspects))
            answer_now.set()
            assert (await client.read_response()).status == 200
        assert [flip.reason for flip in flips] == ["try-timeout", "answered after all"]
        assert [backend.circuit.window.failures for backend in proxy.fleet.backends()] == [0, 0]


async def test_one_request_in_twenty_may_have_a_second_try(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(hang, "slow") as slow, ScriptedBackend(name="good") as good:
        proxy = await start_proxy(slow.claim(), good.claim(), spec=HASTY)
        tries = proxy.fleet.services["web"].tries
        tries.hedges = Budget(0.0, 0.0, 0, 0.0)
        async with RawClient(proxy.port) as client:
            async with asyncio.timeout(10):
                got = sorted([(await client.get()).status for _ in range(2)])
        assert got == [200, 504]
        assert tries.hedges.exhausted >= 1


# off a backend that went down


async def observed(proxy: Proxy, name: str, lifecycle: Lifecycle) -> None:
    fleet: Fleet = proxy.fleet
    fleet.observe(name, lifecycle, asyncio.get_running_loop().time())


@asynccontextmanager
async def waiting_at(backend: ScriptedBackend, proxy: Proxy, request: bytes) -> AsyncIterator[RawClient]:
    """A client whose request this backend has got and does not answer yet."""
    async with RawClient(proxy.port) as client:
        await client.send(request)
        await until(lambda: len(backend.heads) == 1)
        yield client


async def is_told_that_it_is_down(client: RawClient) -> bool:
    async with asyncio.timeout(5):
        response = await client.read_response()
    return (response.status, response.field("x-seawall-failure")) == (502, "backend-down")


@pytest.mark.parametrize("lifecycle", [Lifecycle.PAUSED, Lifecycle.GONE])
async def test_get_that_waits_at_a_backend_that_goes_down_is_rescued(
    start_proxy: StartProxy, lifecycle: Lifecycle
) -> None:
    async with ScriptedBackend(hang, "first") as first, ScriptedBackend(name="second") as second:
        proxy = await start_proxy(first.claim(), spec=ROUND_ROBIN)
        async with waiting_at(first, proxy, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") as client:
            proxy.reconcile(first.claim(), second.claim(), spec=ROUND_ROBIN)
            await observed(proxy, "first", lifecycle)
            assert (await client.read_response()).status == 200
        assert proxy.fleet.services["web"].statistics.rescues == {Failure.BACKEND_DOWN: 1}


async def test_post_that_waits_there_has_a_moment_left_and_is_never_sent_again(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(hang, "first") as first, ScriptedBackend(name="second") as second:
        proxy = await start_proxy(first.claim(), spec=ROUND_ROBIN, last_words=0.3)
        async with waiting_at(first, proxy, POST) as client:
            proxy.reconcile(first.claim(), second.claim(), spec=ROUND_ROBIN)
            await observed(proxy, "first", Lifecycle.PAUSED)
            assert await is_told_that_it_is_down(client)
        assert second.heads == []


async def test_post_has_that_moment_though_a_second_try_would_begin_sooner(start_proxy: StartProxy) -> None:
    async def answer_after_many_sweeps(connection: BackendConnection) -> None:
        await connection.read_request()
        await asyncio.sleep(4 * SWEEP_INTERVAL)
        await connection.write(OK)

    async with ScriptedBackend(answer_after_many_sweeps, "first") as first:
        proxy = await start_proxy(first.claim(), spec=HASTY, last_words=1.5)
        async with waiting_at(first, proxy, POST) as client:
            await observed(proxy, "first", Lifecycle.PAUSED)
            assert (await client.read_response()).status == 200


async def test_last_words_end_with_the_response_timeout(start_proxy: StartProxy) -> None:
    spec = replace(HASTY, timeout=TimeoutSpec(response=0.5))
    async with ScriptedBackend(hang, "first") as first:
        proxy = await start_proxy(first.claim(), spec=spec, last_words=60.0)
        async with waiting_at(first, proxy, POST) as client:
            await observed(proxy, "first", Lifecycle.PAUSED)
            assert await is_told_that_it_is_down(client)


async def test_post_has_that_moment_too_when_its_backend_was_unreachable_before_it_was_paused(
    start_proxy: StartProxy,
) -> None:
    async with ScriptedBackend(hang, "first") as first, ScriptedBackend(name="second") as second:
        proxy = await start_proxy(first.claim(), spec=ROUND_ROBIN, last_words=0.3)
        async with waiting_at(first, proxy, POST) as client:
            proxy.reconcile(first.claim(), second.claim(), spec=ROUND_ROBIN)
            proxy.fleet.confirmed(first.claim().backend.key, False, asyncio.get_running_loop().time())
            await asyncio.sleep(0)  # the rescue that follows has seen the POST
            await asyncio.sleep(0)
            await observed(proxy, "first", Lifecycle.PAUSED)
            assert await is_told_that_it_is_down(client)


async def test_client_that_half_closes_while_its_backend_is_down_gets_no_more_time_for_it(
    start_proxy: StartProxy,
) -> None:
    async with ScriptedBackend(hang, "first") as first, ScriptedBackend(name="second") as second:
        proxy = await start_proxy(first.claim(), spec=ROUND_ROBIN, last_words=0.3)
        async with waiting_at(first, proxy, POST) as client:
            proxy.reconcile(first.claim(), second.claim(), spec=ROUND_ROBIN)
            await observed(proxy, "first", Lifecycle.PAUSED)
            client.writer.write_eof()
            assert await is_told_that_it_is_down(client)


async def test_answer_that_has_begun_goes_on_whatever_happens_to_its_backend(start_proxy: StartProxy) -> None:
    go_on = asyncio.Event()

    async def in_two_pieces(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
        await go_on.wait()
        await connection.write(b"lf")

    async with ScriptedBackend(in_two_pieces, "first") as first, ScriptedBackend(name="second") as second:
        proxy = await start_proxy(first.claim(), spec=ROUND_ROBIN)
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.read_head()
            proxy.reconcile(first.claim(), second.claim(), spec=ROUND_ROBIN)
            await observed(proxy, "first", Lifecycle.PAUSED)
            go_on.set()
            assert await client.reader.readexactly(4) == b"half"
        assert second.heads == []
