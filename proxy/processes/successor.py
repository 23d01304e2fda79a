"""The next proxy as a process that this one starts: the same command line and environment, and what is on disk now.

It is given one end of a socket pair. When it has read its configuration it asks over that, and is handed what a proxy
that asks at a takeover path is handed. As long as it does not serve it has changed nothing.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from proxy.errors import BindError, ConfigurationError, SeawallError
from proxy.processes.endings import in_words
from proxy.processes.service_manager import notify
from proxy.processes.takeover import ASKING

VARIABLE: Final = "SEAWALL_HANDED_OVER_BY"  # the descriptor of the successor's end
ASKS_WITHIN: Final = 60.0  # seconds for the successor to read its configuration
ENDS_WITHIN: Final = 2.0  # seconds for one that does not go on to end by itself
_MEANINGS: Final = {
    ConfigurationError.exit_code: "its configuration is wrong",
    BindError.exit_code: "it cannot bind an address",
}


class Successor:
    """`hand_over` speaks to one that asks; it returns whether that one serves now."""

    def __init__(self, hand_over: Callable[[socket.socket], Awaitable[bool]], log: FilteringBoundLogger) -> None:
        self._hand_over = hand_over
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._is_refused = False

    async def start(self, own_pid: int) -> bool:
        """Start one; whether it serves now. Says in the log what came of it."""
        if reason := self._refusal(own_pid):
            self._log.error("no successor is started", why=reason)
            return False
        try:
            connection = self._spawn()
        except OSError as error:
            self._log.error("no successor is started", why=str(error))
            return False
        process = self._process
        assert process is not None  # it has just been started
        self._log.info("successor started", pid=process.pid)
        is_serving = False
        try:
            with connection:
                is_serving = await self._asks(connection) and await self._hand_over(connection)
        finally:
            self._process = None
            if not is_serving:
                why = await self._end(process)
        if not is_serving:
            self._log.error("successor failed, this one goes on", how=in_words(process.returncode), why=why)
            return False
        self._log.info("successor serves", pid=process.pid)
        notify(f"MAINPID={process.pid}")
        return True

    def refuse(self) -> None:
        """Start none from now on; one that does not serve yet ends at once."""
        self._is_refused = True
        if self._process is not None:
            self._process.kill()

    def _refusal(self, own_pid: int) -> str:
        """Why none is to be started; empty when nothing speaks against it."""
        if own_pid == 1:
            return "this is process 1, whose end is that of the container: start another container and stop this one"
        return "this one is about to end" if self._is_refused else ""

    def _spawn(self) -> socket.socket:
        """Our end. Not a child of the event loop: that would end it together with this process."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                descriptor = theirs.fileno()
                self._process = subprocess.Popen(
                    [sys.executable, *sys.orig_argv[1:]],
                    pass_fds=(descriptor,),
                    env={**os.environ, VARIABLE: str(descriptor)},
                )
        except OSError:
            ours.close()
            raise
        ours.setblocking(False)
        return ours

    async def _asks(self, connection: socket.socket) -> bool:
        """It has read its configuration; False when it has ended, or does not get so far."""
        try:
            async with asyncio.timeout(ASKS_WITHIN):
                return await asyncio.get_running_loop().sock_recv(connection, 1) == ASKING
        except (OSError, TimeoutError):
            return False

    async def _end(self, process: "subprocess.Popen[bytes]") -> str:
        """It will not serve. Most often it is about to end, and its exit code says why."""
        try:
            code = await asyncio.to_thread(process.wait, ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            return "it did not serve in time, and was ended"
        finally:
            process.kill()  # SIGTERM would have it serve first, and then drain
            process.wait()
        return _MEANINGS.get(code, "what it wrote says why")

    def __repr__(self) -> str:
        return f"<Successor {self._process.pid if self._process else None}>"


def take_connection() -> socket.socket | None:
    """The successor's end, where this process was started as one; nobody it starts finds it again.

    Raises SeawallError when the variable names no socket.
    """
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        return None
    try:
        connection = socket.socket(fileno=int(text))
    except (ValueError, OSError) as error:
        raise SeawallError(f"{VARIABLE} is for a proxy that was started by another: {text!r} is no socket") from error
    connection.set_inheritable(False)
    return connection
