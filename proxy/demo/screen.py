"""What the demo prints once a second: a table that stays in its place on a terminal, lines anywhere else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from proxy.demo.figures import BackendFigures
from proxy.demo.load import Tally

COLUMNS: Final = ("BACKEND", "STATE", "REQUESTS", "IN FLIGHT", "FAILED", "5XX", "P50", "P99")


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """One second of the demo. `repeated_so_far`: attempts that failed at a backend and that clients did not notice."""

    number: int
    backends: Sequence[BackendFigures]
    clients: Tally  # in this second
    clients_so_far: Tally
    repeated_so_far: int


class Screen:
    """Prints while entered."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str = "") -> None:
        """A line that stays."""
        self._console.print(line, soft_wrap=True)

    def show(self, second: Second) -> None:
        """The figures of one second."""
        if self._live is not None:
            self._live.update(Group(_table(second), Text(), _clients(second), _so_far(second)), refresh=True)
            return
        self.say(f"{second.number:>4} s  {_clients(second)}; {_so_far(second)}")
        for backend in second.backends:
            self.say(f"        {_line(backend)}")


def _table(second: Second) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in COLUMNS:
        table.add_column(title, justify="left" if title in COLUMNS[:2] else "right", no_wrap=True)
    for backend in second.backends:
        style = "yellow" if backend.failures or backend.state != "available" else ""
        table.add_row(*_cells(backend), style=style)
    return table


def _cells(backend: BackendFigures) -> tuple[str, ...]:
    counts = (backend.requests, backend.in_flight, backend.failures, backend.errors)
    return (backend.name, backend.state, *map(str, counts), _time(backend.p50), _time(backend.p99))


def _line(backend: BackendFigures) -> str:
    counts = (
        f"{backend.requests:>4} requests  {backend.in_flight:>3} in flight  {backend.failures:>3} failed  "
        f"{backend.errors:>3} 5xx"
    )
    return f"{backend.name:<8} {backend.state:<10} {counts}  p50 {_time(backend.p50):<8} p99 {_time(backend.p99)}"


def _clients(second: Second) -> Text:
    now = second.clients
    line = Text(f"clients: {now.total} requests, ")
    line.append(f"{now.failed} failed", "bold red" if now.failed else "green")
    return line


def _so_far(second: Second) -> Text:
    so_far = second.clients_so_far
    line = Text(f"so far: {so_far.total} requests, ")
    line.append(f"{so_far.failed} failed", "bold red" if so_far.failed else "bold green")
    line.append(f"; attempts repeated: {second.repeated_so_far}; 5xx by a backend itself: {so_far.errors}")
    return line


def _time(seconds: float | None) -> str:
    """A bound: the bucket says no more."""
    if seconds is None:
        return "-"
    if math.isinf(seconds):
        return "> 10s"
    return f"≤ {seconds:g}s" if seconds >= 1 else f"≤ {seconds * 1000:g}ms"
