"""How much memory does an idle proxy take, and how much does each idle keep-alive connection add?

Every connection asks once, gets its answer, and stays open. They ask one after the other, so that one upstream
connection serves them all and only the client side grows. The kernel's socket buffers are in no process's memory.

    python -m benchmarks.memory [--peers seawall,nginx] [--connections 9000] [--json FILE] [--readme] [--from FILE]
"""

import argparse
import json
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig.backends import start_backends
from benchmarks.rig.cases import CASES, SMALL_BODY
from benchmarks.rig.cpu import Memory, memory
from benchmarks.rig.delivery import Recorded, add_arguments, deliver
from benchmarks.rig.machine import Cores, describe, raise_open_files, split_cores
from benchmarks.rig.peers import PEERS, Peer, choose_peers, start_peer, version_of
from benchmarks.rig.process import Running, leave_on_signal
from benchmarks.rig.report import aligned
from benchmarks.rig.standing import Line

REQUEST = b"GET /small HTTP/1.1\r\nHost: app.example.com\r\nUser-Agent: benchmark\r\nAccept: */*\r\n\r\n"
WARM_UP_CONNECTIONS = 100
SOURCES = [f"127.0.0.{number}" for number in range(2, 12)]  # not all from one client's address
SETTLE_SECONDS = 1.5
TIMEOUT_SECONDS = 10.0
SPARE_FILES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Memory of one peer's processes at three moments."""

    peer: str
    version: str
    connections: int
    idle: Memory
    full: Memory
    after: Memory

    @property
    def per_connection(self) -> float:
        """Bytes each open connection has added."""
        return (self.full.proportional - self.idle.proportional) / self.connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Recorded):
    """A whole run, as it is written to JSON."""

    machine: dict[str, str]
    footprints: list[Footprint]
    failures: list[str]


