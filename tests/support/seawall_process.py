"""`seawall run` as a user starts it: a process of its own, found by what it logs."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import aiohttp

START_DEADLINE = 30.0  # seconds
LOG_DEADLINE = 10.0  # seconds; only what never comes takes as long


class SeawallProcess:
    """A running `seawall run` while entered, on free ports of 127.0.0.1. `log` is every line it wrote to stderr.

    Those that it starts to succeed it write there too, and end with it.
    """

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self._arguments = arguments
        self._environment = environment or {}
        self._reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.log: list[dict[str, Any]] = []
        self.port = 0
        self.admin_port = 0

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "proxy",
            "run",
            *("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json"),
            *self._arguments,
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**_without_settings(), **self._environment},
            cwd=Path(__file__).resolve().parent.parent.parent,
        )
        self._reading = asyncio.create_task(self._read())
        started = await self.logged("listening", within=START_DEADLINE)
        self.port = int(started["listen"][0].rpartition(":")[2])
        self.admin_port = int(started["admin"].rpartition(":")[2])
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), 10)
            except TimeoutError:
                self.process.kill()
        await self.process.wait()
        for line in self.log:
            if line.get("event") == "successor started" and is_alive(line["pid"]):
                os.kill(line["pid"], signal.SIGTERM)
        if self._reading is not None:
            await self._reading
        assert self.process.stdout is not None
        await self.process.stdout.read()  # a successor had it too: the end of the process was not the end of its pipes

    async def logged(self, event: str, within: float = LOG_DEADLINE, **fields: Any) -> dict[str, Any]:
        """The first line with this event and these fields; waits for it."""

        def fits(line: dict[str, Any]) -> bool:
            return line.get("event") == event and all(line.get(key) == value for key, value in fields.items())

        return await self._line(fits, within, f"{event!r} with {fields}")

    async def logged_about(self, text: str, within: float = LOG_DEADLINE) -> dict[str, Any]:
        """The first line that has this text in it anywhere; waits for it."""
        return await self._line(lambda line: text in json.dumps(line), within, repr(text))

    async def _line(self, fits: Callable[[dict[str, Any]], bool], within: float, what: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(within):
                while True:
                    for line in self.log:
                        if fits(line):
                            return line
                    if self._reading is not None and self._reading.done():
                        raise AssertionError(f"seawall ended without {what}: {self.log}")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"seawall did not log {what} in {within} s: {self.log}") from None

    async def admin(self, path: str) -> Any:
        """A JSON answer of the admin address."""
        async with aiohttp.ClientSession() as session, session.get(self.admin_url + path) as response:
            return await response.json()

    async def change(self, path: str) -> Any:
        """The JSON answer to a change by the admin address."""
        async with aiohttp.ClientSession() as session, session.post(self.admin_url + path) as response:
            return await response.json()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        """Where it is administered."""
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return sorted(int(child) for child in children if _is_worker(child))

    @property
    def rss(self) -> int:
        """Resident memory of the workers, bytes."""
        return sum(memory(pid) for pid in self.workers)

    @property
    def descriptors(self) -> int:
        """Open file descriptors of the workers."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.workers)

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": raw.decode(errors="replace").rstrip()}
            self.log.append(line)
            self._changed.set()
        self._changed.set()


def memory(pid: int) -> int:
    """Resident memory of a process, bytes."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def is_alive(pid: int) -> bool:
    """Also a process that has ended counts as long as nobody has asked for its exit code; here nobody has to."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _is_worker(pid: str) -> bool:
    try:
        return b"proxy.processes.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def _without_settings() -> dict[str, str]:
    """This process's environment, but for what would be read as settings; the choice of what runs stays."""
    kept = ("SEAWALL_WIRE", "SEAWALL_CODE")
    return {key: value for key, value in os.environ.items() if not key.startswith("SEAWALL_") or key in kept}
