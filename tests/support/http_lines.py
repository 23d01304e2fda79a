"""Which requirements of docs/http.md tests show: by the marker `http`, and by the numbers table rows begin with.

As a plugin (`pytest -p tests.support.http_lines --collect-only`) it prints the numbers of everything collected.
"""

import json
import re
from collections.abc import Mapping

import pytest

NAMED = "NAMED "
_ROW_NUMBERS = re.compile(r"((?:[0-9]{1,2}, )*[0-9]{1,2}) \S")
_REQUIREMENT = re.compile(r"^([0-9]+)\. ", re.MULTILINE)


def rows(table: Mapping[str, object]) -> list[object]:
    """The rows of a table test. `"8, 76 folding": …` is called that, and shows requirements 8 and 76."""
    params: list[object] = []
    for name, values in table.items():
        found = _ROW_NUMBERS.match(name)
        marks = [pytest.mark.http(*map(int, found[1].split(", ")))] if found else []
        params.append(pytest.param(*(values if isinstance(values, tuple) else (values,)), id=name, marks=marks))
    return params


def requirements(text: str) -> list[int]:
    """The numbers of docs/http.md, in its order."""
    return [int(number) for number in _REQUIREMENT.findall(text)]


def complaints(required: list[int], named: Mapping[int, str]) -> list[str]:
    """What is wrong with the tests that name these numbers (number to one test that does)."""
    found = [f"{number} is named by no test" for number in required if number not in named]
    found += [f"{named[number]} names {number}, which is no requirement" for number in set(named) - set(required)]
    return sorted(found)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Print each number with one test that names it."""
    named: dict[int, str] = {}
    for item in session.items:
        for mark in item.iter_markers("http"):
            for number in mark.args:
                named.setdefault(number, item.nodeid)
    print(NAMED + json.dumps(named))
