"""Where does Seawall stand? Every figure beside the best of the others, ahead or behind: nothing can be left out.

What is written is decided by the figures alone. A question that no run has answered is a line, too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from benchmarks.rig.report import aligned

OURS: Final = "seawall"
NOISE: Final = 0.02  # medians this near to each other are level


class Verdict(Enum):
    """Of a line, as it is printed."""

    AHEAD = "**ahead**"
    LEVEL = "**level**"
    BEHIND = "**behind**"
    ALONE = "nobody to compare with"
    UNKNOWN = "not measured yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One question and everybody's figure for it; without Seawall's figure it has not been measured."""

    question: str
    unit: str = ""
    figures: Mapping[str, float]
    is_less_better: bool = False

    @property
    def best(self) -> str | None:
        """The name of the best of the others; the first of equals."""
        others = {peer: figure for peer, figure in self.figures.items() if peer != OURS}
        if not others:
            return None
        return (min if self.is_less_better else max)(others, key=lambda peer: others[peer])

    @property
    def ratio(self) -> float | None:
        """Seawall's figure as a multiple of the best other one; above 1 is better, whatever is counted."""
        if self.best is None or OURS not in self.figures:
            return None
        ours, theirs = self.figures[OURS], self.figures[self.best]
        above, below = (theirs, ours) if self.is_less_better else (ours, theirs)
        return above / below if below else None

    @property
    def verdict(self) -> Verdict:
        """What the figures say."""
        if OURS not in self.figures:
            return Verdict.UNKNOWN
        if self.ratio is None:
            return Verdict.ALONE
        if self.ratio > 1 + NOISE:
            return Verdict.AHEAD
        return Verdict.BEHIND if self.ratio < 1 / (1 + NOISE) else Verdict.LEVEL


def behind(lines: Iterable[Line]) -> list[Line]:
    """Those in which another proxy is better."""
    return [line for line in lines if line.verdict is Verdict.BEHIND]


def summary(lines: list[Line]) -> str:
    """The table, and below it in words what is behind."""
    head = ("", "seawall", "the best other", "seawall is", "times as good")
    text = "\n".join(aligned([head, *(_cells(line) for line in lines)])) + "\n"
    counts = ", ".join(
        f"{sum(line.verdict is verdict for line in lines)} {verdict.value}"
        for verdict in Verdict
        if any(line.verdict is verdict for line in lines)
    )
    worse = [f"- {line.question}: {_percent(line)} behind {line.best}" for line in behind(lines)]
    told = ["", "Where Seawall is **behind**:", "", *worse] if worse else ["", "Seawall is behind in no line."]
    return text + "\n".join(["", f"Of {len(lines)} lines: {counts}.", *told]) + "\n"


def _percent(line: Line) -> str:
    assert line.ratio is not None
    return f"{line.ratio:.2f} times as good, {1 - line.ratio:.0%}"


def _cells(line: Line) -> tuple[str, ...]:
    ours, best = line.figures.get(OURS), line.best
    return (
        line.question,
        "" if ours is None else _figure(ours, line.unit),
        "" if best is None else f"{best}, {_figure(line.figures[best], line.unit)}",
        line.verdict.value,
        "" if line.ratio is None else f"{line.ratio:.2f}",
    )


def _figure(value: float, unit: str) -> str:
    """Three digits or more."""
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {unit}".rstrip()
