"""What do probes cost: CPU per probe by connect, by HTTP and with aiohttp's client, and the share of a core that 1000
backends take at one probe each every 2 s?

The backends are one process on loopback that answers at once. CPU is of the probing process alone, user and system
time. The last rows are the prober itself for some seconds, timers and verdicts included.

    python -m benchmarks.probes_cost
"""

import asyncio
import multiprocessing
import random
import resource
from collections.abc import Awaitable, Callable
from typing import Final, cast

import aiohttp
import uvloop
from rich.console import Console
from rich.table import Table

from proxy.control.prober import Prober
from proxy.control.probes.probe import probe
from proxy.control.probes.question import question_of
from proxy.fleet.interface import Changes
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, BackendSpec, HealthSpec, Lifecycle, ServiceSpec

BACKENDS: Final = 1_000
INTERVAL: Final = 2.0  # seconds
_PORTS: Final = 50  # listening; several backends share one, since what differs is only the address
_AT_ONCE: Final = 10  # what falls due within a tick of the prober
_PROBES: Final = 5_000
_WARM_UP: Final = 3.0  # seconds
_SECONDS: Final = 6.0
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class _Answering(asyncio.Protocol):
    """A backend's side: one answer, then closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(_ANSWER)
        self.transport.close()


class _Fleet:
    """Takes every verdict."""

    def reconcile(self, desired: Desired, now: float) -> Changes:
        return Changes()

    def observe(self, container: str, lifecycle: Lifecycle, now: float) -> Changes:
        return Changes()

    def probed(self, key: BackendKey, verdict: Verdict, error: str, now: float) -> Changes:
        assert verdict is Verdict.PASSING, error
        return Changes()

    def confirmed(self, key: BackendKey, passed: bool, now: float) -> Changes:
        return Changes()

    def drain(self, backend: str, now: float) -> Changes:
        return Changes()

    def undrain(self, backend: str, now: float) -> Changes:
        return Changes()


async def _serve(ports: "multiprocessing.Queue[list[int]]") -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(_Answering, "127.0.0.1", 0, backlog=1024) for _ in range(_PORTS)]
    ports.put([server.sockets[0].getsockname()[1] for server in servers])
    await asyncio.Event().wait()


def serve(ports: "multiprocessing.Queue[list[int]]") -> None:
    uvloop.run(_serve(ports))


def cpu() -> float:
    """User and system time of this process so far, seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def backend_spec(number: int, ports: list[int]) -> BackendSpec:
    key = BackendKey(container=f"c{number}", host="127.0.0.1", port=ports[number % len(ports)])
    return BackendSpec(key=key, name=f"c{number}", service="web")


async def per_probe(ask: Callable[[], Awaitable[object]]) -> float:
    """Seconds of CPU."""
    await asyncio.gather(*[ask() for _ in range(_AT_ONCE)])
    begun = cpu()
    for _ in range(_PROBES // _AT_ONCE):
        await asyncio.gather(*[ask() for _ in range(_AT_ONCE)])
    return (cpu() - begun) / _PROBES


async def of_ours(health: HealthSpec, ports: list[int]) -> float:
    question = question_of(backend_spec(0, ports), health)

    async def ask() -> None:
        outcome = await probe(question, 1.0)
        assert outcome is not None
        assert outcome.passed, outcome

    return await per_probe(ask)


async def of_aiohttp(ports: list[int]) -> float:
    url = f"http://127.0.0.1:{ports[0]}/healthz"
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    timeout = aiohttp.ClientTimeout(total=1.0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def ask() -> None:
            async with session.get(url) as response:
                await response.read()
                assert response.status == 200

        return await per_probe(ask)


async def of_prober(health: HealthSpec, ports: list[int]) -> float:
    """Share of a core."""
    prober = Prober(_Fleet(), random.Random(1))
    backends = tuple(backend_spec(number, ports) for number in range(BACKENDS))
    prober.follow(Desired(services=(ServiceSpec(name="web", health=health),), backends=backends))
    running = asyncio.create_task(prober.run())
    await prober.heard.wait()
    await asyncio.sleep(_WARM_UP)
    begun = cpu()
    await asyncio.sleep(_SECONDS)
    used = cpu() - begun
    running.cancel()
    await asyncio.wait([running])
    return used / _SECONDS


async def measure(ports: list[int]) -> Table:
    connect, http = HealthSpec(interval=INTERVAL), HealthSpec(interval=INTERVAL, path="/healthz")
    table = Table(title=f"probes; {BACKENDS:,} backends, one each every {INTERVAL:g} s")
    for column in ("", "µs of CPU per probe", "share of a core"):
        table.add_column(column, justify="right")
    rate = BACKENDS / INTERVAL
    for name, seconds in (
        ("connect", await of_ours(connect, ports)),
        ("HTTP", await of_ours(http, ports)),
        ("HTTP by aiohttp's client", await of_aiohttp(ports)),
    ):
        table.add_row(name, f"{seconds * 1e6:.0f}", f"{seconds * rate:.1%}")
    for name, health in (("the prober, connect", connect), ("the prober, HTTP", http)):
        share = await of_prober(health, ports)
        table.add_row(name, f"{share / rate * 1e6:.0f}", f"{share:.1%}")
    return table


def main() -> None:
    context = multiprocessing.get_context("spawn")
    ports: multiprocessing.Queue[list[int]] = context.Queue()
    backends = context.Process(target=serve, args=(ports,), daemon=True)
    backends.start()
    try:
        Console().print(uvloop.run(measure(ports.get(timeout=30))))
    finally:
        backends.kill()
        backends.join()


if __name__ == "__main__":
    main()
