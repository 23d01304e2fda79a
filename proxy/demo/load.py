"""The demo's clients: GET at a steady rate whether or not answers come, as a crowd asks, and what became of each."""

import asyncio
from dataclasses import dataclass
from typing import Final

import aiohttp

PATIENCE: Final = 10.0  # seconds a client waits
FAILURE_FIELD: Final = "X-Seawall-Failure"  # of answers that the proxy made because it had none
_SHORTEST_SLEEP: Final = 0.001


@dataclass(slots=True)
class Tally:
    """What clients saw. `failed`: no answer, a broken one, or one that says the proxy has none.

    `errors` are answers of 5xx that a backend made itself: no proxy can know better than the application.
    """

    answered: int = 0
    failed: int = 0
    errors: int = 0

    def copy(self) -> "Tally":
        """As it is now."""
        return Tally(self.answered, self.failed, self.errors)

    def since(self, before: "Tally") -> "Tally":
        """What came since then."""
        return Tally(self.answered - before.answered, self.failed - before.failed, self.errors - before.errors)

    @property
    def total(self) -> int:
        """All requests that have ended."""
        return self.answered + self.failed


class Load:
    """Asks `url` `rate` times a second in `run`, until `stop`; then every request that is under way ends by itself."""

    def __init__(self, url: str, rate: float) -> None:
        self.url = url
        self.rate = rate
        self.tally = Tally()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Returns when the last request has ended."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as requests,
        ):
            loop = asyncio.get_running_loop()
            due = loop.time()
            while self.rate and not self._stopped.is_set():
                requests.create_task(self._ask(session))
                due += 1.0 / self.rate
                await self._pause(max(_SHORTEST_SLEEP, due - loop.time()))

    def stop(self) -> None:
        """No more new requests."""
        self._stopped.set()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            pass

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(self.url) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError):
            self.tally.failed += 1
            return
        if FAILURE_FIELD in response.headers:
            self.tally.failed += 1
            return
        self.tally.answered += 1
        self.tally.errors += response.status >= 500

    def __repr__(self) -> str:
        return f"<Load {self.url} {self.rate}/s {self.tally}>"
