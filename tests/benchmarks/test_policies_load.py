"""The open-loop client and the backends of the real run, over loopback."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from benchmarks.policies import station
from benchmarks.policies.load import Answers, OpenLoop
from benchmarks.policies.scenarios import Queue, Station

SERVICE_TIME = 0.02
EARLY = 0.002  # a timer may go off that much before its time


async def send_to(protocol: Callable[[], asyncio.Protocol], requests: list[tuple[float, str]]) -> Answers:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        return await OpenLoop(server.sockets[0].getsockname()[1], requests).run()


async def test_requests_that_are_due_together_queue_for_the_server_and_count_from_then() -> None:
    protocol = partial(station.Serving, Queue(Station()), SERVICE_TIME)

    answers = await send_to(protocol, [(0.0, "/1.0"), (0.0, "/1.0"), (0.0, "/2.0")])

    times = sorted(time for time in answers.times if time is not None)
    assert answers.failed == 0
    for time, least in zip(times, (1, 2, 3), strict=True):
        assert time > least * SERVICE_TIME - EARLY


async def test_slow_station_takes_its_multiple() -> None:
    answers = await send_to(partial(station.Serving, Queue(Station(slowness=5.0)), SERVICE_TIME), [(0.0, "/1.0")])

    assert answers.times[0] is not None
    assert answers.times[0] > 5 * SERVICE_TIME - EARLY


class Refusing(asyncio.Protocol):
    """Answers 503, or nothing."""

    answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nok"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.answer)
        self.transport.close()


class Closing(Refusing):
    answer = b""


class CuttingShort(Refusing):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize("protocol", [Refusing, Closing, CuttingShort])
async def test_anything_but_a_whole_200_is_a_failure(protocol: Callable[[], asyncio.Protocol]) -> None:
    answers = await send_to(protocol, [(0.0, "/1.0"), (0.001, "/1.0")])

    assert answers.failed == 2


async def test_port_that_nobody_listens_on_fails_every_request() -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    assert (await OpenLoop(port, [(0.0, "/1.0")]).run()).failed == 1


def test_station_survives_the_command_line() -> None:
    one = Station(servers=3, slowness=10.0)

    assert station.parse(station.argument_of(8080, one)) == (8080, one)
