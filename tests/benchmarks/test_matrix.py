"""From samples of each benchmark to its tables, and to the lines of the summary."""

from pathlib import Path

import pytest

from benchmarks import growth, latency, memory, standing, workers
from benchmarks.rig.cases import CASES, find_case
from benchmarks.rig.cpu import Memory
from benchmarks.rig.load import write_script
from benchmarks.rig.open_loop import Waits
from benchmarks.rig.report import Results, Row, rows_of
from benchmarks.rig.standing import Verdict
from tests.benchmarks.test_report import sample

MACHINE = {"cpu": "x"}


def rows(ours: float, theirs: float, *, load_share: float = 0.5) -> list[Row]:
    return rows_of(
        [
            sample("seawall", 1, ours, cpu_us=10, load_share=load_share),
            sample("nginx", 1, theirs, cpu_us=20),
        ]
    )


# throughput


def test_case_is_judged_by_its_rate() -> None:
    line = standing.case_line(CASES[0], rows(90, 100))

    assert (line.unit, line.verdict) == ("requests/s", Verdict.BEHIND)


def test_case_is_judged_by_cpu_where_the_load_core_was_full() -> None:
    line = standing.case_line(CASES[0], rows(90, 100, load_share=1.0))

    assert (line.unit, line.ratio, line.verdict) == ("requests per CPU-second", 2.0, Verdict.AHEAD)


def test_case_that_no_run_has_is_a_line_all_the_same() -> None:
    run = Results(machine=MACHINE, versions={}, seconds=1, rounds=1, samples={}, failures=[])

    lines = standing.throughput_lines(run)

    assert [line.question for line in lines[:-1]] == [case.title for case in CASES]
    assert {line.verdict for line in lines} == {Verdict.UNKNOWN}


def test_silent_proxy_is_not_the_cheapest() -> None:
    found = rows_of([sample("seawall", 1, 100, cpu_us=10), sample("aiohttp", 1, 0, cpu_us=0)])

    assert standing.cost_line(CASES[0], found).verdict is Verdict.ALONE


def test_benchmark_without_results_is_a_line_all_the_same(tmp_path: Path) -> None:
    lines = standing.lines_of(tmp_path)

    assert len(lines) == len(standing.READERS)
    assert {line.verdict for line in lines} == {Verdict.UNKNOWN}


def test_script_of_two_fields_has_two_and_that_of_new_connections_closes_them(tmp_path: Path) -> None:
    plain = write_script(find_case("plain-64"), tmp_path).read_text()
    closing = write_script(find_case("new"), tmp_path).read_text()

    assert plain.count("wrk.headers[") == 2
    assert closing.rindex('wrk.headers["Connection"] = "close"') > closing.index('"keep-alive"')


# latency


def waits(peer: str, load: str, p99: float, *, late: float = 20.0, failed: int = 0) -> latency.Sample:
    quantiles = {"p50": p99 / 10, "p90": p99 / 2, "p99": p99, "p999": p99 * 2, "most": p99 * 3}
    lateness = dict.fromkeys(quantiles, late)
    own = Waits(rate=1000.0, asked=1000, failed=failed, held=0, waits=quantiles, lateness=lateness)
    return latency.Sample(peer=peer, round=1, load=load, waits=own, proxy_share=0.5, load_share=0.5)


def latency_results(*samples: latency.Sample) -> latency.Results:
    return latency.Results(
        machine=MACHINE,
        versions={"seawall": "1", "nginx": "1"},
        seconds=3.0,
        rounds=1,
        capacity={"seawall": 4000.0, "nginx": 2000.0, "aiohttp": 900.0},
        same_rate=1000.0,
        samples=list(samples),
        failures=[],
    )


@pytest.mark.parametrize(
    ("capacity", "rates"),
    [
        pytest.param(4000.0, {"same": 1000.0, "own": 2000.0}, id="carries both"),
        pytest.param(900.0, {"own": 450.0}, id="too slow for what all are asked"),
        pytest.param(9000.0, {"same": 1000.0, "own": 3000.0}, id="faster than the client"),
    ],
)
def test_rates_that_a_peer_is_asked_for(capacity: float, rates: dict[str, float]) -> None:
    assert latency.rates_of(capacity, 1000.0, 3000.0) == rates


def test_latency_is_compared_at_the_same_rate_only() -> None:
    run = latency_results(
        waits("seawall", "same", 300), waits("nginx", "same", 200), waits("seawall", "own", 1), waits("nginx", "own", 2)
    )

    assert [line.verdict for line in latency.standing(run)] == [Verdict.BEHIND] * 3


def test_doubtful_latency_is_doubtful_in_the_summary_too() -> None:
    run = latency_results(waits("seawall", "same", 300), waits("nginx", "same", 900, late=500))

    assert latency.standing(run)[0].question.endswith("(doubtful, see its table: nginx)")


