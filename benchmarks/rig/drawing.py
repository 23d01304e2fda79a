"""Plots as SVG files beside the README: curves and bars, each proxy in its own colour in all of them.

The same figures give the same file, byte for byte, so that a commit shows what has changed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

PLOTS: Final = Path(__file__).parents[1] / "plots"
SIZE: Final = (7.5, 4.2)  # inches
COLOURS: Final = {
    "seawall": "#0b7285",
    "nginx": "#2b8a3e",
    "haproxy": "#5f3dc4",
    "envoy": "#c2255c",
    "caddy": "#1971c2",
    "traefik": "#e67700",
    "aiohttp": "#868e96",
    "random": "#868e96",
    "round-robin": "#e67700",
    "least-connections": "#0b7285",
}
OTHER_COLOURS: Final = ("#0b7285", "#e67700", "#5f3dc4", "#2b8a3e", "#c2255c", "#1971c2", "#868e96", "#212529")

Curve = Sequence[tuple[float, float]]  # points, x ascending


def draw_curves(
    name: str,
    *,
    title: str,
    x: str,
    y: str,
    curves: Mapping[str, Curve],
    log_x: bool = False,
    log_y: bool = False,
    dashed: frozenset[str] = frozenset(),
) -> Path:
    """Write plots/NAME.svg: one line per entry of `curves`; those in `dashed` (a theory, a bound) have no marks."""
    figure, axes = _begin(title, x, y)
    for number, (label, points) in enumerate(curves.items()):
        style = "--" if label in dashed else "o-"
        axes.plot(*zip(*points, strict=True), style, label=label, color=_colour(label, number), markersize=3.5)
    if log_x:
        axes.set_xscale("log")
        _write_plainly(axes.xaxis)
    if log_y:
        axes.set_yscale("log")
        _write_plainly(axes.yaxis)
    else:
        axes.set_ylim(bottom=0)
    return _finish(figure, axes, name)


def draw_bars(
    name: str, *, title: str, y: str, groups: Sequence[str], bars: Mapping[str, Sequence[float]], log_y: bool = False
) -> Path:
    """Write plots/NAME.svg: in each group one bar per entry of `bars`; its heights are in the order of `groups`."""
    figure, axes = _begin(title, "", y)
    width = 0.8 / len(bars)
    for number, (label, heights) in enumerate(bars.items()):
        places = [group + (number - (len(bars) - 1) / 2) * width for group in range(len(groups))]
        axes.bar(places, heights, width, label=label, color=_colour(label, number))
    axes.set_xticks(range(len(groups)), groups)
    if log_y:
        axes.set_yscale("log")
        _write_plainly(axes.yaxis)
    return _finish(figure, axes, name)


def _begin(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, color="#e9ecef", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _write_plainly(axis: Axis) -> None:
    """0.5, 20, 1000 on a logarithmic scale, not powers of ten."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _finish(figure: Figure, axes: Axes, name: str) -> Path:
    axes.legend(frameon=False, fontsize=8)
    PLOTS.mkdir(exist_ok=True)
    path = PLOTS / f"{name}.svg"
    with mpl.rc_context({"svg.hashsalt": "seawall", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    return path


def _colour(label: str, number: int) -> str:
    """Of what the label names up to its first comma: `random, M/M/1` is of the colour of `random`."""
    return COLOURS.get(label.partition(",")[0], OTHER_COLOURS[number % len(OTHER_COLOURS)])
