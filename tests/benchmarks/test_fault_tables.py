"""What a run of the fault matrix says in Markdown, and that every fault and figure is explained."""

from pathlib import Path

import pytest

from benchmarks.faults import tables
from benchmarks.faults.faults import FAULTS, Fault
from benchmarks.faults.peers import VARIANTS
from benchmarks.rig import drawing
from tests.benchmarks.test_fault_figures import cell, results


def test_overview_has_a_row_per_fault_and_a_column_per_peer() -> None:
    text = tables.overview(results(cell(), cell("nginx", failed={"GET 502": 1}, slow=2, p99_ms=61.4, requests=900)))

    assert "| failed / over 1 s / p99 ms | seawall    | nginx      |" in text
    assert "| SIGKILL of one             | 0 / 0 / 10 | 1 / 2 / 61 |" in text


def test_cell_that_many_clients_noticed_is_bold() -> None:
    text = tables.overview(results(cell(failed={"GET 502": 9}, complaints=9, requests=800)))

    assert "**9 / 0 / 10**" in text


def test_repeated_post_is_bold_whatever_else() -> None:
    assert "**0 / 0 / 10, 1 POST twice**" in tables.overview(results(cell(twice_post=1)))


def test_cell_that_was_not_run_says_so() -> None:
    text = tables.overview(results(cell(), cell("nginx", "pause")))

    assert "not run" in text


def test_being_behind_is_said_below_the_table() -> None:
    text = tables.overview(results(cell(slow=1), cell("nginx")))

    assert text.endswith("**Where Seawall is behind a peer**\n\n- kill: seawall is behind nginx: over 1 s 1, 0 there\n")


def test_being_behind_in_nothing_is_said_too() -> None:
    assert tables.overview(results(cell())).endswith("- in no figure of this run\n")


def test_details_have_every_figure_of_a_cell() -> None:
    text = tables.details(results(cell("nginx", failed={"GET 502": 2, "POST 504": 1}, harm_s=2.25, back_s=1.5)))

    assert "### kill: SIGKILL of one" in text
    assert "| 2.2          | 1.5           | 2 GET 502, 1 POST 504 |" in text


def test_absent_peer_is_named() -> None:
    absent = results(cell())
    absent.absent.append("traefik")

    assert "- not measured, because not installed: traefik" in tables.overview(absent)


def test_plots_are_of_defaults_and_of_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "PLOTS", tmp_path)

    paths = tables.draw(results(cell(), cell("nginx"), cell("nginx-tuned")))

    assert [path.name for path in paths] == ["faults-defaults.svg", "faults-tuned.svg"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_page_tells_what_each_fault_is(fault: Fault) -> None:

    assert f"| `{fault.name}` |" in tables.PAGE.read_text()


@pytest.mark.parametrize("program", dict.fromkeys(each.program for each in VARIANTS))
def test_page_tells_what_each_configuration_does(program: str) -> None:
    assert f"| {program} |" in tables.PAGE.read_text()
