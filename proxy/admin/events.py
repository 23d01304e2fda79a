"""Transitions of backends as server-sent events, to follow live and to resume (HTML standard, "Server-sent events").

An event's id is BOOT-NUMBER: numbers start at 1 with the process, so a client that was told of another boot has missed
everything there is.
"""

import asyncio
import json
import re
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from proxy.admin.answers import error
from proxy.fleet.interface import Transition

KEPT: Final = 1000  # transitions
MOST_FOLLOWERS: Final = 100  # each holds a connection and a task
HEARTBEAT: Final = 15.0  # seconds of silence after which a comment says that the connection lives
_ID: Final = re.compile(r"([0-9a-f]{8})-([0-9]{1,15})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A transition, its number, and when it was, in seconds since the epoch."""

    number: int
    time: float
    transition: Transition


class EventLog:
    """The last KEPT transitions. Who follows is woken when there is another, or when it ends."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.boot = secrets.token_hex(4)
        self.last = 0  # number of the newest
        self.is_over = False
        self.followers = 0
        self._clock = clock
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._news = asyncio.Event()

    def add(self, transitions: Iterable[Transition]) -> None:
        """These have just happened."""
        for transition in transitions:
            self.last += 1
            self._kept.append(Event(number=self.last, time=self._clock(), transition=transition))
        self._wake()

    def end(self) -> None:
        """Let everybody go who follows."""
        self.is_over = True
        self._wake()

    def after(self, number: int) -> list[Event]:
        """What is kept of those behind this number, in order."""
        missed = min(self.last - number, len(self._kept))
        return [self._kept[index] for index in range(len(self._kept) - missed, len(self._kept))]

    def resume_from(self, last_event_id: str) -> int:
        """The number behind which a client goes on that has seen this id: from now on when it has seen none."""
        if not last_event_id:
            return self.last
        match = _ID.fullmatch(last_event_id)
        return min(int(match[2]), self.last) if match and match[1] == self.boot else 0

    async def wait_after(self, number: int) -> None:
        """Until there is one behind this number, or it is over."""
        while self.last <= number and not self.is_over:
            await self._news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def __repr__(self) -> str:
        return f"<EventLog {self.boot}-{self.last} kept={len(self._kept)} followers={self.followers}>"


async def follow(log: EventLog, request: web.Request) -> web.StreamResponse:
    """The answer to a client that follows; ends when the client leaves or the log is over."""
    if log.followers >= MOST_FOLLOWERS:
        return error(503, f"{MOST_FOLLOWERS} clients follow the events already", "close one of them")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    number = log.resume_from(request.headers.get("Last-Event-ID", ""))
    log.followers += 1
    try:
        await response.prepare(request)
        await response.write(b": events of backends\n\n")
        while not log.is_over:
            for event in log.after(number):
                await response.write(_as_text(log.boot, event))
                number = event.number
            await _wait(log, number, response)
    except ConnectionError:
        pass  # the client has left, which is how this usually ends
    finally:
        log.followers -= 1
    return response


async def _wait(log: EventLog, number: int, response: web.StreamResponse) -> None:
    try:
        async with asyncio.timeout(HEARTBEAT):
            await log.wait_after(number)
    except TimeoutError:
        await response.write(b": nothing new\n\n")


def _as_text(boot: str, event: Event) -> bytes:
    transition = event.transition
    document = {
        "time": datetime.fromtimestamp(event.time, UTC).isoformat("T", "milliseconds"),
        "service": transition.service,
        "backend": transition.backend,
        "before": transition.before,
        "after": transition.after,
        "reason": transition.reason,
    }
    return f"id: {boot}-{event.number}\nevent: transition\ndata: {json.dumps(document)}\n\n".encode()
