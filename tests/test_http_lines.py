"""Every requirement of docs/http.md has a test that names it, and no test names one that is not there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.http_lines import NAMED, complaints, requirements, rows

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def named() -> dict[int, str]:
    """Each number that a test of the suite names, and one such test."""
    collecting = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "tests.support.http_lines", "tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    lines = [line for line in collecting.stdout.splitlines() if line.startswith(NAMED)]
    assert lines, collecting.stdout[-2000:] + collecting.stderr[-2000:]
    return {int(number): test for number, test in json.loads(lines[0].removeprefix(NAMED)).items()}


def test_every_requirement_is_named_by_a_test_and_no_other_number_is(named: dict[int, str]) -> None:
    required = requirements((ROOT / "docs" / "http.md").read_text())
    assert required == list(range(1, len(required) + 1))
    assert complaints(required, named) == []


PLANTED = {
    "a requirement without a test": ([1, 2], {1: "test_a"}, ["2 is named by no test"]),
    "a test of no requirement": ([1], {1: "test_a", 9: "test_b"}, ["test_b names 9, which is no requirement"]),
    "nothing": ([1], {1: "test_a"}, []),
}


@pytest.mark.parametrize(("required", "tests", "expected"), rows(PLANTED))
def test_planted_gap_is_found(required: list[int], tests: dict[int, str], expected: list[str]) -> None:
    assert complaints(required, tests) == expected


def test_numbers_are_those_a_line_begins_with() -> None:
    assert requirements("# 1. no\n1. yes 2. no\n\n12. yes\n    13. no\n") == [1, 12]


def test_rows_carry_the_numbers_they_begin_with() -> None:
    table = {"8, 76 folding": (b"a", 400), "no number": (b"b", 400), "101 is a status": b"c"}
    marked = [[mark.args for mark in row.marks] for row in rows(table)]  # type: ignore[attr-defined]
    assert marked == [[(8, 76)], [], []]