def main() -> int:
    """Exit code: 0, or 1 when a peer could not hold the connections."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)
    results = read_results(options.source) if options.source else measure_all(options)
    return deliver(options, "memory", results, table(results), draw=draw, complaints=results.failures)


def read_results(path: Path) -> Results:
    """Read what a run has written."""
    raw = json.loads(path.read_text())
    moments = ("idle", "full", "after")
    footprints = [
        Footprint(**each | {moment: Memory(**each[moment]) for moment in moments}) for each in raw["footprints"]
    ]
    return Results(**raw | {"footprints": footprints})


def measure_all(options: argparse.Namespace) -> Results:
    """Every peer, one after the other."""
    peers = [peer for peer in choose_peers(options.peers, tools=("nginx", "taskset")) if not peer.is_for_large_bodies]
    cores = split_cores()
    raise_open_files()
    _require_files(options.connections)
    machine, footprints, failures = describe(), [], []
    for peer in peers:
        print(f"memory: {peer.name}", file=sys.stderr)
        try:
            footprints.append(measure(peer, cores, options.connections))
        except (RuntimeError, OSError) as error:
            failures.append(f"{peer.name}: {error}")
    return Results(machine=machine, footprints=footprints, failures=failures)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", type=lambda text: text.split(","), help=",".join(peer.name for peer in PEERS))
    parser.add_argument("--connections", type=int, default=9_000, help="with 20 000 descriptors Seawall takes 9936")
    add_arguments(parser)
    options = parser.parse_args()
    unknown = set(options.peers or ()) - {peer.name for peer in PEERS}
    if unknown:
        parser.error(f"unknown peers: {', '.join(sorted(unknown))}")
    if options.connections < 1:
        parser.error("--connections is at least 1")
    return options


def measure(peer: Peer, cores: Cores, connections: int) -> Footprint:
    """Start a peer, fill it with idle connections, and close them. Raises RuntimeError when it drops one."""
    with started(peer, cores) as proxy:
        close_all(open_idle(proxy.port, WARM_UP_CONNECTIONS))
        idle = settled(proxy)
        clients = open_idle(proxy.port, connections)
        try:
            full = settled(proxy)
            dropped = sum(not is_open(client) for client in clients)
        finally:
            close_all(clients)
        if dropped:
            raise RuntimeError(f"closed {dropped} of {connections} idle connections")
        return Footprint(
            peer=peer.name,
            version=version_of(peer),
            connections=connections,
            idle=idle,
            full=full,
            after=settled(proxy),
        )


@contextmanager
def started(peer: Peer, cores: Cores) -> Iterator[Running]:
    """A running peer with its backends."""
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        backends, backend_ports = start_backends(CASES[0], folder / "backends", cores.load)
        stack.callback(backends.stop)
        proxy = start_peer(peer, folder / peer.name, backend_ports, (cores.proxy,))
        stack.callback(proxy.stop)
        proxy.wait_answer("/small")
        yield proxy


def settled(proxy: Running) -> Memory:
    """Its memory when it has come to rest."""
    time.sleep(SETTLE_SECONDS)
    return memory(proxy.pid)


def open_idle(port: int, count: int) -> list[socket.socket]:
    """Connections that have had one answer each. Raises OSError when one gets none."""
    clients: list[socket.socket] = []
    try:
        for number in range(count):
            clients.append(socket.socket())
            ask(clients[-1], SOURCES[number % len(SOURCES)], port)
    except BaseException as error:
        close_all(clients)
        if isinstance(error, OSError):
            raise OSError(f"connection {len(clients)}: {error}") from error
        raise
    return clients


def ask(client: socket.socket, source: str, port: int) -> None:
    """Connect, send one request, and read its whole answer."""
    client.settimeout(TIMEOUT_SECONDS)
    client.bind((source, 0))
    client.connect(("127.0.0.1", port))
    client.sendall(REQUEST)
    answer = b""
    while not answer.endswith(SMALL_BODY):
        received = client.recv(4096)
        if not received:
            raise ConnectionError(f"closed after {answer!r}")
        answer += received
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(f"answered {answer!r}")


def is_open(client: socket.socket) -> bool:
    """False when the other side has closed."""
    client.setblocking(False)
    try:
        client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def close_all(clients: list[socket.socket]) -> None:
    """Close what was opened."""
    for client in clients:
        client.close()


def table(results: Results) -> str:
    """The answer in Markdown."""
    head = ("proxy", "open", "idle RSS MB", "idle PSS MB", "full PSS MB", "after PSS MB", "KB per connection")
    facts = [f"- {key}: {value}" for key, value in results.machine.items()]
    cells = [head, *(_cells(footprint) for footprint in results.footprints)]
    return "\n".join([*facts, "", *aligned(cells)]) + "\n"


def _cells(footprint: Footprint) -> tuple[str, ...]:
    moments = (footprint.idle, footprint.full, footprint.after)
    return (
        f"{footprint.peer} {footprint.version}",
        f"{footprint.connections:,}",
        f"{footprint.idle.resident / 1e6:.1f}",
        *(f"{moment.proportional / 1e6:.1f}" for moment in moments),
        f"{footprint.per_connection / 1000:.2f}",
    )


def draw(results: Results) -> str:
    """Idle and full in one plot, what a connection adds in another."""
    from benchmarks.rig.drawing import draw_bars

    bars = {each.peer: [each.idle.proportional / 1e6, each.full.proportional / 1e6] for each in results.footprints}
    connections = max((each.connections for each in results.footprints), default=0)
    groups = ["idle", f"with {connections:,} idle connections"]
    if bars:
        draw_bars("memory", title="Memory of all processes", y="PSS, MB", groups=groups, bars=bars)
    return "![Memory](plots/memory.svg)\n\n"


def standing(results: Results) -> list[Line]:
    """For the summary: idle, and what a connection adds."""
    idle = {each.peer: each.idle.proportional / 1e6 for each in results.footprints}
    added = {each.peer: each.per_connection / 1000 for each in results.footprints}
    return [
        Line(question="memory when idle", unit="MB", figures=idle, is_less_better=True),
        Line(question="memory per idle connection", unit="KB", figures=added, is_less_better=True),
    ]


def _require_files(connections: int) -> None:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit < connections + SPARE_FILES:
        raise SystemExit(f"{connections} connections need a higher hard limit of open files than {limit} (ulimit -Hn)")


if __name__ == "__main__":
    sys.exit(main())
