"""A socket at a path, where whoever is to take over asks; only the same user may.

It is bound before the proxy starts, under a name of its own, so that a path that cannot be is known at once; and put in
its place, from one moment to the next whoever was there, when the proxy serves.
"""

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from proxy.errors import BindError

LOOK_EVERY: Final = 5.0  # seconds between two looks whether the path still leads here
FIRST_PAUSE: Final = 1.0  # seconds before a path that was lost is tried again; doubles each time
LONGEST_PAUSE: Final = 60.0


class Offer:
    """`hand_over` speaks to one that asks; it returns whether that one serves now."""

    def __init__(
        self, path: str, hand_over: Callable[[socket.socket], Awaitable[bool]], log: FilteringBoundLogger
    ) -> None:
        self._path = Path(path)
        # Not by process id: that is 1 in every container, and a killed one may have left its own there.
        self._fresh = self._path.with_name(f"{self._path.name}.{secrets.token_hex(3)}")
        self._hand_over = hand_over
        self._log = log
        self._listening: socket.socket | None = None
        self._own: tuple[int, int] | None = None  # which file the path is, while it is ours

    def bind(self) -> None:
        """Listen, where nobody looks yet. Raises BindError."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if self._path.exists() and not self._path.is_socket():
                raise OSError("there is something that is no socket")
            listening.bind(str(self._fresh))
            self._fresh.chmod(0o600)
            listening.listen()
        except OSError as error:
            listening.close()
            raise self._failed(error) from error
        listening.setblocking(False)
        self._listening = listening

    async def run(self) -> None:
        """Wait at the path until another serves in this one's place, or this is cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                listening = self._publish()
            except BindError as error:
                self._log.error("nobody can take over", why=str(error), again_in=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            connection = await self._accept(listening)
            if connection is None:
                self._log.warning("the takeover path has gone, and is made anew", path=str(self._path))
                self.close()
                continue
            with connection:
                if await self._hand_over(connection):
                    return

    def leave(self) -> None:
        """Listen no more; the path is left to the next one, which may be about to put its own socket there."""
        self._own = None
        self.close()

    def close(self) -> None:
        """Listen no more, and remove what is ours."""
        if self._listening is None:
            return
        self._listening.close()
        self._listening = None
        self._fresh.unlink(missing_ok=True)
        if self._own is not None and self._own == self._there():
            self._path.unlink(missing_ok=True)
        self._own = None

    def _publish(self) -> socket.socket:
        if self._listening is None:
            self.bind()
        assert self._listening is not None  # bind raises otherwise
        if self._own is None:
            try:
                self._fresh.rename(self._path)
            except OSError as error:
                self.close()
                raise self._failed(error) from error
            self._own = self._there()
        return self._listening

    async def _accept(self, listening: socket.socket) -> socket.socket | None:
        """One that asks; None when the path leads nowhere. Where another listens there by now, that one is asked."""
        accepting = asyncio.create_task(asyncio.get_running_loop().sock_accept(listening))
        try:
            while True:
                done, _ = await asyncio.wait((accepting,), timeout=LOOK_EVERY)
                if done:
                    return accepting.result()[0]
                if self._there() is None:
                    return None
        finally:
            accepting.cancel()
            await asyncio.wait((accepting,))  # or it would be left waiting at a socket that is closed

    def _there(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _failed(self, error: OSError) -> BindError:
        return BindError(f"cannot listen on {self._path} for a takeover: {error.strerror or error}")

    def __repr__(self) -> str:
        return f"<Offer {self._path}>"
