"""A status as text: its table in as many columns as there is room for, the least important left out first. Pure."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from proxy.commands.status_view import BackendRow, ServiceRow, Status, Traffic

GAP: Final = 2  # columns of the terminal between two of the table
_SHORTEST: Final = 8  # to which a name may be cut
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_NOTHING: Final = "-"


class Line(NamedTuple):
    """A line of the table; `mood` is good, bad, or plain."""

    cells: tuple[str, ...]
    mood: str


class Table(NamedTuple):
    """Titles and lines of the same number of cells; `right` are the places of those that are numbers."""

    titles: tuple[str, ...]
    lines: tuple[Line, ...]
    right: frozenset[int]


class _Column(NamedTuple):
    title: str
    rank: int  # 0 stays; of the others the highest is left out first
    is_number: bool
    of_service: Callable[[ServiceRow], str]
    of_backend: Callable[[BackendRow], str]


def headline(status: Status) -> str:
    """How the proxy itself stands, in one line."""
    parts = [f"seawall {status.version}"]
    parts.append("ready" if not status.missing else "NOT READY: " + ", ".join(status.missing))
    if status.connected is not None:
        parts.append("engine connected" if status.connected else "ENGINE LOST")
    parts.extend(f"{count} {decision}" for decision, count in sorted(status.containers.items()))
    if status.problems:
        parts.append(f"{status.problems} PROBLEM{'S' if status.problems > 1 else ''}: see seawall check")
    return " · ".join(parts)


def table(status: Status, width: int | None) -> Table:
    """Every service and its backends below it, for a terminal of that many columns; None: all there is."""
    columns: tuple[_Column, ...] = _COLUMNS
    while True:
        rows = _rows(status, columns)
        over = 0 if width is None else _width(columns, rows) - width
        least = max(column.rank for column in columns)
        if over <= 0 or not least:
            break
        columns = tuple(column for column in columns if column.rank != least)
    titles = tuple(column.title for column in columns)
    if over > 0:
        room = max(max(len(cells[0]) for cells in (titles, *(row.cells for row in rows))) - over, _SHORTEST)
        titles = (_cut(titles[0], room), *titles[1:])
        rows = [Line((_cut(row.cells[0], room), *row.cells[1:]), row.mood) for row in rows]
    return Table(
        titles=titles,
        lines=tuple(rows),
        right=frozenset(place for place, column in enumerate(columns) if column.is_number),
    )


def _rows(status: Status, columns: Sequence[_Column]) -> list[Line]:
    rows = []
    for service in status.services:
        mood = "plain" if service.available else "bad"
        rows.append(Line(tuple(column.of_service(service) for column in columns), mood))
        for backend in service.backends:
            mood = "good" if backend.is_available else "bad"
            rows.append(Line(tuple(column.of_backend(backend) for column in columns), mood))
    return rows


def _width(columns: Sequence[_Column], rows: Sequence[Line]) -> int:
    titles = [column.title for column in columns]
    widest = [max(map(len, cells)) for cells in zip(titles, *(row.cells for row in rows), strict=True)]
    return sum(widest) + GAP * (len(columns) - 1)


def _cut(name: str, room: int) -> str:
    return name if len(name) <= room else name[: room - 1] + "…"


def _count(number: float | None) -> str:
    if number is None:
        return _NOTHING
    return f"{number:.1f}" if number < 100 else f"{number:.0f}"


def _percent(share: float | None) -> str:
    if share is None:
        return _NOTHING
    return "0%" if share == 0 else f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    return (
        f"{seconds * 1000:.1f}ms" if seconds < 0.1 else f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.1f}s"
    )


def _age(seconds: float) -> str:
    """In the largest unit that it has two of, or in minutes and the like."""
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"


def _state(backend: BackendRow) -> str:
    return "available" if backend.is_available else backend.reason


def _traffic(title: str, rank: int, show: Callable[[Traffic], str]) -> _Column:
    return _Column(title, rank, True, lambda service: show(service.traffic), lambda backend: show(backend.traffic))


_COLUMNS: Final = (
    _Column("SERVICE / BACKEND", 0, False, lambda service: service.name, lambda backend: f"  {backend.name}"),
    _Column("STATE", 0, False, lambda service: f"{service.available} of {len(service.backends)}", _state),
    _Column("SINCE", 4, True, lambda _: "", lambda backend: _age(backend.since)),
    _Column("BUSY", 3, True, lambda service: str(service.in_flight), lambda backend: str(backend.in_flight)),
    _traffic("REQ/S", 1, lambda traffic: _count(traffic.rate)),
    _traffic("ERRORS", 2, lambda traffic: _percent(traffic.error_share)),
    _traffic("P50", 6, lambda traffic: _milliseconds(traffic.p50)),
    _traffic("P99", 5, lambda traffic: _milliseconds(traffic.p99)),
    _Column("CIRCUIT", 7, False, lambda _: "", lambda backend: backend.circuit),
    _Column("LAST PROBE", 8, False, lambda _: "", lambda backend: backend.last_probe or _NOTHING),
)
