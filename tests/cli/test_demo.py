"""`seawall demo`: its figures, its clients, its backends, and the whole of it as a process."""

import asyncio
import io
import math
import re
import signal
import socket
from collections.abc import AsyncIterator

import pytest
from rich.console import Console

from proxy.demo.backends import ERROR_EVERY, NAMES, DemoBackend, Phase
from proxy.demo.embedded import EmbeddedBackends
from proxy.demo.figures import BackendFigures, FigureTaker, quantile
from proxy.demo.load import Load, Tally
from proxy.demo.screen import Screen, Second
from proxy.demo.show import configure
from proxy.errors import ConfigurationError
from proxy.failure import Failure
from proxy.fleet.backend import Backend
from proxy.fleet.statistics import BOUNDS
from proxy.health.circuit import Circuit
from proxy.health.window import Window
from proxy.spec.service import BackendKey, BackendSpec, CircuitSpec
from tests.cli.seawall import Seawall, end, start
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import BackendConnection, Holding, ScriptedBackend
from tests.support.waiting import wait_until_async

CONTROL = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")
FREE = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")


# figures

QUANTILES = {
    "nothing was seen": ({}, 0.5, None),
    "one is its own median": ({0.005: 1}, 0.5, 0.005),
    "the half is reached in the first": ({0.001: 2, 0.1: 2}, 0.5, 0.001),
    "more than the half is in the second": ({0.001: 2, 0.1: 3}, 0.5, 0.1),
    "one of a hundred is not in the 99th": ({0.001: 99, 10.0: 1}, 0.99, 0.001),
    "two of a hundred are": ({0.001: 98, 10.0: 2}, 0.99, 10.0),
    "above all bounds": ({math.inf: 1}, 0.5, math.inf),
}


@pytest.mark.parametrize(("counts", "share", "expected"), QUANTILES.values(), ids=QUANTILES)
def test_quantile(counts: dict[float, int], share: float, expected: float | None) -> None:
    assert quantile([counts.get(bound, 0) for bound in (*BOUNDS, math.inf)], share) == expected


def test_figures_are_of_the_time_since_the_last() -> None:
    key = BackendKey(container="http://127.0.0.1:1", host="127.0.0.1", port=1)
    circuit = Circuit(CircuitSpec(), Window(10.0), 0.0)
    backend = Backend(BackendSpec(key=key, name="127.0.0.1:1", service="demo"), circuit, 0.0)
    taker = FigureTaker({1: "flaky"})
    backend.statistics.responses[2] = 3
    backend.statistics.first_byte.observe(0.002)
    (first,) = taker.take([backend])
    backend.statistics.responses[5] = 1
    backend.statistics.count_failure(Failure.REFUSED)
    (second,) = taker.take([backend])
    assert (first.name, first.state, first.requests, first.p50) == ("flaky", "available", 3, 0.0025)
    assert (second.requests, second.failures, second.errors, second.p50) == (2, 1, 1, None)


# what is printed

FIGURES = BackendFigures(
    name="flaky", state="suspect", requests=4, in_flight=1, failures=2, errors=3, p50=0.0025, p99=2.5
)
SECOND = Second(
    number=7,
    backends=[FIGURES],
    clients=Tally(answered=20),
    clients_so_far=Tally(answered=99, failed=1, errors=3),
    repeated_so_far=5,
)


def test_second_is_lines_in_a_pipe() -> None:
    output = io.StringIO()
    with Screen(Console(file=output)) as screen:
        screen.show(SECOND)
    first, second = output.getvalue().splitlines()
    assert first == (
        "   7 s  clients: 20 requests, 0 failed; so far: 100 requests, 1 failed; attempts repeated: 5; "
        "5xx by a backend itself: 3"
    )
    assert " ".join(second.split()) == ("flaky suspect 4 requests 1 in flight 2 failed 3 5xx p50 ≤ 2.5ms p99 ≤ 2.5s")


def test_second_is_a_table_on_a_terminal_that_fits_it() -> None:
    output = io.StringIO()
    with Screen(Console(file=output, force_terminal=True, color_system=None, width=80)) as screen:
        screen.show(SECOND)
    lines = CONTROL.sub("", output.getvalue()).splitlines()
    assert any(line.split()[:3] == ["flaky", "suspect", "4"] for line in lines)
    assert max(map(len, lines)) <= 80


# clients


@pytest.fixture
async def answering() -> AsyncIterator[ScriptedBackend]:
    async with ScriptedBackend() as backend:
        yield backend


async def tally_of(backend: ScriptedBackend, requests: int) -> Tally:
    """What clients see of these first requests."""
    load = Load(f"http://127.0.0.1:{backend.port}/", rate=200)
    running = asyncio.create_task(load.run())

    async def have_ended() -> bool:
        return load.tally.total >= requests

    await wait_until_async(have_ended, f"{requests} requests to end", 10)
    load.stop()
    await running
    return load.tally


async def test_answers_are_counted(answering: ScriptedBackend) -> None:
    tally = await tally_of(answering, 5)
    assert tally.failed == 0
    assert tally.answered == len(answering.heads) >= 5


ANSWERS = {
    "an answer of the proxy's own": (b"HTTP/1.1 503 X\r\nX-Seawall-Failure: no-backend\r\n\r\n", "failed"),
    "an answer that is cut": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "failed"),
    "no answer": (b"", "failed"),
    "an error of the application's": (b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", "errors"),
}


@pytest.mark.parametrize(("answer", "counted"), ANSWERS.values(), ids=ANSWERS)
async def test_what_a_client_would_complain_of_is_counted(answer: bytes, counted: str) -> None:
    async def once(connection: BackendConnection) -> None:
        await connection.read_request()
        await connection.write(answer)

    async with ScriptedBackend(once) as backend:
        tally = await tally_of(backend, 1)
    assert getattr(tally, counted) == tally.total


