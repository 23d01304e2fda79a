"""Starting programs on chosen cores in a folder of their own, and stopping exactly what was started."""

import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from benchmarks.rig.cpu import family

# Below the ephemeral range (net.ipv4.ip_local_port_range), where a client's own port could get in the way.
PORTS = range(18_000, 32_000)
READY_SECONDS = 15.0
STOP_SECONDS = 5.0
ROOT = Path(__file__).parents[2]
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent), "/usr/sbin"))


class Running:
    """A started program. `<Running nginx pid=12 port=18001>`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self.port = port
        self._process = process
        self._log = log

    def __repr__(self) -> str:
        return f"<Running {self.name} pid={self.pid} port={self.port}>"

    def wait_answer(self, path: str, host: str | None = None) -> None:
        """Return when the program answers GET path (at that Host) with 200.

        Raises RuntimeError with its log when it does not.
        """
        deadline = time.monotonic() + READY_SECONDS
        outcome = "not tried"
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                outcome = str(get(self.port, path, host)[0])
            except OSError as error:
                outcome = str(error)
            if outcome == "200":
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer {path} ({outcome}):\n{self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to whatever of the family is left after a while."""
        if self._process.poll() is not None:
            return
        members = family(self.pid)
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for member in members:
                _kill(member)
            self._process.wait(STOP_SECONDS)


def start(
    name: str,
    command: Sequence[str],
    *,
    folder: Path,
    cores: Sequence[int],
    port: int,
    environment: Mapping[str, str] | None = None,
) -> Running:
    """Start a command pinned to cores, its output in a log in the folder."""
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            pinned(command, cores),
            cwd=ROOT,  # for `python -m`
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
    return Running(name, process, port, log)


def pinned(command: Sequence[str], cores: Sequence[int]) -> list[str]:
    """The command, run on these cores only. taskset becomes the program: the pid stays."""
    program = find_program(command[0])
    if program is None:
        raise FileNotFoundError(command[0])
    return ["taskset", "-c", ",".join(map(str, cores)), program, *command[1:]]


def find_program(name: str) -> str | None:
    """Where a program is: on PATH, beside this Python, or in /usr/sbin, which a user's PATH may lack."""
    return shutil.which(name, path=SEARCH_PATH)


def take_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1 that nobody listens on now."""
    ports: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(ports) == count:
            return ports
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
    raise RuntimeError(f"fewer than {count} free ports in {PORTS}")


def get(port: int, path: str, host: str | None = None) -> tuple[int, bytes]:
    """Status and body of one GET. Raises OSError when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
    try:
        connection.request("GET", path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(repr(error)) from error
    finally:
        connection.close()


def leave_on_signal(number: int, _: FrameType | None) -> None:
    """A signal handler that unwinds, so that everything started is stopped."""
    raise SystemExit(128 + number)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
