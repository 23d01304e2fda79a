"""Is this tree slower than a given commit?

Both are installed as users get them, started beside each other, and asked in turn: A B, B A, A B, … on one core. Each
round gives one ratio; `rig/comparison.py` says from all of them whether there is a difference beyond the noise. Exit
code 1 when requests/s fell or CPU time rose by more than the noise and more than the tolerance, or when any request
failed.

    python -m benchmarks.guard [--against COMMIT] [--rounds N] [--seconds S] [--cases a,b] [--json FILE] [--readme]
                               [--from FILE]
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.rig import install
from benchmarks.rig.backends import start_backends
from benchmarks.rig.cases import CASES, Case
from benchmarks.rig.comparison import Comparison, Verdict, compare, fewest_rounds
from benchmarks.rig.cpu import cpu_time, precise_cpu_time
from benchmarks.rig.delivery import Recorded, add_arguments, deliver
from benchmarks.rig.load import drive, write_script
from benchmarks.rig.machine import Cores, describe, raise_open_files, split_cores
from benchmarks.rig.peers import PEERS, start_peer
from benchmarks.rig.process import Running, find_program, leave_on_signal
from benchmarks.rig.report import aligned

TOLERANCE: Final = 0.01  # a difference below is not worth a stop, however sure it is
WARM_UP_SECONDS: Final = 1
SMALL: Final = next(case for case in CASES if case.name == "small")
GUARDED: Final = (
    SMALL,
    Case(name="post-1k", title="POST of 1 KB, 64 connections", connections=64, upload_bytes=1000),
    Case(name="new-connection", title="small GET, new connection for each, 64 at once", connections=64),
    next(case for case in CASES if case.name == "get-100k"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One of the two in one round; CPU is the proxy's own, a request."""

    rate: float
    user_us: float
    cpu_us: float
    errors: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Both in one round."""

    old: Sample
    new: Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Recorded):
    """A whole run, as it is written to JSON."""

    machine: dict[str, str]
    seconds: int
    rounds: dict[str, list[Round]]  # by case


@dataclass(frozen=True, slots=True)
class Figure:
    """What is compared. User time is told from system time by a clock's ticks, so the sum of both is much sharper."""

    title: str
    of: Callable[[Sample], float]
    is_higher_better: bool


FIGURES: Final = (
    Figure("requests/s", lambda sample: sample.rate, True),
    Figure("user µs per request", lambda sample: sample.user_us, False),
    Figure("CPU µs per request", lambda sample: sample.cpu_us, False),
)


def main() -> int:
    """Exit code: 0, or 1 when something is slower or a request failed."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)  # so that what was started is stopped
    results = read_results(options.source) if options.source else measure(options)
    compared = comparisons(results)
    complaints = [*errors_in(results), *slower(compared)]
    return deliver(options, "guard", results, table(results, compared), complaints=complaints)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    names = [case.name for case in GUARDED]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--against", metavar="COMMIT", help="default: where this branch left main")
    parser.add_argument("--cases", type=lambda text: text.split(","), default=names, help="of " + ",".join(names))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=1, help="for each of the two in each round")
    add_arguments(parser)
    options = parser.parse_args()
    if set(options.cases) - set(names):
        parser.error(f"the cases are {', '.join(names)}")
    fewest = fewest_rounds(len(options.cases) * len(FIGURES))
    if options.rounds < fewest or options.seconds < 1:
        parser.error(f"--rounds is at least {fewest}, for the figures of {len(options.cases)} cases; --seconds 1")
    return options


# measuring


def measure(options: argparse.Namespace) -> Results:
    """Install both, and ask them in turn."""
    missing = [program for program in ("nginx", "wrk", "taskset", "git") if find_program(program) is None]
    if missing:
        raise SystemExit(f"missing: {', '.join(missing)}\napt-get install nginx wrk util-linux git")
    commit = install.commit_of(options.against or install.default_base())
    cores = split_cores()
    raise_open_files()
    with tempfile.TemporaryDirectory(prefix="seawall-guard-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # nginx' workers are another user's
        machine = describe() | installs(folder, commit)
        rounds = {}
        for case in (case for case in GUARDED if case.name in options.cases):
            with started(case, folder, cores) as (script, old, new):
                rounds[case.name] = run_rounds(case, script, (old, new), cores, options)
    return Results(machine=machine, seconds=options.seconds, rounds=rounds)


def installs(folder: Path, commit: str) -> dict[str, str]:
    """Make the installs `old` and `new` in the folder; says what they are."""
    print(f"installing {commit} and this tree …", file=sys.stderr)
    for name in ("old", "new"):
        source = folder / f"{name}-source"
        source.mkdir()
        if name == "old":
            install.export_commit(commit, source)
        else:
            install.export_tree(source)
        install.install(source, folder / name)
    return {
        "old": f"{commit}, {install.describe_install(folder / 'old')}",
        "new": f"this tree, {install.describe_install(folder / 'new')}",
    }


@contextmanager
def started(case: Case, folder: Path, cores: Cores) -> Iterator[tuple[Path, Running, Running]]:
    """wrk's script, and both proxies before the same backends."""
    seawall = next(peer for peer in PEERS if peer.name == "seawall")
    place = folder / case.name
    place.mkdir()
    with ExitStack() as stack:
        backends, ports = start_backends(case, place / "backends", cores.load)
        stack.callback(backends.stop)
        both = []
        for name in ("old", "new"):
            command = (seawall.command[0], "-P", *seawall.command[1:])
            environment = install.environment(folder / name)
            peer = replace(seawall, name=name, command=command, environment=environment)
            running = start_peer(peer, place / name, ports, (cores.proxy,))
            stack.callback(running.stop)
            running.wait_answer(case.path)
            both.append(running)
        yield script_of(case, place), both[0], both[1]


