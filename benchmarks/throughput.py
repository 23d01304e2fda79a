"""How many requests per second does one core of each proxy carry, and how much CPU does a request cost it?

Every proxy gets one core, wrk and the backends share the others. Rounds are interleaved (A B C A B C …), so that the
machine's moods meet every peer; ratios are taken within a round. Any error fails the run.

    python -m benchmarks.throughput [--peers a,b] [--cases x,y | --all] [--rounds N] [--seconds S]
                                    [--json FILE] [--readme] [--guard] [--from FILE]
"""

import argparse
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.rig import report
from benchmarks.rig.backends import start_backends
from benchmarks.rig.cases import CASES, Case
from benchmarks.rig.cpu import core_time, cpu_time
from benchmarks.rig.delivery import add_arguments, deliver
from benchmarks.rig.load import drive, write_script
from benchmarks.rig.machine import Cores, describe, raise_open_files, split_cores
from benchmarks.rig.peers import PEERS, Peer, choose_peers, start_peer, version_of
from benchmarks.rig.process import Running, get, leave_on_signal
from benchmarks.rig.report import Results, Sample

WARM_UP_SECONDS = 1


def main() -> int:
    """Exit code: 0, or 1 when there were errors or a guarded bar is missed."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)  # so that what was started is stopped
    results = report.read_results(options.source) if options.source else measure(options)
    complaints = report.errors_in(results)
    if options.guard:
        complaints += report.missed_bars(results.samples.get(report.GUARDED_CASE, []))
    return deliver(options, "throughput", results, report.tables(results), draw=draw, complaints=complaints)


def draw(results: Results) -> str:
    """All plots of the run."""
    from benchmarks.rig import pictures

    return pictures.draw(results)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", type=_names, help="comma list of " + ",".join(peer.name for peer in PEERS))
    parser.add_argument("--cases", type=_names, help="comma list of " + ",".join(case.name for case in CASES))
    parser.add_argument("--all", action="store_true", help="every case")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="per peer and round")
    parser.add_argument(
        "--guard", action="store_true", help="exit 1 when Seawall misses the bars of `make bench-quick`"
    )
    add_arguments(parser)
    options = parser.parse_args()
    for given, known in ((options.peers, PEERS), (options.cases, CASES)):
        unknown = set(given or ()) - {entry.name for entry in known}
        if unknown:
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(entry.name for entry in known)}")
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    return options


def measure(options: argparse.Namespace) -> Results:
    """Run every case with every peer."""
    peers = choose_peers(options.peers, tools=("nginx", "wrk", "taskset"))
    cases = [case for case in CASES if _is_chosen(case, options)]
    cores = split_cores()
    raise_open_files()
    machine = describe() | {"pinning": f"proxy on core {cores.proxy}, wrk and backends on {list(cores.load)}"}
    samples: dict[str, list[Sample]] = {}
    failures: list[str] = []
    for case in cases:
        fitting = [peer for peer in peers if case.is_large or not peer.is_for_large_bodies]
        try:
            with started(case, fitting, cores) as (script, running):
                failures += warm_up(case, script, running, cores)
                samples[case.name] = run_rounds(case, script, running, cores, options.rounds, options.seconds)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            failures.append(f"{case.name}: {error}")  # the other cases still count
    return Results(
        machine=machine,
        versions={peer.name: version_of(peer) for peer in peers},
        seconds=options.seconds,
        rounds=options.rounds,
        samples=samples,
        failures=failures,
    )


@contextmanager
def started(case: Case, peers: list[Peer], cores: Cores) -> Iterator[tuple[Path, list[Running]]]:
    """The wrk script and the running peers of a case, in a folder that goes away with them."""
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        backends, backend_ports = start_backends(case, folder / "backends", cores.load)
        stack.callback(backends.stop)
        running = []
        for peer in peers:
            proxy = start_peer(peer, folder / peer.name, backend_ports, (cores.proxy,))
            stack.callback(proxy.stop)
            proxy.wait_answer("/small")
            running.append(proxy)
        yield write_script(case, folder), running


def warm_up(case: Case, script: Path, running: list[Running], cores: Cores) -> list[str]:
    """See that every answer comes through whole, and load each proxy for a moment. Gives the errors."""
    failures = []
    for proxy in running:
        status, body = get(proxy.port, case.path)
        if status != 200 or len(body) != case.answer_bytes:
            raise RuntimeError(f"{proxy.name} answers {case.path} with {status} and {len(body)} bytes")
        load = drive(case, script, port=proxy.port, seconds=WARM_UP_SECONDS, cores=cores.load)
        errors = {kind: count for kind, count in load.errors.items() if kind != "silent"}  # slow to warm is no error
        if errors:
            failures.append(f"{case.name}, {proxy.name}, warm-up: {errors}")
    return failures


def run_rounds(
    case: Case, script: Path, running: list[Running], cores: Cores, rounds: int, seconds: int
) -> list[Sample]:
    """Every proxy in turn, round after round."""
    samples: list[Sample] = []
    for number in range(1, rounds + 1):
        print(f"{case.name}: round {number} of {rounds}", file=sys.stderr)
        samples += [sample(case, script, proxy, cores, number, seconds) for proxy in running]
    return samples


def sample(case: Case, script: Path, proxy: Running, cores: Cores, number: int, seconds: int) -> Sample:
    """One peer, one round."""
    cpu, own_core, load_cores = cpu_time(proxy.pid), core_time((cores.proxy,)), core_time(cores.load)
    load = drive(case, script, port=proxy.port, seconds=seconds, cores=cores.load)
    used = cpu_time(proxy.pid).since(cpu)
    own_share = (used.user + used.system) / load.seconds
    units = load.requests * case.units_per_request
    per_unit = 1e6 / units if units else 0.0  # silent: an error, not a cost
    return Sample(
        peer=proxy.name,
        round=number,
        requests=load.requests,
        rate=units / load.seconds,
        user_us=used.user * per_unit,
        system_us=used.system * per_unit,
        p50_us=load.p50_us,
        p99_us=load.p99_us,
        proxy_share=min(1.0, own_share),
        others_share=max(0.0, core_time((cores.proxy,)).share_since(own_core) - own_share),
        load_share=core_time(cores.load).share_since(load_cores),
        errors=load.errors,
    )


def _is_chosen(case: Case, options: argparse.Namespace) -> bool:
    if options.cases is not None:
        return case.name in options.cases
    return bool(options.all) or case.is_default


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    sys.exit(main())
