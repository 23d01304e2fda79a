"""Which policy serves best when: equal backends, a slow one, larger and smaller ones, requests that come in bursts?

Simulates Seawall's own fleet and policies in virtual time, at every load, beside what queueing theory says of them
(2 minutes on two cores; the same seeds give the same figures on every machine). With --real, sends the same kind of
requests through a Seawall to backends with servers and queues (7 minutes; wants a machine with nothing else to do).

    python -m benchmarks.policies [--quick N] [--json FILE] [--readme] [--from FILE]
    python -m benchmarks.policies --real [--seconds S] [--cases slow,bursts] [--json FILE] [--readme] [--from FILE]
"""

import argparse
import signal
import sys

from benchmarks.policies import pages
from benchmarks.policies.curves import read_points, simulate_all, write_points
from benchmarks.policies.real import CASES, RealRun, measure, read_run
from benchmarks.policies.scenarios import BY_NAME
from benchmarks.rig.delivery import README, add_arguments, deliver, replace_section
from benchmarks.rig.process import leave_on_signal


def main() -> int:
    """Exit code: 0, or 1 when a real request failed."""
    options = parse_options()
    signal.signal(signal.SIGTERM, leave_on_signal)  # so that what was started is stopped
    return real(options) if options.real else simulated(options)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--real", action="store_true", help="processes and a clock in the place of the simulation")
    parser.add_argument("--quick", type=int, default=1, metavar="N", help="simulate runs of a Nth of the length")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a real case")
    parser.add_argument("--cases", default="", help="comma list of real scenarios, of " + ",".join(BY_NAME))
    add_arguments(parser)
    options = parser.parse_args()
    options.cases = [name for name in options.cases.split(",") if name] or list(BY_NAME)
    unknown = set(options.cases) - set(BY_NAME)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BY_NAME)}")
    if options.quick < 1 or options.seconds < 1:
        parser.error("--quick and --seconds are at least 1")
    return options


def simulated(options: argparse.Namespace) -> int:
    """All curves."""
    points = read_points(options.source) if options.source else simulate_all(options.quick)
    text = pages.simulated_section(points)
    print(text)
    if options.json:
        write_points(options.json, points)
    if options.readme:
        pages.draw_all(points)
        replace_section(README, "policies", text)
    return 0


def real(options: argparse.Namespace) -> int:
    """All cases, or some."""
    cases = [case for case in CASES if case[0] in options.cases]
    run: RealRun = read_run(options.source) if options.source else measure(options.seconds, cases)
    complaints = [
        f"{outcome.scenario}, {outcome.variant}: {outcome.failed} requests failed"
        for outcome in run.outcomes
        if outcome.failed
    ]
    return deliver(options, "policies-real", run, pages.real_section(run), complaints=complaints)


if __name__ == "__main__":
    sys.exit(main())
