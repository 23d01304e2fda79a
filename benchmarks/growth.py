"""Does a request cost more when there are 10 000 backends, host rules or idle connections instead of 10?

User and system time of the proxy per request, beside nginx and haproxy with the same in static lists. All backends are
one nginx that listens on every address of 127.0.0.0/8. Requests go to all hosts in turn; policy and host rules, the
proxy's whole path, are in it. Opening a connection to every backend is not: the warm-up does that. Nor are probes: the
first ones are over before, the next come after. One proxy runs at a time: 10 000 upstream connections are enough.

    python -m benchmarks.growth [--subjects backends,routes,idle] [--sizes 10,100] [--rounds N] [--seconds S]
                                [--json FILE] [--readme] [--from FILE]
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.memory import close_all, open_idle
from benchmarks.rig import sites
from benchmarks.rig.backends import start_backends
from benchmarks.rig.cases import find_case
from benchmarks.rig.cpu import cpu_time
from benchmarks.rig.delivery import Recorded, add_arguments, deliver
from benchmarks.rig.load import DONE, drive
from benchmarks.rig.machine import Cores, describe, raise_open_files, split_cores
from benchmarks.rig.peers import PEERS, choose_peers, fill, site_values, version_of
from benchmarks.rig.process import Running, leave_on_signal, start, take_ports
from benchmarks.rig.report import aligned
from benchmarks.rig.standing import Line

CASE: Final = find_case("plain-64")
NAMES: Final = ("seawall", "nginx", "haproxy")
SIZES: Final = (10, 100, 1_000, 10_000)
SUBJECTS: Final = {"backends": "backends", "routes": "host rules", "idle": "idle client connections beside 64 busy"}
FEW: Final = 3  # backends, where they are not the subject
WARM_UP_SECONDS: Final = 15.0  # at most
HOSTS_ASKED: Final = 1_000  # of a larger number, evenly spread
SEAWALL: Final = (
    *(sys.executable, "-m", "proxy", "run", "--config", "@CONFIGURATION@"),
    *("--listen", "127.0.0.1:@PORT@", "--admin", "127.0.0.1:@ADMIN_PORT@"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One peer at one size in one round; CPU and waits in microseconds."""

    subject: str
    size: int
    peer: str
    round: int
    rate: float
    user_us: float
    system_us: float
    p50_us: int
    p99_us: int
    errors: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Recorded):
    """A whole run, as it is written to JSON."""

    machine: dict[str, str]
    versions: dict[str, str]
    seconds: int
    rounds: int
    samples: list[Sample]
    failures: list[str]


