"""What the pages say of literal points."""

from pathlib import Path

import pytest

from benchmarks.policies.curves import Point
from benchmarks.policies.estimates import Estimate, Figures
from benchmarks.policies.pages import draw_all, real_section, simulated_section
from benchmarks.policies.real import Outcome, RealRun, read_run
from benchmarks.policies.scenarios import SCENARIOS
from benchmarks.rig import drawing


def point(scenario: str, policy: str, load: float, p99: float = 9.0) -> Point:
    figures = Figures(mean=Estimate(2.0, 0.1), p50=Estimate(1.25, 0.1), p99=Estimate(p99, 0.5))
    return Point(scenario=scenario, policy=policy, load=load, requests=10_000, figures=figures, shares=[0.25] * 4)


def outcome(failed: int = 0) -> Outcome:
    return Outcome(
        scenario="equal",
        load=0.7,
        variant="random",
        requests=100,
        failed=failed,
        mean=30.0,
        p50=21.0,
        p99=90.0,
        simulated_mean=[28.0, 29.0, 31.0],
        simulated_p50=[19.0, 20.0, 22.0],
        simulated_p99=[80.0, 85.0, 95.0],
        late_p99=1.5,
    )


def test_point_stands_beside_its_formula() -> None:
    text = simulated_section([point("equal", "random", 0.5)])

    assert "1.25 / 9 (±0.5)" in text
    assert "1.39 / 9.21 M/M/1" in text


def test_policy_without_a_steady_state_is_said_to_have_none() -> None:
    (row,) = [
        line
        for line in simulated_section([point("slow", "least-connections", 0.5)]).splitlines()
        if line.startswith("| One of four") and " 0.5 " in line
    ]

    assert row.count("grows without end") == 2


def test_real_figures_stand_beside_the_simulated_ones_of_the_same_requests() -> None:
    text = real_section(RealRun(machine={"cpu": "x"}, seconds=60.0, outcomes=[outcome()]))

    assert "90.0" in text
    assert "85.0 (80.0-95.0)" in text


def test_real_run_survives_json(tmp_path: Path) -> None:
    run = RealRun(machine={"cpu": "x"}, seconds=60.0, outcomes=[outcome(), outcome(failed=1)])
    path = tmp_path / "run.json"
    path.write_text(run.to_json())

    assert read_run(path) == run


def test_every_plot_that_the_page_shows_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "PLOTS", tmp_path / "plots")
    points = [point(scenario.name, "random", load) for scenario in SCENARIOS for load in (0.05, 0.1)]

    draw_all(points)

    text = simulated_section(points)
    drawn = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert len(drawn) == 2 * len(SCENARIOS)
    assert all(f"(plots/{name})" in text for name in drawn)
