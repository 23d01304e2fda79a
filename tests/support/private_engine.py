"""A private Docker engine: one dockerd with every folder, address and rule of its own, gone without a trace afterwards.

Law: everything that must be undone can be read from the engine's folder, so that a run that was killed is cleaned up
by the next one (`sweep`). A folder belongs to whoever holds the lock on its `owner` file, which dies with the process.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from ipaddress import IPv4Network
from pathlib import Path

import docker
from docker.errors import DockerException

from tests.support import subnet
from tests.support.waiting import wait_until

PREFIX = "sw-"
DATA_IN_MEMORY = 4 << 30  # bytes the engine's data may take; images and containers of the tests are below 1 GiB
START_SECONDS = 60.0
STOP_SECONDS = 30.0
# containerd puts sockets 40 characters below the folder, and the address of a unix socket ends at 107.
LONGEST_PARENT = 50


class EngineError(Exception):
    """The engine could not be started."""


class Engine:
    """A dockerd that tests may stop and start: its containers live on meanwhile (live-restore)."""

    def __init__(self) -> None:
        self.folder = _new_folder()
        self.url = f"unix://{self.folder}/docker.sock"
        self._owner = _own(self.folder)
        self._daemon: subprocess.Popen[bytes] | None = None
        self._client: docker.DockerClient | None = None
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Engine {self.url} {'running' if self.is_running else 'stopped'}>"

    @property
    def client(self) -> docker.DockerClient:
        """A client of this engine; it stays good when the engine is stopped and started."""
        if self._client is None:
            self._client = docker.DockerClient(base_url=self.url)
        return self._client

    @property
    def is_running(self) -> bool:
        return self._daemon is not None and self._daemon.poll() is None

    def start(self) -> None:
        """Start and wait until it answers. Nothing to do when it runs."""
        if self.is_running:
            return
        with (self.folder / "dockerd.log").open("ab") as log:
            self._daemon = subprocess.Popen(
                ["dockerd", "--config-file", str(self.folder / "daemon.json")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C for the tests is not for the engine: cleaning up needs it in order
            )
        try:
            wait_until(self._has_answered, f"{self.url} to answer", START_SECONDS)
        except TimeoutError as error:
            raise EngineError(f"{error}\n{self._log_tail()}") from error

    def stop(self) -> None:
        """Stop the engine and leave its containers running; its socket is gone. Nothing to do when it is stopped."""
        if self._daemon is not None:
            _end(self._daemon)
            self._daemon = None

    def close(self) -> None:
        """Remove everything: containers, engine, mounts, bridges, rules, folder. Nothing to do the second time."""
        if not self.folder.exists():
            return
        if self._client is not None:
            self._client.close()
        self.stop()
        _destroy(self.folder)
        os.close(self._owner)

    def _prepare(self) -> None:
        network = subnet.claim()
        (self.folder / "network").write_text(str(network))
        bridge = f"sw{network.network_address.packed[1]}"  # unique on the machine, as the network is
        subnet.add_bridge(network, bridge)
        subnet.allow_bridged(network)
        _mount_memory(self.folder / "data")
        (self.folder / "daemon.json").write_text(json.dumps(_configuration(self.folder, network, bridge)))

    def _has_answered(self) -> bool:
        if not self.is_running:
            raise EngineError(f"dockerd ended by itself\n{self._log_tail()}")
        if not is_listening(self.url):
            return False
        try:
            return bool(self.client.ping())
        except (DockerException, OSError):
            return False

    def _log_tail(self) -> str:
        return (self.folder / "dockerd.log").read_text(errors="replace")[-2000:]


def is_listening(url: str) -> bool:
    """Whether a connection to a unix:// URL is taken. Asked first: the SDK leaks a socket when it is not."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(url.removeprefix("unix://"))
        except OSError:
            return False
    return True


def sweep() -> None:
    """Clean up after runs that were killed."""
    for folder in _parent().glob(f"{PREFIX}*"):
        try:
            owner = os.open(folder / "owner", os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _destroy(folder)
        except BlockingIOError:
            pass  # its run is alive
        finally:
            os.close(owner)


def _parent() -> Path:
    folder = Path(tempfile.gettempdir())
    return folder if len(str(folder)) <= LONGEST_PARENT else Path("/tmp")


def _new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=_parent()))


def _own(folder: Path) -> int:
    """Lock the owner file before it has its name: a sweeper must never see it unlocked."""
    owner = os.open(folder / "owner.new", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(owner, fcntl.LOCK_EX)
    (folder / "owner.new").rename(folder / "owner")
    return owner


def _mount_memory(folder: Path) -> None:
    """Keep the engine's data in memory where there is plenty: nothing of it outlives the engine.

    Importing the base image takes 1 s so. On ext4 it took 8 s whenever an engine had been deleted in the last minutes:
    there the search for a free inode steps over each recently deleted one (measured: perf, `recently_deleted`).
    """
    folder.mkdir()
    available = re.search(r"MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    if available and int(available[1]) << 10 > 2 * DATA_IN_MEMORY:
        options = f"size={DATA_IN_MEMORY},mode=711"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False)


def _configuration(folder: Path, network: IPv4Network, bridge: str) -> dict[str, object]:
    return {
        "hosts": [f"unix://{folder}/docker.sock"],
        "data-root": f"{folder}/data",
        "exec-root": f"{folder}/run",
        "pidfile": f"{folder}/pid",
        "bridge": bridge,
        "default-address-pools": [{"base": str(network), "size": 24}],
        # The machine's firewall and its forwarding are left as they are: see subnet.allow_bridged. Published ports
        # work all the same, through docker-proxy.
        "iptables": False,
        "ip-masq": False,
        "ip-forward": False,
        "live-restore": True,
    }


# Undoing: everything below works from the folder alone


def _destroy(folder: Path) -> None:
    """Engine first: with live-restore it leaves its containers, and no longer restarts them when they are removed."""
    for process in (_process_in(folder / "pid", folder), _process_in(folder / "run/containerd/containerd.pid", folder)):
        _end_by_id(process)
    runtime = folder / "run/runtime-runc/moby"
    for container in sorted(runtime.glob("*")):
        subprocess.run(
            ["runc", "--root", str(runtime), "delete", "--force", container.name], capture_output=True, check=False
        )
    for process in _shims(folder):
        _signal(process, signal.SIGKILL)  # nothing is left for them to look after
    for address in folder.glob("run/containerd/daemon/*/moby/*/address"):
        Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)  # the shim's socket is not in here
    _unmount_below(folder)
    network = folder / "network"
    if network.exists():
        subnet.release(IPv4Network(network.read_text()))
    shutil.rmtree(folder, ignore_errors=True)


def _process_in(pid_file: Path, folder: Path) -> int | None:
    """The process a pid file names, if it is still the one that wrote it."""
    try:
        process = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    return process if f"{folder}/" in _command_line(process) else None


def _shims(folder: Path) -> list[int]:
    processes = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    lines = {process: _command_line(process) for process in processes}
    return [
        process for process, line in lines.items() if "containerd-shim" in line.split(" ")[0] and f"{folder}/" in line
    ]


def _command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _unmount_below(folder: Path) -> None:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    below = [re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), point) for point in points]
    for point in sorted((point for point in below if point.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_by_id(process: int | None) -> None:
    """End a process that is not our child, as after a run that was killed."""
    if process is None:
        return
    _signal(process, signal.SIGTERM)
    try:
        wait_until(lambda: not _command_line(process), f"process {process} to end", STOP_SECONDS)
    except TimeoutError:
        _signal(process, signal.SIGKILL)


def _signal(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass
