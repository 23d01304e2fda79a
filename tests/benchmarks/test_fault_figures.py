"""From records and sightings to figures, and from figures to where Seawall is behind."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults.figures import (
    Cell,
    Results,
    Sighting,
    Window,
    behind,
    cell_of,
    read_results,
    seen_twice,
    sightings_of,
)
from tests.support.load import Record

WINDOW = Window(begin=9, fault=10)


def record(due: float, *, method: str = "GET", latency: float = 0.01, status: int = 200, backend: str = "b") -> Record:
    return Record(method=method, id=f"{method}-{due:g}", due=due, latency=latency, status=status, backend=backend)


def sighting(seen: Record, backend: str = "a") -> Sighting:
    return Sighting(backend=backend, method=seen.method, id=seen.id)


def cell(peer: str = "seawall", fault: str = "kill", **figures: Any) -> Cell:
    found = cell_of(peer, fault, [record(10)], [], WINDOW, bad="a")
    return replace(found, **figures)


def results(*cells: Cell) -> Results:
    return Results(
        machine={"cpu": "one"},
        versions={"seawall": "1.0"},
        rate=150,
        seconds=6,
        patience=5,
        side_by_side=3,
        cells=list(cells),
        failures=[],
        absent=[],
    )


# a cell


def test_requests_before_the_window_are_not_counted() -> None:
    found = cell_of("nginx", "kill", [record(8, status=500), record(9), record(11)], [], WINDOW, bad="a")

    assert (found.requests, found.failures) == (2, 0)


def test_failures_are_told_apart_by_method_and_kind() -> None:
    records = [record(10, status=502), record(11, status=502), record(12, method="POST", status=504)]

    assert cell_of("nginx", "kill", records, [], WINDOW, bad="a").failed == {"GET 502": 2, "POST 504": 1}


def test_slow_failure_is_one_complaint() -> None:
    records = [record(10, status=504, latency=2), record(11, latency=1.5), record(12)]

    found = cell_of("nginx", "kill", records, [], WINDOW, bad="a")

    assert (found.failures, found.slow, found.complaints) == (1, 2, 2)


def test_last_harm_is_when_the_last_bad_request_was_due() -> None:
    records = [record(10.5, status=502), record(12.25, latency=3), record(14)]

    assert cell_of("nginx", "kill", records, [], WINDOW, bad="a").harm_s == 2.25


def test_request_in_flight_when_the_fault_began_is_harm_at_0_s() -> None:
    assert cell_of("nginx", "kill", [record(9.99, status=502)], [], WINDOW, bad="a").harm_s == 0


def test_no_harm_has_no_time() -> None:
    assert cell_of("nginx", "kill", [record(10)], [], WINDOW, bad="a").harm_s is None


def test_last_request_to_the_bad_one_is_the_last_that_its_log_has() -> None:
    records = [record(10.5), record(11.5), record(13)]
    sightings = [sighting(records[0]), sighting(records[1]), sighting(records[2], "b")]

    found = cell_of("nginx", "kill", records, sightings, WINDOW, bad="a")

    assert (found.reached, found.reached_s) == (2, 1.5)


def test_what_reaches_the_bad_one_after_the_end_is_not_held_against_the_proxy() -> None:
    records = [record(10.5), record(15)]
    sightings = [sighting(each) for each in records]

    found = cell_of("nginx", "pause", records, sightings, replace(WINDOW, end=14), bad="a")

    assert found.reached_s == 0.5


def test_it_is_back_when_it_answers_what_was_due_after_the_end() -> None:
    records = [record(13, latency=2, backend="a"), record(15.5, backend="a"), record(16, backend="a")]

    assert cell_of("nginx", "pause", records, [], replace(WINDOW, end=14), bad="a").back_s == 1.5


def test_one_that_nobody_asks_again_is_not_back() -> None:
    assert cell_of("nginx", "pause", [record(15)], [], replace(WINDOW, end=14), bad="a").back_s is None


def test_fault_of_all_has_no_bad_one() -> None:
    seen = record(11)

    found = cell_of("nginx", "all-errors", [seen], [sighting(seen)], WINDOW, bad=None)

    assert (found.reached_s, found.back_s) == (None, None)


# repeated requests


def test_request_seen_by_two_backends_is_counted_once_per_method() -> None:
    get, post, once = record(10), record(11, method="POST"), record(12, method="POST")
    sightings = [sighting(get), sighting(get, "b"), sighting(post), sighting(post, "b"), sighting(post), sighting(once)]

    assert seen_twice(sightings, {get.id, post.id, once.id}) == {"GET": 1, "POST": 1}


def test_repeated_request_of_before_the_window_is_not_counted() -> None:
    early = record(8, method="POST")

    found = cell_of("nginx", "kill", [early, record(10)], [sighting(early), sighting(early, "b")], WINDOW, bad="a")

    assert found.twice_post == 0


def test_sightings_are_requests_with_an_id() -> None:
    logs: Mapping[str, list[Mapping[str, object]]] = {
        "a": [
            {"event": "listening", "at": 1.0},
            {"event": "request", "method": "GET", "id": None},
            {"event": "request", "method": "POST", "id": "7"},
        ]
    }

    assert sightings_of(logs) == [Sighting(backend="a", method="POST", id="7")]


# comparisons


@pytest.mark.parametrize(
    ("ours", "theirs", "what"),
    [
        pytest.param({"failed": {"GET 502": 2}}, {"failed": {}}, "failed 2, 0 there", id="more requests failed"),
        pytest.param({"slow": 3}, {"slow": 1}, "over 1 s 3, 1 there", id="more took over a second"),
        pytest.param({"twice_post": 1}, {"twice_post": 0}, "POSTs twice 1, 0 there", id="a POST was sent twice"),
        pytest.param({"p99_ms": 100.0}, {"p99_ms": 60.0}, "p99 100 ms, 60 ms there", id="its p99 is clearly higher"),
    ],
)
def test_worse_figure_is_said(ours: Mapping[str, Any], theirs: Mapping[str, Any], what: str) -> None:
    lines = behind(results(cell(**ours), cell("nginx", **theirs)))

    assert lines == [f"kill: seawall is behind nginx: {what}"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param({"p99_ms": 31.0}, {"p99_ms": 12.0}, id="a p99 that is higher by less than 20 ms"),
        pytest.param({"p99_ms": 1100.0}, {"p99_ms": 1000.0}, id="a p99 that is higher by less than a quarter"),
        pytest.param({"failed": {"GET 500": 451}}, {"failed": {"GET 500": 450}}, id="one more where everything fails"),
        pytest.param({"slow": 1}, {"slow": 9}, id="a better figure"),
    ],
)
def test_figure_that_is_not_worse_is_not_said(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    assert behind(results(cell(**ours), cell("nginx", **theirs))) == []


def test_tuned_is_compared_with_tuned() -> None:
    cells = (
        *(cell("seawall", slow=5), cell("seawall-tuned", slow=1)),
        *(cell("nginx", slow=9), cell("nginx-tuned", slow=0)),
    )

    assert behind(results(*cells)) == ["kill: seawall-tuned is behind nginx-tuned: over 1 s 1, 0 there"]


def test_results_survive_json(tmp_path: Path) -> None:
    measured = results(cell(failed={"GET 502": 2}), cell("nginx", back_s=1.5))
    path = tmp_path / "faults.json"
    path.write_text(measured.to_json())

    assert read_results(path) == measured
