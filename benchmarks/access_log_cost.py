"""What does the JSON access log cost, in requests per second and in CPU per request?

Two proxies, one without and one with the log to a file, take turns at the same load; ratios are taken within a round.
Then the time of one request in our own code, without sockets: `--profile` shows where it goes.

    python -m benchmarks.access_log_cost [--rounds N] [--seconds S] [--profile]

Exit code 1 when the log costs more than 20 % of the requests per CPU-second (median of the rounds), or on any error.
"""

import argparse
import cProfile
import os
import pstats
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.happy_path_cost import REQUEST, RESPONSE, connected_pair
from benchmarks.rig.backends import start_backends
from benchmarks.rig.cases import CASES
from benchmarks.rig.cpu import cpu_time
from benchmarks.rig.load import drive, write_script
from benchmarks.rig.machine import Cores, describe, raise_open_files, split_cores
from benchmarks.rig.peers import PEERS, start_peer
from benchmarks.rig.process import Running, leave_on_signal
from proxy.dataplane.access_log import AccessLog, AccessLogFormat

BAR: Final = 0.2  # of the requests per CPU-second without the log
OWN_REQUESTS: Final = 20_000
FLUSH_EVERY: Final = 5_000  # requests; the sweep does it four times a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One proxy in one round."""

    rate: float  # requests per second
    cpu_us: float  # of the proxy, per request
    errors: int


def main() -> int:
    """Exit code: 0, or 1 when the bar is missed."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)  # so that what was started is stopped
    raise_open_files()
    if options.profile:
        profile()
    for key, value in describe().items():
        print(f"- {key}: {value}")
    alone, logged = own_cost(None), own_cost(AccessLogFormat.JSON)
    print(f"\none request in our own code: {alone:.2f} µs, with the log {logged:.2f} µs\n")
    rounds = measure(split_cores(), options.rounds, options.seconds)
    print(table(rounds))
    cost = 1 - median(off.cpu_us / on.cpu_us for off, on in rounds)
    errors = sum(half.errors for each in rounds for half in each)
    print(f"\nthe log costs {cost:.0%} of the requests per CPU-second; bar {BAR:.0%}")
    if errors:
        print(f"{errors} errors", file=sys.stderr)
    return 1 if errors or cost > BAR else 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    summary = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.access_log_cost", description=summary)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each half of a round")
    parser.add_argument("--profile", action="store_true", help="show where the time of the log goes, first")
    return parser.parse_args()


def own_cost(form: AccessLogFormat | None) -> float:
    """Microseconds of one request, the best of several runs; the log goes to /dev/null."""
    return min(serve(form, OWN_REQUESTS) for _ in range(5)) / OWN_REQUESTS * 1e6


def profile() -> None:
    """Print where the time of requests with the log goes."""
    with cProfile.Profile() as profiler:
        serve(AccessLogFormat.JSON, OWN_REQUESTS)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(20)


def serve(form: AccessLogFormat | None, requests: int) -> float:
    """Seconds for so many requests, one after the other."""
    downstream, _, plane = connected_pair()
    with open(os.devnull, "wb") as output:
        plane.access_log = AccessLog(form, output.fileno()) if form is not None else None
        began = time.perf_counter()
        for number in range(requests):
            downstream.data_received(REQUEST)
            exchange = downstream._exchange
            assert exchange is not None
            assert exchange.upstream is not None
            exchange.upstream.data_received(RESPONSE)
            if plane.access_log is not None and number % FLUSH_EVERY == 0:
                plane.access_log.flush()
        return time.perf_counter() - began


def measure(cores: Cores, rounds: int, seconds: int) -> list[tuple[Half, Half]]:
    """(without, with) of every round."""
    with started(cores) as (script, proxies):
        for proxy in proxies:
            drive(CASES[0], script, port=proxy.port, seconds=1, cores=cores.load)
        halves = [[half(script, proxy, cores, seconds) for proxy in proxies] for _ in range(rounds)]
    return [(off, on) for off, on in halves]


@contextmanager
def started(cores: Cores) -> Iterator[tuple[Path, list[Running]]]:
    """The wrk script, and the proxy without and with the log. Its output goes to a file that goes away."""
    (seawall,) = (peer for peer in PEERS if peer.name == "seawall")
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        backends, backend_ports = start_backends(CASES[0], folder / "backends", cores.load)
        stack.callback(backends.stop)
        proxies = []
        for form in ("off", "json"):
            peer = replace(seawall, name=f"seawall-{form}", command=(*seawall.command, "--access-log", form))
            proxy = start_peer(peer, folder / peer.name, backend_ports, (cores.proxy,))
            stack.callback(proxy.stop)
            proxy.wait_answer("/small")
            proxies.append(proxy)
        yield write_script(CASES[0], folder), proxies


def half(script: Path, proxy: Running, cores: Cores, seconds: int) -> Half:
    """One proxy's turn."""
    cpu = cpu_time(proxy.pid)
    load = drive(CASES[0], script, port=proxy.port, seconds=seconds, cores=cores.load)
    used = cpu_time(proxy.pid).since(cpu)
    requests = max(load.requests, 1)
    return Half(
        rate=load.requests / load.seconds,
        cpu_us=(used.user + used.system) * 1e6 / requests,
        errors=sum(load.errors.values()),
    )


def table(rounds: list[tuple[Half, Half]]) -> str:
    """One line a round."""
    columns = ("round", "requests/s without", "with the log", "CPU µs a request without", "with the log")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for number, (off, on) in enumerate(rounds, 1):
        lines.append(f"| {number} | {off.rate:,.0f} | {on.rate:,.0f} | {off.cpu_us:.1f} | {on.cpu_us:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