def script_of(case: Case, folder: Path) -> Path:
    """wrk's script; where the case is of connections it asks for the end of each after one answer."""
    script = write_script(case, folder)
    if case.name == "new-connection":
        with script.open("a") as more:
            more.write('wrk.headers["Connection"] = "close"\n')
    return script


def run_rounds(
    case: Case, script: Path, both: tuple[Running, Running], cores: Cores, options: argparse.Namespace
) -> list[Round]:
    """A B, B A, A B, …"""
    for running in both:
        drive(case, script, port=running.port, seconds=WARM_UP_SECONDS, cores=cores.load)
    rounds = []
    for number in range(options.rounds):
        print(f"{case.name}: round {number + 1} of {options.rounds}", file=sys.stderr)
        order = both if number % 2 == 0 else both[::-1]
        samples = {running.name: sample(case, script, running, cores, options.seconds) for running in order}
        rounds.append(Round(old=samples["old"], new=samples["new"]))
    return rounds


def sample(case: Case, script: Path, proxy: Running, cores: Cores, seconds: int) -> Sample:
    """One of them, once."""
    ticks, spent = cpu_time(proxy.pid), precise_cpu_time(proxy.pid)
    load = drive(case, script, port=proxy.port, seconds=seconds, cores=cores.load)
    used, spent = cpu_time(proxy.pid).since(ticks), precise_cpu_time(proxy.pid) - spent
    user_share = used.user / max(used.user + used.system, 1e-9)
    return Sample(
        rate=load.requests / load.seconds,
        user_us=spent * user_share * 1e6 / max(load.requests, 1),
        cpu_us=spent * 1e6 / max(load.requests, 1),
        errors=load.errors,
    )


# telling


def read_results(path: Path) -> Results:
    """Read what a run has written."""
    raw = json.loads(path.read_text())
    rounds = {
        case: [Round(**{name: Sample(**one) for name, one in each.items()}) for each in entries]
        for case, entries in raw.pop("rounds").items()
    }
    return Results(**raw, rounds=rounds)


def comparisons(results: Results) -> dict[tuple[str, str], Comparison]:
    """By case and title of the figure."""
    count = len(results.rounds) * len(FIGURES)
    return {
        (case, figure.title): compare(
            [(figure.of(each.old), figure.of(each.new)) for each in rounds if not _is_useless(each)],
            is_higher_better=figure.is_higher_better,
            tolerance=TOLERANCE,
            comparisons=count,
        )
        for case, rounds in results.rounds.items()
        for figure in FIGURES
    }


def table(results: Results, compared: dict[tuple[str, str], Comparison]) -> str:
    """The whole answer in Markdown."""
    titles = {case.name: case.title for case in GUARDED}
    rounds = min(map(len, results.rounds.values()))
    cells: list[tuple[str, ...]] = [("case", "figure", "old", "new", "difference", "smallest visible", "")]
    for (case, title), found in compared.items():
        figure = next(figure for figure in FIGURES if figure.title == title)
        of = [[figure.of(one) for one in side] for side in _sides(results.rounds[case])]
        middles = [f"{sorted(values)[len(values) // 2]:,.{0 if figure.is_higher_better else 1}f}" for values in of]
        difference = f"{found.middle:+.1%} ({found.low:+.1%} to {found.high:+.1%})"
        cells.append((titles[case], title, *middles, difference, f"{found.visible:.1%}", found.verdict.value))
    facts = [f"- {key}: {value}" for key, value in results.machine.items()]
    facts.append(f"- {rounds} rounds of {results.seconds} s each, order swapped every round")
    return "\n".join([*facts, "", *aligned(cells)]) + "\n"


def slower(compared: dict[tuple[str, str], Comparison]) -> list[str]:
    """One line for each figure that got worse."""
    return [
        f"{case}: {title} {found.middle:+.1%} ({found.low:+.1%} to {found.high:+.1%}): {found.verdict.value}"
        for (case, title), found in compared.items()
        if found.verdict is Verdict.SLOWER
    ]


def errors_in(results: Results) -> list[str]:
    """One line for each sample with errors."""
    return [
        f"{case}, round {number}, {name}: {one.errors}"
        for case, rounds in results.rounds.items()
        for number, each in enumerate(rounds, 1)
        for name, one in (("old", each.old), ("new", each.new))
        if one.errors
    ]


def _sides(rounds: Sequence[Round]) -> tuple[list[Sample], list[Sample]]:
    return [each.old for each in rounds], [each.new for each in rounds]


def _is_useless(both: Round) -> bool:
    """Nothing was answered, or no tick of the clock fell into user time: errors say the former."""
    return any(not (one.rate and one.user_us) for one in (both.old, both.new))


if __name__ == "__main__":
    sys.exit(main())
