"""How another proxy comes to serve in the place of this one: by asking at a path, or started by this one on SIGUSR2."""

import asyncio
import os
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from proxy.processes.offer import Offer
from proxy.processes.successor import Successor
from proxy.processes.takeover import Give, Giving


class Succession:
    """`on_taken` is called when another serves. `path` None: nobody can ask for it."""

    def __init__(self, path: str | None, give: Give, on_taken: Callable[[], None], log: FilteringBoundLogger) -> None:
        giving = Giving(give, log)
        self._offer = Offer(path, giving.to, log) if path is not None else None
        self._successor = Successor(giving.to, log)
        self._on_taken = on_taken
        self._asked = asyncio.Event()

    def bind(self) -> None:
        """Take what `run` needs. Raises BindError."""
        if self._offer is not None:
            self._offer.bind()

    async def run(self) -> None:
        """Until another serves, or this is cancelled."""
        ways = [asyncio.create_task(self._start_when_asked())]
        if self._offer is not None:
            ways.append(asyncio.create_task(self._offer.run()))
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        for way in done:
            way.result()
        if self._offer is not None:
            self._offer.leave()
        self._on_taken()

    def start(self) -> None:
        """Have this one start its successor."""
        self._asked.set()

    def refuse(self) -> None:
        """This one is about to end, and nobody whom it starts is to stay."""
        self._successor.refuse()

    def close(self) -> None:
        """Nobody can ask any more."""
        if self._offer is not None:
            self._offer.close()

    async def _start_when_asked(self) -> None:
        is_serving = False
        while not is_serving:
            await self._asked.wait()
            self._asked.clear()  # before it starts: who asks meanwhile has seen it fail, perhaps
            is_serving = await self._successor.start(os.getpid())

    def __repr__(self) -> str:
        return f"<Succession {self._offer!r} {self._successor!r}>"
