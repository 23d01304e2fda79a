"""Families of figures written in Prometheus' text format or OpenMetrics, which differ in the heads of counters.

The library's encoders take 4 µs a sample, this one 0.8 (benchmarks/scrape_cost.py), and while it works it takes turns
with the requests: so the labels of a series are put together once, and a histogram is one text. A test holds it to what
the library writes, byte for byte. Only texts are kept, since a garbage collection over an object for each of 600 000
samples would stop every request for 80 ms.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from prometheus_client.utils import floatToGoString

from proxy.admin.figures import Durations, Figures
from proxy.fleet.statistics import BOUNDS

PREFIX: Final = "seawall_"
_BOUNDS: Final = (*map(floatToGoString, BOUNDS), "+Inf")
_EXPONENT: Final = 1_000_000  # numbers are written with one from here on

Labels: TypeAlias = tuple[str, ...]
Series: TypeAlias = Iterable[tuple[Labels, float | Durations]]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name without prefix and without a counter's `_total`, and how to find its series."""

    name: str
    type: str  # counter, gauge or histogram
    labels: Labels
    meaning: str  # needs no escaping
    series: Callable[[Figures], Series]


def expose(families: Sequence[Family], figures: Figures, *, openmetrics: bool) -> bytes:
    """Every family, also those without a series yet."""
    parts: list[str] = []
    for family in families:
        parts.append(_head(family, openmetrics))
        parts.extend(_lines(family, figures))
    if openmetrics:
        parts.append("# EOF\n")
    return "".join(parts).encode()


def _head(family: Family, openmetrics: bool) -> str:
    """OpenMetrics speaks of a counter without its suffix."""
    name = PREFIX + family.name + ("_total" if family.type == "counter" and not openmetrics else "")
    return f"# HELP {name} {family.meaning}\n# TYPE {name} {family.type}\n"


def _lines(family: Family, figures: Figures) -> Iterator[str]:
    """One text for each series, of several lines for a histogram."""
    name = PREFIX + family.name + ("_total" if family.type == "counter" else "")
    order = sorted((label, index) for index, label in enumerate(family.labels))
    for values, figure in family.series(figures):
        labels = [_label(label, values[index]) for label, index in order]
        if isinstance(figure, Durations):
            yield _histogram(name, labels, figure)
        else:
            yield f"{name}{_braced(labels)} {_number(figure)}\n"


def _histogram(name: str, labels: list[str], durations: Durations) -> str:
    """Prometheus' buckets are cumulative, ours are not. Their bound stands among the other labels by its name."""
    before = "".join([f"{label}," for label in labels if label < "le"])
    after = "".join([f",{label}" for label in labels if label > "le"])
    lines = []
    below = 0
    for bound, count in zip(_BOUNDS, durations.counts, strict=True):
        below += count
        lines.append(f'{name}_bucket{{{before}le="{bound}"{after}}} {_number(below)}\n')
    braced = _braced(labels)
    lines.append(f"{name}_count{braced} {_number(below)}\n{name}_sum{braced} {_number(durations.total)}\n")
    return "".join(lines)


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return f'{name}="{escaped}"'


def _braced(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _number(value: float) -> str:
    """Most are small counts, which need no look at the form of a float."""
    if type(value) is int and 0 <= value < _EXPONENT:
        return f"{value}.0"
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # of the library
