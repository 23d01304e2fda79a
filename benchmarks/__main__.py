"""Every question of speed, one after the other: throughput, latency, memory, growth, workers; then the summary.

    python -m benchmarks [--only latency,memory] [--short] [--no-readme | --render]

Each writes results/NAME.json, its plots and its section of README.md. `--short` shows that all of it works and measures
nothing worth keeping; `--render` measures nothing and writes the README again from the JSON files. About 20 minutes.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.rig.process import ROOT
from benchmarks.standing import RESULTS

FULL: Final[dict[str, tuple[str, ...]]] = {
    "throughput": ("--all", "--rounds", "3", "--seconds", "1"),
    "latency": (),
    "memory": (),
    "growth": (),
    "workers": (),
}
SHORT: Final[dict[str, tuple[str, ...]]] = {
    "throughput": ("--all", "--rounds", "1", "--seconds", "1"),
    "latency": ("--rounds", "1", "--seconds", "1"),
    "memory": ("--connections", "500"),
    "growth": ("--sizes", "10,100", "--rounds", "1"),
    "workers": ("--rounds", "1", "--seconds", "1"),
}


def main() -> int:
    """Exit code: 0, or 1 when one of them complained. The others run all the same."""
    options = parse_options()
    RESULTS.mkdir(exist_ok=True)
    complaining = []
    for name in options.only:
        began = time.monotonic()
        print(f"== {name}", file=sys.stderr, flush=True)
        code = run(name, *arguments(name, options))
        print(f"== {name}: {time.monotonic() - began:.0f} s, exit code {code}", file=sys.stderr, flush=True)
        if code:
            complaining.append(name)
    run("standing", *([] if options.no_readme else ["--readme"]))
    if complaining:
        print(f"see above for what was wrong in: {', '.join(complaining)}", file=sys.stderr)
    return 1 if complaining else 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(FULL), metavar="NAME,…")
    parser.add_argument("--short", action="store_true", help="as little as shows that it works")
    parser.add_argument("--no-readme", action="store_true", help="JSON only: needs no matplotlib")
    parser.add_argument("--render", action="store_true", help="measure nothing; README and plots from the JSON files")
    options = parser.parse_args()
    if unknown := set(options.only) - set(FULL):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(FULL)}")
    if options.render:
        options.only = [name for name in options.only if result_of(name).exists()]
    return options


def arguments(name: str, options: argparse.Namespace) -> list[str]:
    """What one of them is told."""
    readme = [] if options.no_readme else ["--readme"]
    if options.render:
        return ["--from", str(result_of(name)), *readme]
    return [*(SHORT if options.short else FULL)[name], "--json", str(result_of(name)), *readme]


def result_of(name: str) -> Path:
    """Where its raw data is."""
    return RESULTS / f"{name}.json"


def run(name: str, *words: str) -> int:
    """Run one in a process of its own, and give its exit code."""
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *words], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
