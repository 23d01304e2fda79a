"""Medians, ratios within a round, remarks and the guard, from literal samples."""

import re
from pathlib import Path

import pytest

from benchmarks.rig.cases import CASES
from benchmarks.rig.delivery import replace_section
from benchmarks.rig.report import Results, Sample, case_table, errors_in, missed_bars, read_results, rows_of


def sample(
    peer: str,
    number: int,
    rate: float,
    *,
    cpu_us: float = 10.0,
    proxy_share: float = 0.99,
    others_share: float = 0.0,
    load_share: float = 0.8,
    errors: dict[str, int] | None = None,
) -> Sample:
    return Sample(
        peer=peer,
        round=number,
        requests=1000,
        rate=rate,
        user_us=cpu_us / 2,
        system_us=cpu_us / 2,
        p50_us=700,
        p99_us=1200,
        proxy_share=proxy_share,
        others_share=others_share,
        load_share=load_share,
        errors=errors or {},
    )


def results(samples: list[Sample], failures: list[str] | None = None) -> Results:
    return Results(
        machine={"cpu": "x"},
        versions={"nginx": "1"},
        seconds=2,
        rounds=3,
        samples={"small": samples},
        failures=failures or [],
    )


def test_ratio_is_taken_within_each_round_so_that_a_slow_round_does_not_count() -> None:
    samples = [sample("nginx", 1, 100), sample("nginx", 2, 10), sample("nginx", 3, 100)]
    samples += [sample("seawall", 1, 90), sample("seawall", 2, 9), sample("seawall", 3, 80)]

    ratio = rows_of(samples)[1].rate_ratio

    assert ratio is not None
    assert (ratio.middle, ratio.low, ratio.high) == (0.9, 0.8, 0.9)


def test_rows_without_the_reference_have_no_ratio() -> None:
    assert rows_of([sample("haproxy", 1, 100)])[0].rate_ratio is None


@pytest.mark.parametrize(
    ("one", "remark"),
    [
        pytest.param(sample("a", 1, 1, load_share=0.99), "load core full: compare CPU", id="load core full"),
        pytest.param(sample("a", 1, 1, proxy_share=0.4), "neither core full", id="a latency case"),
        pytest.param(sample("a", 1, 1, others_share=0.2), "disturbed, up to 20% of its core", id="a busy neighbour"),
        pytest.param(sample("a", 1, 1, errors={"status": 3}), "ERRORS status 3", id="errors"),
    ],
)
def test_a_row_says_what_makes_it_doubtful(one: Sample, remark: str) -> None:
    assert rows_of([one])[0].remarks == (remark,)


def test_a_clean_row_has_no_remark() -> None:
    assert rows_of([sample("a", 1, 1)])[0].remarks == ()


def test_guard_is_content_when_both_bars_are_met() -> None:
    samples = [sample("seawall", 1, 60), sample("aiohttp", 1, 10), sample("nginx", 1, 70)]

    assert missed_bars(samples) == []


def test_guard_names_the_bar_that_is_missed() -> None:
    samples = [sample("seawall", 1, 59), sample("aiohttp", 1, 10), sample("nginx", 1, 70)]

    (complaint,) = missed_bars(samples)

    assert complaint == "seawall is 5.90 (5.90-5.90) times aiohttp in requests/s, the bar is 6"


def test_guard_compares_cpu_when_the_load_core_was_full() -> None:
    samples = [
        sample("seawall", 1, 59, cpu_us=10, load_share=1.0),
        sample("aiohttp", 1, 10, cpu_us=100),
        sample("nginx", 1, 59, cpu_us=4, load_share=1.0),
    ]

    (complaint,) = missed_bars(samples)

    assert "0.40" in complaint
    assert "times nginx in requests per CPU-second" in complaint


def test_guard_does_not_pass_a_run_that_lacks_a_peer() -> None:
    assert len(missed_bars([sample("nginx", 1, 70)])) == 2


def test_errors_of_any_sample_and_failed_cases_are_listed() -> None:
    run = results([sample("nginx", 1, 70), sample("nginx", 2, 70, errors={"read": 1})], ["get-10m: nginx is gone"])

    assert errors_in(run) == ["get-10m: nginx is gone", "small, nginx, round 2: {'read': 1}"]


def test_results_survive_json(tmp_path: Path) -> None:
    run = results([sample("nginx", 1, 70)])
    path = tmp_path / "results.json"
    path.write_text(run.to_json())

    assert read_results(path) == run


def test_table_columns_line_up() -> None:
    lines = case_table(CASES[0], rows_of([sample("nginx", 1, 70), sample("seawall", 1, 70)]))

    assert len({len(line) for line in lines}) == 1
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def test_section_of_readme_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- speed begin -->\nold\n<!-- speed end -->\nb\n")

    replace_section(readme, "speed", "new\n")

    assert readme.read_text() == "a\n<!-- speed begin -->\nnew\n<!-- speed end -->\nb\n"


def test_section_that_is_missing_is_an_error(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("a\n")

    with pytest.raises(ValueError, match=re.escape("<!-- speed begin -->")):
        replace_section(readme, "speed", "new\n")
