"""What is waited for before clients are answered, and the configuration read again while they are."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeAlias

from structlog.typing import FilteringBoundLogger

from proxy.control.transitions import AnnouncedFleet
from proxy.fleet.fleet import Fleet
from proxy.problem import Severity
from proxy.processes.takeover import Handover
from proxy.spec.config import Resolved

Reread: TypeAlias = Callable[[], Awaitable[Resolved]]

CATCH_UP: Final = 10.0  # seconds for a proxy that takes over to know as much as the old one
FIRST_ROUND: Final = 1.0  # seconds that clients wait at most for the first discovery and the first probes


async def wait_first_round(rounds: Iterable[asyncio.Event], log: FilteringBoundLogger) -> None:
    """A route is known once discovery has been there, and a backend is picked once a probe has passed.

    Without this the first clients would get 404 and 503.
    """
    try:
        async with asyncio.timeout(FIRST_ROUND):
            for each in rounds:
                await each.wait()
    except TimeoutError:
        log.warning("serving without all backends: some were not found or have not answered a probe yet")


async def catch_up(
    handover: Handover,
    fleet: Fleet,
    calls: AnnouncedFleet,
    *,
    discovered: asyncio.Event,
    news: asyncio.Event,
    log: FilteringBoundLogger,
) -> None:
    """Wait until nobody whom the old proxy sends requests to is waited for here; it serves meanwhile.

    `news` is set whenever something in the fleet has changed.
    """
    available = set(handover.available)
    try:
        async with asyncio.timeout(CATCH_UP):
            await discovered.wait()
            for name in handover.drained:
                calls.drain(name, time.monotonic())
            while any(each.unavailable and each.key in available for each in fleet.backends()):
                news.clear()
                await news.wait()
    except TimeoutError:
        log.warning("some backends that the old proxy has are not available here", seconds=CATCH_UP)


async def read_again(reread: Reread, log: FilteringBoundLogger) -> Resolved | None:
    """The configuration as it is now; None, with every problem logged, when there is a mistake in it."""
    resolved = await reread()
    for problem in resolved.problems:
        log.warning("problem", kind=problem.kind, where=problem.where, what=problem.what, hint=problem.hint)
    if any(problem.severity is Severity.ERROR for problem in resolved.problems):
        log.error("configuration kept", problems=len(resolved.problems))
        return None
    return resolved
