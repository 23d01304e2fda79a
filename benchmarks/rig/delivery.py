"""What every question does with its answer: print it, keep it as JSON, put it into the README, say what was wrong."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeVar

README: Final = Path(__file__).parents[1] / "README.md"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A whole run, as it is written to JSON; each question adds its fields, and reads them back."""

    def to_json(self) -> str:
        """Text that the question's `read_results` takes back."""
        return json.dumps(asdict(self), indent=1) + "\n"


R = TypeVar("R", bound=Recorded)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `deliver` goes by, and `--from`, whose path is `source`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--readme", action="store_true", help="put tables and plots into benchmarks/README.md")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="measure nothing, take this JSON")


def deliver(
    options: argparse.Namespace,
    section: str,
    results: R,
    text: str,
    *,
    draw: Callable[[R], str] | None = None,
    complaints: Sequence[str] = (),
) -> int:
    """Give the exit code: 1 when there are complaints. `draw` writes the plots and gives them in Markdown.

    It imports what it draws with when it is called: an install that only measures has no matplotlib.
    """
    print(text)
    if options.json:
        options.json.write_text(results.to_json())
    if options.readme:
        replace_section(README, section, (draw(results) if draw else "") + text)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


def replace_section(readme: Path, name: str, text: str) -> None:
    """Put the text between `<!-- NAME begin -->` and `<!-- NAME end -->`. Raises ValueError when they are not there."""
    begin, end = f"<!-- {name} begin -->\n", f"<!-- {name} end -->"
    before, found_begin, rest = readme.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{readme} has no section between {begin.strip()} and {end}")
    readme.write_text(before + begin + text + end + after)
