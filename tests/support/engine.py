"""The Docker engine of the tests: the one that answers, or a private one for as long as a command runs.

    python -m tests.support.engine run -- pytest tests/docker

The command finds the engine in DOCKER_HOST and is told by SEAWALL_TEST_ENGINE which one it is: `found` (the user's),
`private`, or `none`. Its exit code is passed on; what was started is removed whatever happens.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Never

import docker
from docker.errors import DockerException

from tests.support import debian, private_engine, subnet
from tests.support.private_engine import Engine

HOW_TO_RUN = "python -m tests.support.engine run -- pytest tests/docker"
DEFAULT_URL = "unix:///var/run/docker.sock"
KIND = "SEAWALL_TEST_ENGINE"
REASON = "SEAWALL_TEST_ENGINE_REASON"
PATIENCE = 30  # seconds a command has to end after it was told to


class UnavailableError(Exception):
    """No engine can be had here; the message says why."""


def answering() -> docker.DockerClient | None:
    """A client of the engine at DOCKER_HOST, else at the default socket; None where nobody answers."""
    url = os.environ.get("DOCKER_HOST") or DEFAULT_URL
    if url.startswith("unix://") and not private_engine.is_listening(url):
        return None
    try:
        client = docker.from_env()
        client.ping()
    except (DockerException, OSError):
        return None
    return client


def is_answering() -> bool:
    """Whether `answering` finds one."""
    client = answering()
    if client is not None:
        client.close()
    return client is not None


def is_required() -> bool:
    """In CI a missing engine is a failure: skipped tests there would look like passed ones."""
    return bool(os.environ.get("CI") or os.environ.get("SEAWALL_REQUIRE_DOCKER"))


def require_private() -> None:
    """UnavailableError unless a private engine can be started; what is missing is installed where that is allowed."""
    if os.geteuid() != 0:
        raise UnavailableError("a private engine needs root")
    missing = debian.missing_packages() if debian.is_debian_root() else []
    if missing:
        _say(f"installing {' '.join(missing)}")
        try:
            debian.install(missing)
        except debian.InstallError as error:
            raise UnavailableError(str(error)) from error
    lacking = [command for command in ("dockerd", "ip", "iptables") if shutil.which(command) is None]
    if lacking:
        raise UnavailableError(f"{', '.join(lacking)} not found, and only on Debian is it installed")


def start_private() -> Engine:
    """A started private engine; UnavailableError where none can be had. The caller closes it."""
    require_private()
    private_engine.sweep()
    try:
        engine = Engine()
    except subnet.NoSubnetError as error:
        raise UnavailableError(str(error)) from error
    try:
        engine.start()
    except private_engine.EngineError as error:
        engine.close()
        raise UnavailableError(str(error)) from error
    except BaseException:
        engine.close()
        raise
    return engine


def run(command: list[str]) -> int:
    """Run the command with an engine; its exit code."""
    signal.signal(signal.SIGTERM, _exit_by_signal)  # so that `finally` runs, as it does at Ctrl-C
    engine: Engine | None = None
    try:
        engine, told = _find_engine()
        return _run_command(command, {**os.environ, **told})
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # an impatient second signal must not cut the clean-up short
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if engine is not None:
            engine.close()
        private_engine.sweep()  # pytest told to stop leaves the engines of its fixtures


def _find_engine() -> tuple[Engine | None, dict[str, str]]:
    """The engine to close afterwards, if any, and what the command is told."""
    if is_answering():
        return None, {KIND: "found"}
    started = time.monotonic()
    try:
        require_private()
        if is_answering():  # where systemd runs, installing docker.io has started one
            return None, {KIND: "found"}
        engine = start_private()
    except UnavailableError as error:
        _say(f"no Docker engine: {error}")
        return None, {KIND: "none", REASON: str(error)}
    _say(f"private Docker engine at {engine.url} after {time.monotonic() - started:.1f} s")
    return engine, {KIND: "private", "DOCKER_HOST": engine.url}


def _run_command(command: list[str], environment: dict[str, str]) -> int:
    try:
        process = subprocess.Popen(command, env=environment)
    except OSError as error:
        _say(str(error))
        return 127
    forward = _forwarder(process)
    signal.signal(signal.SIGTERM, forward)
    # A terminal sends Ctrl-C to the whole group: the command has it already, and twice would cut its clean-up short.
    signal.signal(signal.SIGINT, signal.SIG_IGN if sys.stdin.isatty() else forward)
    signal.signal(signal.SIGALRM, lambda *_: process.kill())
    code = process.wait()
    signal.alarm(0)
    return code if code >= 0 else 128 - code


def _forwarder(process: subprocess.Popen[bytes]) -> Callable[[int, FrameType | None], None]:
    def forward(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)
        signal.alarm(PATIENCE)

    return forward


def _exit_by_signal(number: int, _frame: FrameType | None) -> Never:
    raise SystemExit(128 + number)


def _say(text: str) -> None:
    print(f"tests.support.engine: {text}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["run", "--", *command] if command:
            return run(command)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