def test_latency_table_names_who_cannot_carry_the_rate() -> None:
    text = latency.tables(latency_results(waits("seawall", "same", 300)))

    assert "Cannot carry that at all: aiohttp (900/s)." in text


@pytest.mark.parametrize(
    ("one", "remark"),
    [
        pytest.param(waits("nginx", "same", 300), "", id="clean"),
        pytest.param(waits("nginx", "same", 300, failed=3), "3 FAILED", id="failures"),
        pytest.param(
            waits("nginx", "same", 900, late=500), "client late: part of the wait is its own", id="a slow client"
        ),
    ],
)
def test_latency_row_says_what_makes_it_doubtful(one: latency.Sample, remark: str) -> None:
    assert latency.rows_of([one], "same")[0].remarks == remark


def test_latency_results_survive_json(tmp_path: Path) -> None:
    run = latency_results(waits("seawall", "same", 300))
    path = tmp_path / "latency.json"
    path.write_text(run.to_json())

    assert latency.read_results(path) == run


# growth


def grown(peer: str, size: int, cost: float, subject: str = "backends", number: int = 1) -> growth.Sample:
    return growth.Sample(
        subject=subject,
        size=size,
        peer=peer,
        round=number,
        rate=1e6 / cost,
        user_us=cost / 2,
        system_us=cost / 2,
        p50_us=1,
        p99_us=2,
        errors={},
    )


def growth_results(*samples: growth.Sample) -> growth.Results:
    versions = dict.fromkeys(growth.NAMES, "1")
    return growth.Results(machine=MACHINE, versions=versions, seconds=1, rounds=1, samples=list(samples), failures=[])


def test_growth_table_has_the_median_and_the_factor() -> None:
    text = growth.tables(
        growth_results(
            grown("seawall", 10, 10), grown("seawall", 1000, 20), grown("seawall", 1000, 90), grown("seawall", 1000, 30)
        )
    )

    assert "30.0 (33,333)" in text
    assert "1,000 as a multiple of 10 | 3.00" in text


def test_size_that_failed_is_said() -> None:
    samples = (grown("seawall", 10, 10), grown("nginx", 10, 10), grown("nginx", 1000, 10))

    assert "failed" in growth.tables(growth_results(*samples))


def test_growth_is_judged_at_the_greatest_size() -> None:
    samples = [grown("seawall", 10, 10), grown("nginx", 10, 20), grown("seawall", 1000, 30), grown("nginx", 1000, 20)]

    line = growth.standing(growth_results(*samples))[0]

    assert (line.question, line.verdict) == ("CPU per request with 1,000 backends", Verdict.BEHIND)


def test_subject_that_was_not_measured_is_a_line_all_the_same() -> None:
    lines = growth.standing(growth_results(grown("seawall", 10, 10)))

    assert [line.verdict for line in lines] == [Verdict.ALONE, Verdict.UNKNOWN, Verdict.UNKNOWN]


def test_growth_results_survive_json(tmp_path: Path) -> None:
    run = growth_results(grown("seawall", 10, 10))
    path = tmp_path / "growth.json"
    path.write_text(run.to_json())

    assert growth.read_results(path) == run


# memory and workers


def test_memory_results_survive_json_and_are_judged_idle_and_by_connection(tmp_path: Path) -> None:
    run = memory.Results(
        machine=MACHINE,
        footprints=[
            memory.Footprint(
                peer=peer,
                version="1",
                connections=1000,
                idle=Memory(idle, idle),
                full=Memory(idle + added, idle + added),
                after=Memory(idle, idle),
            )
            for peer, idle, added in (("seawall", 60_000_000, 500_000), ("nginx", 10_000_000, 900_000))
        ],
        failures=[],
    )
    path = tmp_path / "memory.json"
    path.write_text(run.to_json())

    assert memory.read_results(path) == run
    assert [line.verdict for line in memory.standing(run)] == [Verdict.BEHIND, Verdict.AHEAD]


def test_workers_results_survive_json_and_are_judged_by_count(tmp_path: Path) -> None:
    run = workers.Results(
        machine=MACHINE,
        lines=[
            workers.Line(name=peer, count=count, quota=0.25, rates=[rate], costs=[14.0], busy=[0.5], resident=[1])
            for peer, count, rate in (
                ("seawall", 1, 12.0),
                ("nginx", 1, 13.0),
                ("seawall", 2, 26.0),
                ("nginx", 2, 25.0),
            )
        ],
    )
    path = tmp_path / "workers.json"
    path.write_text(run.to_json())

    assert workers.read_results(path) == run
    assert [line.verdict for line in workers.standing(run)] == [Verdict.BEHIND, Verdict.AHEAD]
