"""Where does Seawall stand beside the best other proxy, line by line, ahead or behind?

Reads what the other benchmarks have measured (results/*.json); measures nothing. A benchmark without results is in the
table all the same.

    python -m benchmarks.standing [--readme]
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks import growth, latency, memory, workers
from benchmarks.rig import report
from benchmarks.rig.cases import CASES, Case
from benchmarks.rig.delivery import README, replace_section
from benchmarks.rig.report import Row, rows_of
from benchmarks.rig.standing import OURS, Line, summary

RESULTS: Final = Path(__file__).parent / "results"


def main() -> int:
    """Exit code 0: to be behind is no error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.standing", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--readme", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    text = summary(lines_of(RESULTS))
    print(text)
    if options.readme:
        replace_section(README, "standing", text)
    return 0


def lines_of(folder: Path) -> list[Line]:
    """Every line of every benchmark, in the order of the README."""
    lines: list[Line] = []
    for name, read in READERS.items():
        path = folder / f"{name}.json"
        lines += read(path) if path.exists() else [Line(question=f"`{name}.py`", figures={})]
    return lines


# throughput


def throughput_lines(results: report.Results) -> list[Line]:
    """One line per case, measured or not, and the CPU of the first."""
    lines = [case_line(case, rows_of(results.samples.get(case.name, []))) for case in CASES]
    return [*lines, cost_line(CASES[0], rows_of(results.samples.get(CASES[0].name, [])))]


def case_line(case: Case, rows: list[Row]) -> Line:
    """By requests/s, or by what the proxy's core would carry where the load core was full for Seawall or the best."""
    unit = "MB" if case.is_bulk else "requests"
    line = Line(question=case.title, unit=f"{unit}/s", figures={row.peer: row.rate.middle for row in rows})
    if not any(row.is_load_bound for row in rows if row.peer in (OURS, line.best)):
        return line
    figures = {row.peer: 1e6 / (row.user_us + row.system_us) for row in rows if row.user_us + row.system_us}
    return Line(question=case.title, unit=f"{unit} per CPU-second", figures=figures)


def cost_line(case: Case, rows: list[Row]) -> Line:
    """User and system time per request."""
    figures = {row.peer: row.user_us + row.system_us for row in rows if row.rate.middle}
    return Line(question=f"CPU per request, {case.title}", unit="µs", figures=figures, is_less_better=True)


READERS: Final[Mapping[str, Callable[[Path], list[Line]]]] = {
    "throughput": lambda path: throughput_lines(report.read_results(path)),
    "latency": lambda path: latency.standing(latency.read_results(path)),
    "memory": lambda path: memory.standing(memory.read_results(path)),
    "growth": lambda path: growth.standing(growth.read_results(path)),
    "workers": lambda path: workers.standing(workers.read_results(path)),
}


if __name__ == "__main__":
    sys.exit(main())
