"""What does a scrape cost with 10 000 backends, and how long does it keep requests waiting?

Time to take the figures (on the loop: nothing else runs), to write them out (in a thread), the size, and the longest
delay a timer of the loop saw meanwhile.

    python -m benchmarks.scrape_cost
"""

import asyncio
import random
import time
from typing import Final

from rich.console import Console
from rich.table import Table

from proxy.admin.events import EventLog
from proxy.admin.figures import FigureTaker
from proxy.admin.metrics import render
from proxy.admin.views import DiscoveryFigures, ProbeView, Readiness, Views
from proxy.failure import Failure
from proxy.fleet.fleet import Fleet
from proxy.fleet.statistics import Histogram, PlaneStatistics
from proxy.health.verdict import Verdict
from proxy.spec.config import Resolved
from proxy.spec.desired import Desired
from proxy.spec.proxy import ProxySpec
from proxy.spec.service import BackendKey, BackendSpec, ServiceSpec

COUNTS: Final = (3, 100, 1_000, 10_000)
_PER_SERVICE: Final = 100
_REPEATS: Final = 5
_TICK: Final = 0.001  # seconds


def fleet_of(count: int) -> Fleet:
    """Backends that have all seen some of everything."""
    fleet = Fleet(random.Random(1))
    services = [ServiceSpec(name=f"service-{number}") for number in range(-(-count // _PER_SERVICE))]
    backends = [
        BackendSpec(
            key=BackendKey(container=f"id-{number}", host="10.0.0.1", port=number % 65536),
            name=f"project-service-{number}",
            service=services[number // _PER_SERVICE].name,
        )
        for number in range(count)
    ]
    fleet.reconcile(Desired(services=tuple(services), backends=tuple(backends)), 0.0)
    for number, backend in enumerate(fleet.backends()):
        backend.statistics.responses[2] = number * 1000
        backend.statistics.responses[5] = number
        backend.statistics.count_failure(Failure.REFUSED)
        for exponent in range(12):
            backend.statistics.first_byte.observe(2.0**-exponent)
    return fleet


def views_of(fleet: Fleet) -> Views:
    durations = Histogram()
    for exponent in range(12):
        durations.observe(2.0**-exponent)
    probed = ProbeView(verdict=Verdict.PASSING, last_error="", passed=durations, failed=Histogram())
    discovery = DiscoveryFigures(connected=True, reconciles=1, reconnects=0, event_lag=Histogram())
    return Views(
        fleet=fleet,
        calls=fleet,
        plane=PlaneStatistics(),
        readiness=Readiness(),
        connections=dict,
        containers=tuple,
        problems=tuple,
        discovery=lambda: discovery,
        configuration=lambda: Resolved(spec=ProxySpec(), origins={}),
        probe=lambda _: probed,
        events=EventLog(),
    )


async def _longest_delay(stop: asyncio.Event) -> float:
    """Of a timer that should go off every millisecond."""
    longest = 0.0
    while not stop.is_set():
        before = time.perf_counter()
        await asyncio.sleep(_TICK)
        longest = max(longest, time.perf_counter() - before - _TICK)
    return longest


async def measure(count: int) -> tuple[float, float, int, float]:
    """Seconds to take, seconds to write, bytes, longest delay in seconds while writing: the medians."""
    taker = FigureTaker(views_of(fleet_of(count)))
    rows = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        figures = taker.take()
        taken = time.perf_counter()
        stop = asyncio.Event()
        watch = asyncio.create_task(_longest_delay(stop))
        body, _ = await asyncio.to_thread(render, figures, "")
        written = time.perf_counter()
        stop.set()
        rows.append((taken - begun, written - taken, len(body), await watch))
    return tuple(sorted(column)[_REPEATS // 2] for column in zip(*rows, strict=True))


def main() -> None:
    table = Table(title="one scrape")
    for column in ("backends", "take, ms (loop)", "write, ms (thread)", "MB", "longest delay of a timer meanwhile, ms"):
        table.add_column(column, justify="right")
    for count in COUNTS:
        take, write, size, delay = asyncio.run(measure(count))
        table.add_row(
            f"{count:,}", f"{take * 1e3:.2f}", f"{write * 1e3:.1f}", f"{size / 1e6:.2f}", f"{delay * 1e3:.1f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
