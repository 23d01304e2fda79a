"""`seawall status`: services and backends as they stand, and what they do, once or again and again."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from proxy.commands.admin_client import AdminClient, AdminError, connect
from proxy.commands.status_table import GAP, Table, headline, table
from proxy.commands.status_view import Status, status_of
from proxy.commands.tables import show

WELL: Final = 0
NOT_WELL: Final = 1
_STYLES: Final = {"good": "green", "bad": "bold red", "plain": "bold"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How to show it; `interval` is seconds between two looks."""

    watch: bool = False
    as_json: bool = False
    interval: float = 1.0


def status(options: Mapping[str, object], wishes: Wishes, console: Console) -> int:
    """Show it; returns the exit code. Raises AdminError, ConfigurationError."""
    client = connect(options)
    if not wishes.watch:
        before = client.overview()
        time.sleep(wishes.interval)  # rates are what changes between two looks
        seen = status_of(client.overview(), before)
        _print(console, seen, wishes, indent=2)
        return WELL if seen.is_well else NOT_WELL
    try:
        _watch(client, wishes, console)
    except KeyboardInterrupt:  # the only way to end it
        pass
    return WELL


def _watch(client: AdminClient, wishes: Wishes, console: Console) -> None:
    """Until interrupted. A proxy that is away for a while is shown as such; one that was never there is an error."""
    draws = console.is_terminal and not wishes.as_json
    live = Live(console=console, auto_refresh=False, screen=True) if draws else None
    before: Mapping[str, Any] | None = client.overview()
    entered: AbstractContextManager[object] = live if live is not None else nullcontext()
    with entered:
        while True:
            time.sleep(wishes.interval)
            try:
                now = client.overview()
            except AdminError as error:
                before = None
                _tell(console, live, Text(str(error)), wishes)
                continue
            seen, before = status_of(now, before), now
            if live is not None:
                live.update(_drawn(console, seen), refresh=True)
            else:
                _print(console, seen, wishes, indent=None)


def _tell(console: Console, live: Live | None, what: Text, wishes: Wishes) -> None:
    if live is not None:
        live.update(what, refresh=True)
    elif wishes.as_json:
        show(console, json.dumps({"error": what.plain}))
    else:
        show(console, what.plain)


def _print(console: Console, seen: Status, wishes: Wishes, indent: int | None) -> None:
    if wishes.as_json:
        show(console, json.dumps({**asdict(seen), "is_well": seen.is_well}, indent=indent))
    elif console.is_terminal:
        console.print(_drawn(console, seen))
    else:
        for line in text(seen, None):
            show(console, line)


def text(seen: Status, width: int | None) -> Iterator[str]:
    """Aligned text, as wide as it must be, or a terminal of that many columns."""
    shown = table(seen, width)
    rows = (shown.titles, *(line.cells for line in shown.lines))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield headline(seen)
    yield ""
    for row in rows:
        cells = (_aligned(shown, place)(cell, widths[place]) for place, cell in enumerate(row))
        yield (" " * GAP).join(cells).rstrip()


def _aligned(shown: Table, place: int) -> Callable[[str, int], str]:
    return str.rjust if place in shown.right else str.ljust


def _drawn(console: Console, seen: Status) -> RenderableType:
    shown = table(seen, console.width)
    drawn = RichTable(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for place, title in enumerate(shown.titles):
        drawn.add_column(title, justify="right" if place in shown.right else "left", no_wrap=True)
    for line in shown.lines:
        drawn.add_row(*(Text(cell) for cell in line.cells), style=_STYLES[line.mood])
    return Group(Text(headline(seen), style="" if seen.is_well else "bold red"), Text(), drawn)
