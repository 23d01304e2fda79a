"""Clients that each send one request after the other, every one on a connection of its own, and remember what came."""

import asyncio
import time
from dataclasses import dataclass
from typing import Self

from tests.support.raw_client import RawClient

_PAUSE = 0.01  # seconds between two requests of a client
_PATIENCE = 15.0  # seconds until an unanswered request has failed


@dataclass(frozen=True, slots=True)
class Request:
    """When it began and ended, in monotonic seconds, and what went wrong, if anything."""

    began: float
    ended: float
    error: str


class Clients:
    """`count` of them while entered."""

    def __init__(self, port: int, count: int = 8) -> None:
        self.requests: list[Request] = []
        self._port = port
        self._count = count
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = False
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._run()) for _ in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Finish what is under way, and send no more."""
        self._is_over = True
        await asyncio.gather(*self._tasks)

    @property
    def failed(self) -> list[Request]:
        """Those that were not answered with 200."""
        return [request for request in self.requests if request.error]

    async def answered(self, count: int) -> None:
        """Wait until so many more have ended."""
        wanted = len(self.requests) + count
        async with asyncio.timeout(_PATIENCE):
            while len(self.requests) < wanted:
                self._changed.clear()
                await self._changed.wait()

    async def _run(self) -> None:
        while not self._is_over:
            began = time.monotonic()
            error = await self._ask()
            self.requests.append(Request(began, time.monotonic(), error))
            self._changed.set()
            await asyncio.sleep(_PAUSE)

    async def _ask(self) -> str:
        try:
            async with asyncio.timeout(_PATIENCE), RawClient(self._port) as client:
                status = (await client.get()).status
        except (OSError, asyncio.IncompleteReadError) as error:
            return repr(error)
        return "" if status == 200 else f"status {status}"
