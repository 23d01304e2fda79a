"""What was found, as plots and Markdown: nothing here measures."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from benchmarks.policies.curves import Point
from benchmarks.policies.estimates import Estimate
from benchmarks.policies.predictions import Prediction, predict
from benchmarks.policies.real import SERVICE_TIME, RealRun
from benchmarks.policies.scenarios import BY_NAME, SCENARIOS, Scenario, Work
from benchmarks.rig.drawing import Curve, draw_curves
from benchmarks.rig.report import aligned
from proxy.spec.service import PolicyName

ROWS: Final = (
    *(("equal", 0.5), ("equal", 0.8), ("deterministic", 0.8), ("heavy", 0.5), ("slow", 0.1), ("slow", 0.5)),
    *(("uneven", 0.4), ("uneven", 0.8), ("weighted", 0.4), ("weighted", 0.8), ("bursts", 0.5), ("bursts", 0.8)),
)
NO_STEADY_STATE: Final = "grows without end"
_IN_WORDS: Final = {"mean": "mean", "p50": "median", "p99": "99th percentile"}


def figures_drawn(scenario: Scenario) -> tuple[str, str]:
    """Where theory knows the mean only, the mean takes the place of the median."""
    return ("p50" if scenario.work is Work.EXPONENTIAL else "mean", "p99")


def draw_all(points: Sequence[Point]) -> None:
    """Two plots of every scenario, with what theory says."""
    for scenario in SCENARIOS:
        for figure in figures_drawn(scenario):
            measured = _curves(points, scenario, figure)
            theory = _theory(scenario, figure)
            draw_curves(
                _plot_name(scenario, figure),
                title=f"{scenario.title}: {_IN_WORDS[figure]}",
                x="load, as a share of what all servers can carry",
                y="service times",
                curves=measured | theory,
                log_y=True,
                dashed=frozenset(theory),
            )


def simulated_section(points: Sequence[Point]) -> str:
    """What the README says of the simulation."""
    lines = [
        "In service times, p50 / p99 (± half of the 95 % interval of p99); below it what a formula says, if any:",
        "",
        *_table_of_points(points),
        "",
        "The load from which on some queue grows without end, as a share of what all servers together can carry:",
        "",
        *_table_of_ceilings(),
        "",
    ]
    for scenario in SCENARIOS:
        images = [f"![{figure}](plots/{_plot_name(scenario, figure)}.svg)" for figure in figures_drawn(scenario)]
        lines += [f"**{scenario.title}**", "", "| | |", "|---|---|", f"| {' | '.join(images)} |", ""]
    return "\n".join(lines)


def real_section(run: RealRun) -> str:
    """What the README says of real processes: milliseconds, the simulated ones of the same requests beside them."""
    head = (
        "case",
        "load",
        "variant",
        "requests",
        "failed",
        "p50 ms",
        "simulated",
        "p99 ms",
        "simulated",
        "late p99 ms",
    )
    rows = [
        (
            *(one.scenario, f"{one.load:g}", one.variant, str(one.requests), str(one.failed)),
            *(f"{one.p50:.1f}", _span(one.simulated_p50), f"{one.p99:.1f}", _span(one.simulated_p99)),
            f"{one.late_p99:.1f}",
        )
        for one in run.outcomes
    ]
    lines = [f"- {key}: {value}" for key, value in run.machine.items()]
    lines.append(
        f"- {run.seconds:g} s a case, a service time is {SERVICE_TIME * 1000:g} ms; simulated: median (least to"
    )
    lines += ["  greatest) of the same requests with other chances of the policy", "", *aligned([head, *rows]), ""]
    return "\n".join(lines)


def _curves(points: Iterable[Point], scenario: Scenario, figure: str) -> dict[str, Curve]:
    curves: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        if point.scenario == scenario.name:
            estimate: Estimate = getattr(point.figures, figure)
            curves.setdefault(point.policy, []).append((point.load, estimate.value))
    return dict(curves)


def _theory(scenario: Scenario, figure: str) -> dict[str, Curve]:
    """Curves of formulas; one for two policies, where they are proven to do the same."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for policy in PolicyName:
        for load in scenario.loads:
            prediction = predict(scenario, policy, load)
            value: float | None = getattr(prediction, figure, None)
            if prediction is not None and value is not None:
                curves.setdefault(f"{policy.value}, {prediction.model}", []).append((load, value))
    return dict(curves)


def _table_of_points(points: Iterable[Point]) -> list[str]:
    by_key = {(point.scenario, point.policy, point.load): point for point in points}
    policies = tuple(PolicyName)
    rows = [("scenario", "load", *(policy.value for policy in policies))]
    for name, load in ROWS:
        cells = [_cell(by_key.get((name, policy.value, load))) for policy in policies]
        rows.append((BY_NAME[name].title, f"{load:g}", *cells))
        exact = [_exact_cell(predict(BY_NAME[name], policy, load)) for policy in policies]
        if any(exact):
            rows.append(("theory", "", *exact))
    return aligned(rows)


def _cell(point: Point | None) -> str:
    if point is None:
        return NO_STEADY_STATE
    p50, p99 = point.figures.p50, point.figures.p99
    return f"{p50.value:.2f} / {p99.value:.3g} (±{p99.half_width:.2g})"


def _exact_cell(prediction: Prediction | None) -> str:
    if prediction is None:
        return ""
    if prediction.p50 is None or prediction.p99 is None:
        return f"{prediction.model} {prediction.mean:.3g}"
    relation = "≥ " if prediction.is_bound else ""
    return f"{relation}{prediction.p50:.2f} / {prediction.p99:.3g} {prediction.model}"


def _table_of_ceilings() -> list[str]:
    policies = tuple(PolicyName)
    rows = [("scenario", *(policy.value for policy in policies))]
    rows += [(each.title, *(f"{each.ceiling(policy):.0%}" for policy in policies)) for each in SCENARIOS]
    return aligned(rows)


def _span(draws: list[float]) -> str:
    return f"{median(draws):.1f} ({draws[0]:.1f}-{draws[-1]:.1f})"


def _plot_name(scenario: Scenario, figure: str) -> str:
    return f"policies-{scenario.name}-{figure}"
