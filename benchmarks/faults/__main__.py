"""What do clients notice of a fault behind each proxy, with its defaults and tuned?

Real containers, an open loop of mixed GETs and POSTs, one fault per cell. benchmarks/faults.md tells what each fault
and each figure means. An engine must answer at DOCKER_HOST or the default socket; `make faults` brings one up.

    python -m benchmarks.faults [--peers a,b] [--faults x,y] [--seconds S] [--rate R] [--side-by-side N]
                                [--json FILE] [--readme] [--logs FOLDER] [--from FILE]
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import docker

from benchmarks.faults import tables
from benchmarks.faults.faults import FAULTS, Fault
from benchmarks.faults.figures import Cell, Results, read_results
from benchmarks.faults.lane import Lane, Settings
from benchmarks.faults.peers import VARIANTS, Variant, choose_variants, is_installed
from benchmarks.rig.delivery import add_arguments
from benchmarks.rig.machine import describe
from benchmarks.rig.peers import version_of
from benchmarks.rig.process import leave_on_signal
from tests.support import engine as engines
from tests.support import images


def main() -> int:
    """Exit code: 0, or 1 when a cell could not be run."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)  # so that what was started is stopped
    results = read_results(options.source) if options.source else measure(options)
    print(tables.overview(results))
    print(tables.details(results))
    if options.json:
        options.json.write_text(results.to_json())
    if options.readme:
        tables.publish(results)
    for failure in results.failures:
        print(failure, file=sys.stderr)
    return 1 if results.failures else 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=(__doc__ or "").split("\n")[0])
    known_peers = {name for each in VARIANTS for name in (each.name, each.program)}
    known_faults = {fault.name for fault in FAULTS}
    parser.add_argument("--peers", type=_names, help="comma list; a program's name means both configurations")
    parser.add_argument("--faults", type=_names, help="comma list of " + ",".join(fault.name for fault in FAULTS))
    parser.add_argument("--seconds", type=float, default=6, help="how long a fault is watched")
    parser.add_argument("--rate", type=float, default=150, help="requests a second to each proxy")
    parser.add_argument("--patience", type=float, default=5, help="seconds until a client gives up")
    parser.add_argument("--side-by-side", type=int, default=3, metavar="N", help="proxies at a time, each with its own")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep what proxies, clients and backends saw")
    add_arguments(parser)
    options = parser.parse_args()
    for given, known in ((options.peers, known_peers), (options.faults, known_faults)):
        unknown = set(given or ()) - known
        if unknown:
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    if options.side_by_side < 1 or options.seconds <= 0 or options.rate <= 0 or options.patience <= 0:
        parser.error("--side-by-side, --seconds, --rate and --patience are above 0")
    return options


def measure(options: argparse.Namespace) -> Results:
    """Run every chosen fault behind every chosen proxy."""
    variants = choose_variants(options.peers)
    faults = [fault for fault in FAULTS if options.faults is None or fault.name in options.faults]
    machine = describe()
    client = engines.answering()
    if client is None:
        reason = os.environ.get(engines.REASON) or "no Docker engine answers"
        raise SystemExit(f"{reason}; make faults, or: python -m tests.support.engine run -- {' '.join(sys.orig_argv)}")
    try:
        settings = prepare_settings(client, options)
        machine["engine"] = f"Docker {client.version()['Version']}"
        cells, failures = asyncio.run(run_matrix(variants, faults, settings, options.side_by_side))
    finally:
        client.close()
    return Results(
        machine=machine,
        versions={each.program: version_of(each.peer) for each in variants},
        rate=options.rate,
        seconds=options.seconds,
        patience=options.patience,
        side_by_side=options.side_by_side,
        cells=cells,
        failures=failures,
        absent=sorted({each.program for each in VARIANTS if not is_installed(each)}),
    )


def prepare_settings(client: docker.DockerClient, options: argparse.Namespace) -> Settings:
    """With the backend's image, which is built when the engine has none."""
    base = images.base(client, pull=os.environ.get(engines.KIND) != "private")
    if options.logs:
        options.logs.mkdir(parents=True, exist_ok=True)
    return Settings(
        client=client,
        engine=os.environ.get("DOCKER_HOST") or engines.DEFAULT_URL,
        image=images.backend(client, base),
        rate=options.rate,
        seconds=options.seconds,
        patience=options.patience,
        logs=options.logs,
    )


async def run_matrix(
    variants: Sequence[Variant], faults: Sequence[Fault], settings: Settings, side_by_side: int
) -> tuple[list[Cell], list[str]]:
    """The cells, fault by fault, and what could not be run."""
    cells: list[Cell] = []
    failures: list[str] = []
    for fault in faults:
        lanes = 1 if fault.is_alone else side_by_side
        for first in range(0, len(variants), lanes):
            group = variants[first : first + lanes]
            print(f"{fault.name}: {', '.join(each.name for each in group)}", file=sys.stderr)
            for outcome in await run_side_by_side(group, fault, settings):
                if isinstance(outcome, Cell):
                    cells.append(outcome)
                else:
                    failures.append(outcome)
    return cells, failures


async def run_side_by_side(group: Sequence[Variant], fault: Fault, settings: Settings) -> list[Cell | str]:
    """A cell of each, in step; in its place the reason, where one could not be run."""
    with tempfile.TemporaryDirectory(prefix="seawall-faults-") as temporary:
        os.chmod(temporary, 0o755)  # nginx's workers may be somebody else
        lanes = [Lane(variant, fault, settings, Path(temporary, variant.name)) for variant in group]
        try:
            opened = await asyncio.gather(*(lane.open() for lane in lanes), return_exceptions=True)
            ready = [lane for lane, error in zip(lanes, opened, strict=True) if error is None]
            measured = await asyncio.gather(*(lane.measure() for lane in ready), return_exceptions=True)
        finally:
            await asyncio.gather(*(lane.close() for lane in lanes))
        outcomes = dict(zip(lanes, opened, strict=True)) | dict(zip(ready, measured, strict=True))
        return [
            outcome if isinstance(outcome, Cell) else f"{lane!r}: {outcome!r}" for lane, outcome in outcomes.items()
        ]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    sys.exit(main())
