"""Plots: what they show, and that they change only when the figures do."""

from pathlib import Path

import pytest

from benchmarks.rig import drawing


@pytest.fixture(autouse=True)
def plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(drawing, "PLOTS", tmp_path / "plots")
    return tmp_path / "plots"


def _draw(last: float) -> bytes:
    curves = {"seawall": [(1.0, 2.0), (10.0, last)], "theory": [(1.0, 1.0), (10.0, 3.0)]}
    path = drawing.draw_curves(
        "cost", title="Cost", x="backends", y="µs", curves=curves, log_x=True, dashed=frozenset({"theory"})
    )
    return path.read_bytes()


def test_curves_drawn_twice_give_the_same_file() -> None:
    assert _draw(4.0) == _draw(4.0)


def test_curves_of_other_figures_give_another_file() -> None:
    assert _draw(4.0) != _draw(5.0)


def test_each_curve_is_named_in_its_own_colour() -> None:
    text = _draw(4.0).decode()
    assert ">seawall<" in text
    assert ">theory<" in text
    assert drawing.COLOURS["seawall"] in text


def test_bars_are_named_by_proxy_and_by_group(plots: Path) -> None:
    drawing.draw_bars("lost", title="Lost", y="requests", groups=["killed", "paused"], bars={"nginx": [3, 0]})
    text = (plots / "lost.svg").read_text()
    assert all(f">{word}<" in text for word in ("killed", "paused", "nginx"))
