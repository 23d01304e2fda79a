"""Where the shipped files name metrics, and which names there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from proxy.admin.exposition import PREFIX
from proxy.admin.metrics import FAMILIES

ROOT: Final = Path(__file__).resolve().parents[2]
ALERTS: Final = ROOT / "config" / "alerts.yml"
DASHBOARD: Final = ROOT / "config" / "grafana" / "dashboards" / "seawall.json"
DOCUMENT: Final = ROOT / "docs" / "metrics.md"

AWAITED: Final[frozenset[str]] = frozenset()
"""Named by alerts and panels that are ready for them. Whoever exports one takes it out here: a test says so."""

_NAME: Final = re.compile(rf"\b{PREFIX}\w+")
_PROMQL: Final = re.compile(r"```promql\n(.*?)```", re.DOTALL)
_SUFFIXES: Final = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def exported() -> set[str]:
    """The names of all samples that a scrape can have."""
    return {PREFIX + family.name + suffix for family in FAMILIES for suffix in _SUFFIXES[family.type]}


def names_in(expression: str) -> set[str]:
    """The names of ours in an expression."""
    return set(_NAME.findall(expression))


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those in collapsed rows too."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def of_dashboard() -> dict[str, str]:
    """The expressions of the dashboard by where they stand, with Grafana's variables filled in."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels(dashboard)
        for target in panel.get("targets", ())
    }
    variables = {variable["name"]: variable["query"]["query"] for variable in dashboard["templating"]["list"]}
    return {where: filled(text) for where, text in {**found, **variables}.items()}


def filled(expression: str) -> str:
    """As Grafana sends it to Prometheus: everything selected, half a minute between points."""
    asked = re.fullmatch(r"label_values\((.*), \w+\)", expression)
    text = asked[1] if asked else expression
    return text.replace("$__rate_interval", "1m").replace("$service", ".*").replace("$instance", ".*")


def of_document() -> dict[str, str]:
    """The expressions that docs/metrics.md shows, by the question above each."""
    (block,) = _PROMQL.findall(DOCUMENT.read_text())
    found = {}
    for paragraph in block.strip().split("\n\n"):
        question, _, expression = paragraph.partition("\n")
        found[question.removeprefix("# ")] = expression
    return found