def main() -> int:
    """Exit code: 0, or 1 when there were errors."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)
    results = read_results(options.source) if options.source else measure(options)
    complaints = results.failures + [
        f"{sample.size} {sample.subject}, {sample.peer}, round {sample.round}: {sample.errors}"
        for sample in results.samples
        if sample.errors
    ]
    return deliver(options, "growth", results, tables(results), draw=draw, complaints=complaints)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--subjects", type=lambda text: text.split(","), default=list(SUBJECTS))
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=1, help="per peer, size and round")
    add_arguments(parser)
    options = parser.parse_args()
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    return options


def read_results(path: Path) -> Results:
    """Read what a run has written."""
    raw = json.loads(path.read_text())
    return Results(**raw | {"samples": [Sample(**sample) for sample in raw["samples"]]})


# measuring


def measure(options: argparse.Namespace) -> Results:
    """Every subject at every size with every peer."""
    peers = choose_peers(NAMES, tools=("nginx", "wrk", "taskset"))
    cores = split_cores()
    raise_open_files()
    machine = describe() | {"pinning": f"proxy on core {cores.proxy}, wrk and backends on {list(cores.load)}"}
    samples: list[Sample] = []
    failures: list[str] = []
    for subject in options.subjects:
        for size in options.sizes:
            for peer in peers:
                print(f"growth: {peer.name}, {size:,} {SUBJECTS[subject]}", file=sys.stderr)
                try:
                    samples += measure_one(subject, size, peer.name, cores, options.rounds, options.seconds)
                except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                    failures.append(f"{size} {subject}, {peer.name}: {error}")
    return Results(
        machine=machine,
        versions={peer.name: version_of(peer) for peer in peers},
        seconds=options.seconds,
        rounds=options.rounds,
        samples=samples,
        failures=failures,
    )


def measure_one(subject: str, size: int, peer: str, cores: Cores, rounds: int, seconds: int) -> list[Sample]:
    """One peer at one size. Raises RuntimeError when it does not come up."""
    with started(subject, size, peer, cores) as (script, proxy):
        warm_up(proxy, script, cores, 2 * size if subject == "backends" else 1)
        clients = open_idle(proxy.port, size) if subject == "idle" else []
        try:
            return [sample(subject, size, proxy, script, cores, number, seconds) for number in range(1, rounds + 1)]
        finally:
            close_all(clients)


def warm_up(proxy: Running, script: Path, cores: Cores, requests: int) -> None:
    """Ask so many requests, so that every backend has its connections: opening them is not what is measured."""
    left, deadline = requests, time.monotonic() + WARM_UP_SECONDS
    while left > 0 and time.monotonic() < deadline:
        left -= drive(CASE, script, port=proxy.port, seconds=1, cores=cores.load).requests


@contextmanager
def started(subject: str, size: int, peer: str, cores: Cores) -> Iterator[tuple[Path, Running]]:
    """The wrk script and one running proxy with its site, in a folder that goes away with them."""
    names = sites.hosts(size) if subject == "routes" else []
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        running, ports = start_backends(CASE, folder / "backends", cores.load, address="0.0.0.0")
        stack.callback(running.stop)
        backends = sites.addresses(size if subject == "backends" else FEW, ports[0])
        own = folder / peer
        own.mkdir()
        if names and peer == "seawall":
            stack.callback(start_engine(own, names, ports[0], cores).stop)
        proxy = start_site(peer, own, backends, names, cores)
        stack.callback(proxy.stop)
        proxy.wait_answer("/small", host=names[0] if names else None)
        yield write_script(names, folder), proxy


def start_site(
    peer: str, folder: Path, backends: Sequence[sites.Address], names: Sequence[str], cores: Cores
) -> Running:
    """One proxy with so many backends and host rules."""
    port, admin_port = take_ports(2)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    values = site_values(folder, []) | {"PORT": port, "ADMIN_PORT": admin_port, "FILES": files}
    values["CONFIGURATION"] = folder / "site.conf"
    text, command = site(peer, backends, names)
    (folder / "site.conf").write_text(fill(text, values))
    (folder / "hosts.map").write_text(sites.haproxy_map(names))
    words = [fill(word, values) for word in command]
    return start(peer, words, folder=folder, cores=(cores.proxy,), port=port)


def site(peer: str, backends: Sequence[sites.Address], names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """A peer's configuration and command."""
    if peer == "seawall":
        discovery = ("--docker", "unix://@FOLDER@/engine.sock") if names else ("--no-docker",)
        return sites.seawall([] if names else backends), (*SEAWALL, *discovery)
    command = next(each.command for each in PEERS if each.name == peer)
    return (sites.nginx if peer == "nginx" else sites.haproxy)(backends, names), command


def start_engine(folder: Path, names: Sequence[str], port: int, cores: Cores) -> Running:
    """The engine that has Seawall's containers. The proxy tries again until it is there."""
    listing = folder / "containers.json"
    listing.write_text(json.dumps(sites.containers(names, port, FEW)))
    command = [sys.executable, "-m", "benchmarks.rig.engine", str(folder / "engine.sock"), str(listing)]
    engine_folder = folder / "engine"
    engine_folder.mkdir()
    return start("engine", command, folder=engine_folder, cores=cores.load, port=0)


