"""The loop of a simulation: virtual time, connections in memory, and a look at everything before time passes."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.simulation.network import End, Network
from tests.support.virtual_time import VirtualTimeLoop


class SimulatedLoop(VirtualTimeLoop):
    """`network` carries what is connected; `on_rest` is called when nothing more happens at this moment."""

    def __init__(self) -> None:
        super().__init__()
        self.network: Network | None = None
        self.on_rest: Callable[[], None] | None = None

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int, **_: Any
    ) -> tuple[End, asyncio.Protocol]:
        """As the real one, in memory."""
        assert self.network is not None
        return await self.network.connect(protocol_factory, host)

    def timers(self) -> list[asyncio.TimerHandle]:
        """What is still to be called."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return [timer for timer in scheduled if not timer.cancelled()]

    def _pass(self, seconds: float) -> None:
        if self.on_rest is not None:
            self.on_rest()
        super()._pass(seconds)


@contextmanager
def clock_of(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Whoever asks for the time in here gets the loop's."""
    real = time.monotonic
    time.monotonic = loop.time
    try:
        yield
    finally:
        time.monotonic = real
