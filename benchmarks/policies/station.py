"""A real fleet of the scenarios: each port a backend that has so many servers and a queue, and says `ok` when done.

The target of a request is its work: `/1.25` takes 1.25 service times at an ordinary server. Nobody computes anything,
so a core carries many of these; timers go off within a millisecond, and a late one delays no other.

Run: `python -m benchmarks.policies.station SECONDS PORT:SERVERS:SLOWNESS…`, SECONDS those of a service time.
"""

import asyncio
import sys
from functools import partial
from typing import Final, cast

import uvloop

from benchmarks.policies.scenarios import Queue, Station

ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Serving(asyncio.Protocol):
    """One connection, one request at a time, without a body."""

    def __init__(self, queue: Queue, service_time: float) -> None:
        self._queue = queue
        self._service_time = service_time
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._head.endswith(b"\r\n\r\n"):
            return
        work = float(self._head.split(b" ", 2)[1][1:])
        self._head = b""
        done = self._queue.enter(self._loop.time() / self._service_time, work)
        self._loop.call_at(done * self._service_time, self._answer)

    def _answer(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(ANSWER)


async def serve(service_time: float, stations: dict[int, Station]) -> None:
    """Listen until the process is stopped. `service_time` in seconds, `stations` by port."""
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(partial(Serving, Queue(station), service_time), "127.0.0.1", port, backlog=4096)
        for port, station in stations.items()
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def argument_of(port: int, station: Station) -> str:
    """What the command line says of one."""
    return f"{port}:{station.servers}:{station.slowness}"


def parse(argument: str) -> tuple[int, Station]:
    """What `argument_of` has written."""
    port, servers, slowness = argument.split(":")
    return int(port), Station(servers=int(servers), slowness=float(slowness))


if __name__ == "__main__":
    uvloop.run(serve(float(sys.argv[1]), dict(map(parse, sys.argv[2:]))))
