"""What `check` prints: tables drawn on a terminal, aligned text in a file or a pipe, where lines are never cut."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from proxy.admin.settings import settings_document
from proxy.fleet.routes import RouteEntry
from proxy.spec.config import Resolved
from proxy.spec.container import ContainerReport, Decision
from proxy.spec.service import BackendSpec

_ORDER: Final = (Decision.ROUTED, Decision.PROBLEM, Decision.IGNORED)
_SHARES: Final = frozenset(("access-log-sample", "trace-sample"))  # numbers that are no durations
_NOTHING: Final = {"access-log": "off"}  # as it is written; else none
_STYLES: Final = {Decision.ROUTED.value: "green", Decision.PROBLEM.value: "bold red", Decision.IGNORED.value: "dim"}


def make_console() -> Console:
    """On stdout; nothing in what is printed is taken for markup."""
    return Console(markup=False, highlight=False, emoji=False)


def show(console: Console, line: str = "") -> None:
    """One line of text, wrapped by the terminal only."""
    console.print(line, soft_wrap=True)


def show_settings(console: Console, resolved: Resolved) -> None:
    """Every setting with its value and where that came from; durations in seconds, secrets hidden."""
    rows = []
    for key, entry in settings_document(resolved).items():
        if key != "default":
            value = f"{entry['value']:g}" if key in _SHARES else _shown(entry["value"], _NOTHING.get(key, "none"))
            rows.append((key, value, entry["origin"]))
            continue
        defaults: Mapping[str, Any] = entry["value"]
        rows.extend((f"default {name}", each["value"], each["origin"]) for name, each in sorted(defaults.items()))
    _show_table(console, ("SETTING", "VALUE", "FROM"), rows)


def show_containers(console: Console, reports: Iterable[ContainerReport]) -> None:
    """Every container, those that are routed first."""
    ordered = sorted(reports, key=lambda report: (_ORDER.index(report.decision), report.container.name))
    rows = [(report.container.name, report.decision.value, report.reason) for report in ordered]
    _show_table(console, ("CONTAINER", "DECISION", "WHY"), rows)


def show_routes(console: Console, entries: Iterable[RouteEntry], backends: Iterable[BackendSpec]) -> None:
    """The routes, the first that holds wins; and the backends behind each."""
    names: dict[str, list[str]] = {}
    for backend in backends:
        names.setdefault(backend.service, []).append(backend.name)
    rows = [(entry.text, entry.service, ", ".join(names.get(entry.service, ()))) for entry in entries]
    _show_table(console, ("ROUTE", "SERVICE", "BACKENDS"), rows)


def _shown(value: Any, nothing: str) -> str:
    if value is None or value == []:
        return nothing
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}s"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _show_table(console: Console, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if console.is_terminal:
        table = Table(*titles, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*row, style=_STYLES.get(row[1]))
        console.print(table)
    else:
        widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        for row in (titles, *rows):
            show(console, "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    show(console)
