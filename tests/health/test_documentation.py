"""docs/health.md holds what the code does: the states of the circuit, the settings and their defaults."""

import re
from pathlib import Path

import pytest

from proxy.fleet.backend import Unavailable
from proxy.health.circuit import TRANSITIONS, State
from proxy.spec.service_keys import KEYS

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "health.md").read_text()
SETTINGS = [name for name in KEYS if name == "slow-start" or name.startswith(("health.", "circuit."))]


def diagram() -> list[str]:
    """The circuit as Mermaid draws it: made of the table, a line for each of its transitions."""
    moves = [
        f"    {before.name.lower()} --> {after.name.lower()}: {event.value}"
        for (before, event), after in TRANSITIONS.items()
    ]
    return ["stateDiagram-v2", f"    [*] --> {State.CLOSED.name.lower()}", *moves]


def test_diagram_of_the_circuit_is_its_table() -> None:
    (drawn,) = re.findall(r"```mermaid\n(.*?)\n```", DOCUMENT, re.DOTALL)
    assert drawn.splitlines() == diagram()


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_is_documented_with_its_default(name: str) -> None:
    key = KEYS[name]
    (row,) = re.findall(rf"^\| `{re.escape(name)}` \| (.*) \|$", DOCUMENT, re.MULTILINE)
    assert row.split(" | ") == [key.default or "none", key.meaning.replace("; empty:", "; none:")]


@pytest.mark.parametrize("reason", [reason.name.lower() for reason in Unavailable])
def test_reason_is_explained(reason: str) -> None:
    assert f"**{reason}**" in DOCUMENT
