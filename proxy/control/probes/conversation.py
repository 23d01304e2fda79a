"""One connection of a probe, from its opening to the moment it is understood."""

import asyncio
import time
from typing import cast


class Conversation(asyncio.Protocol):
    """`objection` is what is wrong with the answer, empty when nothing is, None while it is not known.

    `ended` is done when the connection is closed or nothing more is to be learned on it; `settled_at`, in monotonic
    seconds, is when the objection was known.
    """

    __slots__ = ("ended", "objection", "settled_at", "transport")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ended: asyncio.Future[None] = loop.create_future()
        self.objection: str | None = None
        self.settled_at = 0.0
        self.transport: asyncio.Transport | None = None

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whichever side."""
        self._end()

    # called by the probe

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    # for the kinds of conversation

    def settle(self, objection: str) -> None:
        """This is known now; what was known before stands."""
        if self.objection is None:
            self.objection = objection
            self.settled_at = time.monotonic()

    def finish(self, objection: str) -> None:
        """This is known now, and there is no more to learn."""
        self.settle(objection)
        if self.transport is not None:
            self.transport.close()
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} objection={self.objection!r}>"