def write_script(names: Sequence[str], folder: Path) -> Path:
    """wrk's script: all requests are built beforehand and taken in turn."""
    asked = names[:: max(1, len(names) // HOSTS_ASKED)] or ["app.example.com"]
    listed = ", ".join(f'"{name}"' for name in asked)
    script = folder / "growth.lua"
    script.write_text(
        f"local hosts, asked, last = {{{listed}}}, {{}}, 0\n"
        "init = function(arguments)\n"
        "  for number, host in ipairs(hosts) do\n"
        '    asked[number] = wrk.format("GET", "/small", {["Host"] = host, ["Accept"] = "*/*"})\n'
        "  end\n"
        "end\n"
        "request = function()\n"
        "  last = last % #asked + 1\n"
        "  return asked[last]\n"
        "end\n" + DONE
    )
    return script


def sample(subject: str, size: int, proxy: Running, script: Path, cores: Cores, number: int, seconds: int) -> Sample:
    """One round."""
    cpu = cpu_time(proxy.pid)
    load = drive(CASE, script, port=proxy.port, seconds=seconds, cores=cores.load)
    used = cpu_time(proxy.pid).since(cpu)
    requests = max(load.requests, 1)
    return Sample(
        subject=subject,
        size=size,
        peer=proxy.name,
        round=number,
        rate=load.requests / load.seconds,
        user_us=used.user * 1e6 / requests,
        system_us=used.system * 1e6 / requests,
        p50_us=load.p50_us,
        p99_us=load.p99_us,
        errors=load.errors,
    )


# rendering


def cost(samples: Sequence[Sample], subject: str, peer: str) -> dict[int, float]:
    """User and system µs per request by size, medians over the rounds."""
    by_size: dict[int, list[float]] = {}
    for each in samples:
        if each.subject == subject and each.peer == peer:
            by_size.setdefault(each.size, []).append(each.user_us + each.system_us)
    return {size: median(costs) for size, costs in sorted(by_size.items())}


def costs(results: Results, subject: str) -> dict[str, dict[int, float]]:
    """The same for every peer that was measured."""
    found = {peer: cost(results.samples, subject, peer) for peer in results.versions}
    return {peer: figures for peer, figures in found.items() if figures}


def tables(results: Results) -> str:
    """The whole answer in Markdown: cost and, in brackets, requests per second."""
    lines = [f"- {key}: {value}" for key, value in results.machine.items()]
    lines.append("- peers: " + ", ".join(f"{peer} {version}" for peer, version in results.versions.items()))
    lines.append(f"- {results.rounds} rounds of {results.seconds} s; µs of CPU per request, medians (requests/s)")
    for subject, title in SUBJECTS.items():
        found = costs(results, subject)
        if found:
            lines += ["", f"### {title[0].upper()}{title[1:]}", "", *_table(results, subject, found)]
    return "\n".join(lines) + "\n"


def _table(results: Results, subject: str, found: dict[str, dict[int, float]]) -> list[str]:
    sizes = sorted({size for figures in found.values() for size in figures})
    cells = [
        ("", *found),
        *((f"{size:,}", *(_cell(results, subject, peer, size) for peer in found)) for size in sizes),
    ]
    grown = [figures[sizes[-1]] / figures[sizes[0]] if sizes[-1] in figures else None for figures in found.values()]
    last = f"{sizes[-1]:,} as a multiple of {sizes[0]:,}"
    return aligned([*cells, (last, *("" if factor is None else f"{factor:.2f}" for factor in grown))])


def _cell(results: Results, subject: str, peer: str, size: int) -> str:
    own = [each for each in results.samples if (each.subject, each.peer, each.size) == (subject, peer, size)]
    if not own:
        return "failed"
    return f"{median(each.user_us + each.system_us for each in own):.1f} ({median(each.rate for each in own):,.0f})"


def draw(results: Results) -> str:
    """A curve per peer for each subject."""
    from benchmarks.rig.drawing import draw_curves

    for subject, title in SUBJECTS.items():
        found = costs(results, subject)
        if found:
            draw_curves(
                f"growth-{subject}",
                title=f"Cost of a request by the number of {title}",
                x=title,
                y="user and system µs per request",
                curves={peer: list(figures.items()) for peer, figures in found.items()},
                log_x=True,
            )
    return "".join(f"![By {title}](plots/growth-{subject}.svg)\n" for subject, title in SUBJECTS.items()) + "\n"


def standing(results: Results) -> list[Line]:
    """For the summary: the cost at the greatest size."""
    lines = []
    for subject, title in SUBJECTS.items():
        found = costs(results, subject)
        size = max((size for figures in found.values() for size in figures), default=0)
        figures = {peer: each[size] for peer, each in found.items() if size in each}
        question = f"CPU per request with {size:,} {title}"
        lines.append(Line(question=question, unit="µs", figures=figures, is_less_better=True))
    return lines


if __name__ == "__main__":
    sys.exit(main())