async def test_stop_lets_requests_end() -> None:
    holding = Holding()
    async with ScriptedBackend(holding) as backend:
        load = Load(f"http://127.0.0.1:{backend.port}/", rate=1)
        running = asyncio.create_task(load.run())
        await holding.asked.wait()
        load.stop()
        holding.release.set()
        await running
    assert load.tally == Tally(answered=1)


async def test_rate_0_asks_nothing(answering: ScriptedBackend) -> None:
    load = Load(f"http://127.0.0.1:{answering.port}/", rate=0)
    await load.run()
    assert load.tally.total == answering.accepted == 0


# backends


@pytest.fixture
async def flaky() -> AsyncIterator[DemoBackend]:
    backend = DemoBackend("flaky", 0.0)
    backend.is_flaky = True
    await backend.open()
    yield backend
    backend.end()


async def test_backend_says_its_name_and_sometimes_500(flaky: DemoBackend) -> None:
    async with RawClient(flaky.port) as client:
        responses = [await client.get() for _ in range(ERROR_EVERY)]
        assert [response.status for response in responses] == [200] * (ERROR_EVERY - 1) + [500]
        assert b'"backend": "flaky"' in responses[0].body
        head = await client.get(method="HEAD")
        assert head.field("content-length") != "0"


async def test_backend_reads_bodies_whole_and_chunked(flaky: DemoBackend) -> None:
    async with RawClient(flaky.port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        assert (await client.read_response()).status == 200
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        assert (await client.read_response()).status == 200


async def test_garbage_closes_the_connection(flaky: DemoBackend) -> None:
    async with RawClient(flaky.port) as client:
        await client.send(b"\x16\x03\x01\r\n\r\n")
        assert await client.is_closed()


async def test_dropping_backend_drops_every_other_new_connection(flaky: DemoBackend) -> None:
    flaky.phase = Phase.DROPPING
    async with RawClient(flaky.port) as first, RawClient(flaky.port) as second:
        answer = await first.get()
        assert (answer.status, answer.field("connection")) == (200, "close")
        assert await first.is_closed()
        await second.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await second.is_closed()


async def test_dropping_backend_answers_on_a_connection_from_before(flaky: DemoBackend) -> None:
    async with RawClient(flaky.port), RawClient(flaky.port) as second:
        await second.get()
        flaky.phase = Phase.DROPPING
        assert (await second.get()).status == 200


async def test_closed_backend_refuses_keeps_its_port_and_comes_back(flaky: DemoBackend) -> None:
    async with RawClient(flaky.port) as before:
        await before.get()
        flaky.close()
        assert await before.is_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", flaky.port)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", flaky.port))
    await flaky.open()
    async with RawClient(flaky.port) as client:
        assert (await client.get()).status == 200


async def test_embedded_backends_serve_and_end() -> None:
    async with EmbeddedBackends() as embedded:
        assert tuple(embedded.ports) == NAMES
        async with RawClient(embedded.ports["quick-1"]) as client:
            assert b"quick-1" in (await client.get()).body
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", embedded.ports["quick-1"])


# configuration


def test_configuration_is_that_of_run_with_static_backends() -> None:
    spec = configure([1, 2], ":80", "127.0.0.1:0", "random").spec
    assert spec.docker is None
    assert [claim.backend.key.port for claim in spec.backends] == [1, 2]
    assert spec.listen == (("", 80, False), ("127.0.0.1", 0, False))
    assert spec.policy.value == "random"


def test_wrong_options_are_all_told() -> None:
    with pytest.raises(ConfigurationError) as raised:
        configure([1], "80", "x", "ring")
    assert [problem.where for problem in raised.value.problems] == [
        "command line --listen",
        "command line --admin",
        "command line --policy",
    ]


def test_wrong_option_is_exit_2(seawall: Seawall) -> None:
    ended = seawall("demo", *FREE, "--policy", "ring")
    assert ended.code == 2
    assert "error: command line --policy: 'ring' is not a policy" in ended.err


# the whole of it


async def test_demo_runs_its_seconds_and_no_client_sees_a_failure() -> None:
    seconds = round(sum(phase.seconds for phase in Phase))  # so that everything that can go wrong does
    ended = await end(await start("demo", "--seconds", str(seconds), "--rate", "50", *FREE))
    assert ended.code == 0, ended
    assert ended.err == ""
    assert "curl -i http://127.0.0.1:" in ended.out
    for second in range(1, seconds + 1):
        assert f"\n   {second} s  clients: " in ended.out
    assert all(ended.out.count(f"        {name} ") == seconds for name in NAMES)
    last = re.fullmatch(
        r"(\d+) requests of clients: 0 failed. (\d+) attempts failed at a backend and were repeated.",
        ended.out.splitlines()[-1],
    )
    assert last, ended.out
    requests, repeated = map(int, last.groups())
    assert requests > 40 * seconds
    assert repeated > 0


async def test_interrupt_ends_the_demo_cleanly() -> None:
    process = await start("demo", *FREE)
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while not (await process.stdout.readline()).startswith(b"   1 s"):
            pass
    process.send_signal(signal.SIGINT)
    ended = await end(process, 10)
    assert (ended.code, ended.err) == (0, "")
    assert "0 failed." in ended.out.splitlines()[-1]


async def test_address_that_was_asked_for_and_is_taken_is_exit_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = await end(await start("demo", "--listen", address, "--admin", "127.0.0.1:0"))
    assert ended.code == 3
    assert ended.err.startswith(f"error: cannot listen on {address}")
