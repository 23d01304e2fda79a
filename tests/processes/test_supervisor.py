"""Real workers under a supervisor in this process: how soon they follow, what they tell, how they start and end."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
import uvloop

from proxy.errors import BindError, SeawallError
from proxy.fleet.backend import Unavailable
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Transition
from proxy.fleet.spans import SpanQueue
from proxy.health.verdict import Verdict
from proxy.processes import link, seat
from proxy.processes.messages import Report, Word
from proxy.processes.supervisor import Supervisor
from proxy.processes.worker import AT_ONCE
from proxy.spec.desired import Desired
from proxy.spec.proxy import ListenAddress, ProxySpec
from proxy.spec.route import EVERYTHING, RouteSpec
from proxy.spec.service import BackendKey, BackendSpec, ServiceSpec
from tests.support.raw_client import RawClient
from tests.support.recording_log import RecordingLog
from tests.support.scripted_backend import ScriptedBackend
from tests.support.waiting import wait_until_async

LOOPBACK = ListenAddress("127.0.0.1", 0)
SOON = 0.02  # seconds in which every worker serves a change


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What runs in production runs in these tests."""
    return {"uvloop": uvloop.new_event_loop}


class Supervised:
    """A supervisor with workers that serve, and what was heard of them."""

    def __init__(self, count: int) -> None:
        self.recorded = RecordingLog()
        self.fleet = Fleet(random.Random(1), probes=True)
        self.flips: list[Transition] = []
        self.suspects: list[BackendKey] = []
        self.fleet.on_flip = self.flips.append
        self.fleet.on_suspect = self.suspects.append
        self.supervisor = Supervisor(ProxySpec(), count, {}, self.fleet, bytes(16), SpanQueue(), self.recorded.log)

    async def start(self) -> None:
        await self.supervisor.bind([LOOPBACK])
        await self.supervisor.serve()

    @property
    def port(self) -> int:
        return self.supervisor.addresses[0][1]

    def reconcile(self, *ports: int) -> None:
        backends = tuple(
            BackendSpec(
                key=BackendKey(container=f"c{port}", host="127.0.0.1", port=port), name=f"web-{port}", service="web"
            )
            for port in ports
        )
        desired = Desired(
            services=(ServiceSpec(name="web"),), backends=backends, routes=(RouteSpec(rule=EVERYTHING, service="web"),)
        )
        self.supervisor.calls.reconcile(desired, time.monotonic())
        for backend in backends:
            self.supervisor.calls.probed(backend.key, Verdict.PASSING, "", time.monotonic())

    @property
    def all_serve_the_newest(self) -> bool:
        return all(each.version == self.fleet.version for each in self.supervisor.seats)

    async def eventually(self, is_so: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
        async def ask() -> bool:
            return is_so()

        await wait_until_async(ask, what, seconds)


Start = Callable[[int], Awaitable[Supervised]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[Supervised] = []

    async def begin(count: int) -> Supervised:
        supervised = Supervised(count)
        started.append(supervised)
        await supervised.start()
        return supervised

    yield begin
    for each in started:
        await each.supervisor.close()
        assert all(seat.pid is None for seat in each.supervisor.seats)


async def get(port: int) -> int:
    async with RawClient(port) as client:
        return (await client.get()).status


# calls


async def test_change_is_served_by_all_workers_within_20_ms(start: Start) -> None:
    supervised = await start(2)
    supervised.reconcile(*range(9000, 9020))
    await supervised.eventually(lambda: supervised.all_serve_the_newest, "the first fleet")
    times = []
    for number in range(20):
        began = time.monotonic()
        supervised.supervisor.calls.drain(f"web-{9000 + number}", began)
        while not supervised.all_serve_the_newest:  # noqa: ASYNC110  # nobody but this test waits for it
            await asyncio.sleep(0.0005)
        times.append(time.monotonic() - began)
    assert sorted(times)[len(times) // 2] < SOON, times


async def test_worker_that_lags_is_told_everything_when_it_listens_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LIMIT", 64 * 1024)
    supervised = await start(2)
    lagging, other = supervised.supervisor.seats
    assert lagging.pid is not None
    os.kill(lagging.pid, signal.SIGSTOP)
    for number in range(60):
        supervised.reconcile(*range(9000, 9100 + number))
    await supervised.eventually(lambda: other.version == supervised.fleet.version, "the other one to be up to date")
    assert lagging.version < other.version
    assert lagging.is_behind
    os.kill(lagging.pid, signal.SIGCONT)
    await supervised.eventually(lambda: supervised.all_serve_the_newest, "the one that lagged")
    assert supervised.recorded.of("worker ended") == []


async def test_worker_that_is_new_serves_what_was_decided_before_its_time(start: Start) -> None:
    async with ScriptedBackend() as one, ScriptedBackend() as two:
        supervised = await start(1)
        supervised.reconcile(one.port, two.port)
        supervised.supervisor.calls.drain(f"web-{one.port}", time.monotonic())
        (place,) = supervised.supervisor.seats
        assert place.pid is not None
        os.kill(place.pid, signal.SIGKILL)
        await supervised.eventually(lambda: place.restarts.count == 1, "its end")
        assert [await get(supervised.port) for _ in range(10)] == [200] * 10
        assert one.accepted == 0


# what workers tell


async def test_suspicion_and_flip_are_heard_and_entered_in_the_book(start: Start) -> None:
    async with ScriptedBackend() as backend:
        supervised = await start(2)
        supervised.reconcile(backend.port)
        await supervised.eventually(lambda: supervised.all_serve_the_newest, "the fleet")
        await backend.stop_listening()
        assert await get(supervised.port) == 502
        await supervised.eventually(lambda: bool(supervised.suspects), "the suspicion")
        (entered,) = supervised.fleet.backends()
        assert entered.unavailable is Unavailable.SUSPECT
        assert [flip.after for flip in supervised.flips][:1] == ["suspect"]
        supervised.supervisor.calls.confirmed(entered.key, True, time.monotonic())
        await supervised.eventually(lambda: entered.unavailable is None, "the end of the suspicion")


async def test_figures_are_of_now_after_a_refresh_also_when_a_worker_hangs(start: Start) -> None:
    async with ScriptedBackend() as backend:
        supervised = await start(2)
        supervised.reconcile(backend.port)
        for _ in range(20):
            await get(supervised.port)
        await supervised.supervisor.refresh()
        requests = supervised.fleet.services["web"].statistics.requests
        assert requests == {(b"GET", 200): 20}
        pid = supervised.supervisor.seats[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        async with asyncio.timeout(2.0):
            await supervised.supervisor.refresh()
        os.kill(pid, signal.SIGCONT)


async def test_answer_of_a_worker_with_many_backends_comes_in_pieces_and_leaves_nobody_out(start: Start) -> None:
    async with ScriptedBackend() as backend:
        supervised = await start(1)
        reports: list[Report] = []
        heard = supervised.supervisor.on_word

        def hear(place: seat.Seat, word: Word) -> None:
            heard(place, word)
            if isinstance(word, Report):
                reports.append(word)

        supervised.supervisor.on_word = hear  # type: ignore[method-assign, assignment]
        supervised.reconcile(*range(20_000, 20_000 + 4 * AT_ONCE), backend.port)
        for number in range(20_000, 20_000 + 4 * AT_ONCE):
            supervised.supervisor.calls.drain(f"web-{number}", time.monotonic())
        await supervised.eventually(lambda: supervised.all_serve_the_newest, "the fleet")
        assert await get(supervised.port) == 200
        reports.clear()
        await supervised.supervisor.refresh()
        (answer,) = [number for number, each in enumerate(reports) if each.answer]
        assert answer >= 4  # pieces come before the one that ends the answer
        assert supervised.fleet.services["web"].statistics.requests == {(b"GET", 200): 1}


# start and end


async def test_address_that_is_taken_is_said_whoever_shares_it(start: Start) -> None:
    supervised = await start(2)
    other = Supervised(2)
    with pytest.raises(BindError, match=str(supervised.port)):
        await other.supervisor.bind([LOOPBACK._replace(port=supervised.port)])


async def test_workers_that_never_serve_end_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat, "_MODULE", "proxy.nothing")
    supervised = Supervised(2)
    await supervised.supervisor.bind([LOOPBACK])
    with pytest.raises(SeawallError, match="before they serve"):
        await supervised.supervisor.serve()
    await supervised.supervisor.close()


async def test_drain_says_whether_everything_finished(start: Start) -> None:
    async with ScriptedBackend() as backend:
        supervised = await start(2)
        supervised.reconcile(backend.port)
        assert await get(supervised.port) == 200
        assert await supervised.supervisor.drain(1.0)
        with pytest.raises(ConnectionRefusedError):
            await get(supervised.port)


async def test_drain_of_a_request_that_does_not_end_is_not_whole(start: Start) -> None:
    async def hang(connection: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    asked = asyncio.Event()
    async with ScriptedBackend(hang) as backend:
        supervised = await start(1)
        supervised.reconcile(backend.port)
        async with RawClient(supervised.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await asked.wait()
            assert not await supervised.supervisor.drain(0.1)
