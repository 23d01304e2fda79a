"""One worker's place: its sockets, which outlive it, the process that has them now, and the link to that process."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

import proxy
from proxy.errors import SeawallError
from proxy.processes import messages
from proxy.processes.endings import in_words
from proxy.processes.heartbeat import CHECK_EVERY, Heartbeat, Restarts
from proxy.processes.link import Link
from proxy.processes.messages import Listening, Report, Served, Serving, Setup, Whole, Word, WoundDown
from proxy.spec.proxy import ListenAddress

MOST_FAILED_STARTS: Final = 3  # ends before a first worker has served, after which the proxy does not start
LAST_FRAMES: Final = 1.0  # seconds to read what a worker said before its end
_MODULE: Final = "proxy.processes.worker"
_ROOT: Final = str(Path(proxy.__file__).resolve().parent.parent)
_NOTHING: Final = (0, 0, 0, 0)


class SeatOwner(Protocol):
    """Who hears what happens at a seat."""

    def setup(self, seat: "Seat", listening: Sequence[Listening]) -> Setup:
        """The first message for a worker with these sockets."""

    def whole(self) -> Whole:
        """What its fleet is to be like."""

    def on_word(self, seat: "Seat", word: Word) -> None:
        """The worker has said this."""

    def on_vacant(self, seat: "Seat") -> None:
        """The worker has ended."""


class Seat:
    """`version` is the one that the worker serves, `connections` as in Report; `begun` is done when one has served.

    `is_behind`: the worker has missed calls, and is to be told everything as soon as it listens.
    """

    def __init__(
        self,
        number: int,
        sockets: Sequence[tuple[ListenAddress, socket.socket]],
        shared: tuple[int, ...],
        owner: SeatOwner,
        log: FilteringBoundLogger,
    ) -> None:
        self.number = number
        self.pid: int | None = None
        self.version = 0
        self.connections = _NOTHING
        self.restarts = Restarts()
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_serving = False  # the worker takes connections
        self.is_wound_down = True  # nothing of what was under way was cut
        self._sockets = sockets
        self._shared = shared  # other descriptors that the worker inherits
        self._owner = owner
        self._log = log
        self._link: Link | None = None
        self._link_lost = asyncio.Event()
        self._heartbeat = Heartbeat(time.monotonic())
        self._leaving = asyncio.Event()
        self._is_to_serve = False
        self.is_behind = False
        self._questions: dict[int, asyncio.Future[None]] = {}

    # called by the supervisor

    async def run(self) -> None:
        """Have a worker here until `leave` or cancelled."""
        while True:
            self.restarts.start(time.monotonic())
            code = await self._employ()
            if self._leaving.is_set():
                return
            pause = self.restarts.end(time.monotonic())
            self._log.error("worker ended", worker=self.number, how=in_words(code), again_in=pause)
            self._give_up()
            try:
                async with asyncio.timeout(pause):
                    await self._leaving.wait()
                    return
            except TimeoutError:
                pass

    def send(self, data: bytes) -> None:
        """Send a call; a worker that is behind gets the whole instead, when it listens again."""
        if self._link is None:
            return
        if self._link.is_full:
            self.is_behind = True
        else:
            self._link.send(data)

    def tell(self, data: bytes) -> None:
        """Send what no worker may miss, however far behind it is."""
        if self._link is not None:
            self._link.send(data)

    def serve(self) -> None:
        """Let whoever sits here answer clients."""
        self._is_to_serve = True
        self._order(messages.Serve())

    def ask(self, number: int) -> asyncio.Future[None] | None:
        """Ask for a report; done when it has come, or never will. None where nobody is."""
        if self._link is None:
            return None
        question = self._questions[number] = asyncio.get_running_loop().create_future()
        self._order(messages.Ask(number))
        return question

    def wind_down(self, seconds: float) -> None:
        """Let the worker finish and end; nobody takes its place."""
        self._leaving.set()
        self.is_wound_down = self._link is None
        self._order(messages.WindDown(seconds))

    def stop(self) -> None:
        """Let the worker end now; nobody takes its place."""
        self._leaving.set()
        self._order(messages.Stop())

    # one worker

    async def _employ(self) -> int:
        """From start to end of one; returns its exit code."""
        ours, theirs = socket.socketpair()
        try:
            process = await self._start(theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pid = process.pid
        self._link_lost.clear()
        try:
            self._link = await Link.over(ours, self)
            self._greet()
            code = await self._watch(process)
            await self._read_last_words()
            return code
        finally:
            await self._vacate(process)

    async def _start(self, end: socket.socket) -> asyncio.subprocess.Process:
        """A process of its own, which imports no more than a worker needs."""
        descriptors = (end.fileno(), *self._shared, *(each.fileno() for _, each in self._sockets))
        path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", _MODULE, str(end.fileno())),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=descriptors,
            start_new_session=True,  # Ctrl-C is for the supervisor
            env={**os.environ, "PYTHONPATH": path},
        )

    def _greet(self) -> None:
        self._heartbeat = Heartbeat(time.monotonic())
        listening = [
            Listening(bound.fileno(), address.host, address.port, address.proxy_protocol)
            for address, bound in self._sockets
        ]
        self._order(self._owner.setup(self, listening))
        self._order(self._owner.whole())
        self.is_behind = False
        if self._is_to_serve:
            self._order(messages.Serve())
        if self._leaving.is_set():
            self._order(messages.Stop())

    async def _watch(self, process: asyncio.subprocess.Process) -> int:
        """Wait for its end; bring it about where it hangs."""
        ended = asyncio.create_task(process.wait())
        try:
            while True:
                done, _ = await asyncio.wait((ended,), timeout=CHECK_EVERY)
                if done:
                    return ended.result()
                if self._heartbeat.is_lost(time.monotonic()):
                    self._log.error("worker hangs", worker=self.number, pid=process.pid)
                    process.kill()
        finally:
            ended.cancel()

    async def _read_last_words(self) -> None:
        """The process has ended: its link has an end too."""
        try:
            async with asyncio.timeout(LAST_FRAMES):
                await self._link_lost.wait()
        except TimeoutError:
            self._log.warning("link of a worker that has ended is still open", worker=self.number)

    async def _vacate(self, process: asyncio.subprocess.Process) -> None:
        if self._link is not None:
            self._link.abort()
            self._link = None
        if process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                pass  # it has just ended by itself
            await process.wait()
        self.pid = None
        self.is_serving = False
        self.version = 0
        self.connections = _NOTHING
        for question in self._questions.values():
            _settle(question)
        self._questions.clear()
        self._owner.on_vacant(self)

    def _give_up(self) -> None:
        """None has served yet, and it does not look as if one would."""
        if self.restarts.count >= MOST_FAILED_STARTS and not self.begun.done():
            self.begun.set_exception(SeawallError("workers end before they serve; what they wrote says why"))

    def _order(self, message: messages.Message) -> None:
        if self._link is not None:
            self._link.send(messages.encode(message))

    # called by the link

    def on_message(self, data: bytes) -> None:
        """A word of the worker."""
        self._heartbeat.hear(time.monotonic())
        word = messages.decode_up(data)
        match word:
            case Served(version):
                self.version = version
            case Serving():
                self.is_serving = True
                _settle(self.begun)
            case WoundDown(whole):
                self.is_wound_down = whole
            case Report():
                self.connections = word.connections
        self._owner.on_word(self, word)
        if isinstance(word, Report) and word.answer in self._questions:
            _settle(self._questions.pop(word.answer))

    def on_link_lost(self) -> None:
        """The worker has ended, or closed it: its process says more."""
        self._link_lost.set()

    def on_link_full(self) -> None:
        """See `send`."""

    def on_link_room(self) -> None:
        """It listens again: tell everything, if it missed anything."""
        if self.is_behind:
            self.is_behind = False
            self._order(self._owner.whole())

    def __repr__(self) -> str:
        return f"<Seat {self.number} pid={self.pid} version={self.version} restarts={self.restarts.count}>"


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
