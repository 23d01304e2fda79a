"""The simulation is held to the theory: within the 99.9 % interval that the run itself gives, with fixed seeds."""

import random
from pathlib import Path
from statistics import fmean

import pytest

from benchmarks.policies.curves import Point, read_points, simulate_point, write_points
from benchmarks.policies.estimates import Estimate, Figures, figures_of, percentile
from benchmarks.policies.predictions import Prediction, predict
from benchmarks.policies.scenarios import BY_NAME, Bursts, Queue, Scenario, Station, Work, requests
from benchmarks.policies.simulator import service_of, simulate
from proxy.spec.service import PolicyName

RANDOM, ROUND_ROBIN, LEAST_CONNECTIONS = PolicyName.RANDOM, PolicyName.ROUND_ROBIN, PolicyName.LEAST_CONNECTIONS
COUNT = 60_000
TIGHT = 0.12  # an interval wider than this share of the figure would agree with anything


def predicted(name: str, policy: PolicyName, load: float) -> Prediction:
    prediction = predict(BY_NAME[name], policy, load)
    assert prediction is not None
    return prediction


@pytest.mark.parametrize(
    ("name", "policy", "load"),
    [
        pytest.param("equal", RANDOM, 0.3, id="a random split is so many M/M/1"),
        pytest.param("equal", RANDOM, 0.6, id="a random split is so many M/M/1 at a higher load"),
        pytest.param("equal", ROUND_ROBIN, 0.3, id="every fourth arrival makes E4/M/1"),
        pytest.param("equal", ROUND_ROBIN, 0.7, id="every fourth arrival makes E4/M/1 at a higher load"),
        pytest.param("slow", RANDOM, 0.02, id="one slow backend is a mixture of M/M/1"),
        pytest.param("slow", ROUND_ROBIN, 0.05, id="one slow backend is a mixture of E4/M/1"),
        pytest.param("uneven", RANDOM, 0.2, id="unweighted shares make M/M/c that are unevenly loaded"),
        pytest.param("weighted", RANDOM, 0.4, id="weighted shares make M/M/c of equal load"),
        pytest.param("bursts", RANDOM, 0.3, id="a share of interrupted arrivals makes IPP/M/1"),
        pytest.param("bursts", ROUND_ROBIN, 0.4, id="every fourth interrupted arrival makes GI/M/1"),
    ],
)
def test_exponential_work_takes_what_the_formula_says(name: str, policy: PolicyName, load: float) -> None:
    figures = simulate_point(name, policy, load, COUNT).figures
    exact = predicted(name, policy, load)
    assert exact.p50 is not None
    assert exact.p99 is not None

    for estimate, value in ((figures.mean, exact.mean), (figures.p50, exact.p50), (figures.p99, exact.p99)):
        assert estimate.half_width < TIGHT * estimate.value
        assert estimate.agrees_with(value), (estimate, value)


@pytest.mark.parametrize(
    ("policy", "load"), [(RANDOM, 0.5), (RANDOM, 0.7), (ROUND_ROBIN, 0.7), (LEAST_CONNECTIONS, 0.7)]
)
def test_equal_work_takes_the_mean_that_the_formula_says(policy: PolicyName, load: float) -> None:
    mean = simulate_point("deterministic", policy, load, COUNT).figures.mean

    assert mean.half_width < TIGHT * mean.value
    assert mean.agrees_with(predicted("deterministic", policy, load).mean)


@pytest.mark.parametrize("load", [0.5, 0.7, 0.8])
def test_least_connections_is_between_one_queue_and_turns(load: float) -> None:
    mean = simulate_point("equal", LEAST_CONNECTIONS, load, COUNT).figures.mean

    assert predicted("equal", LEAST_CONNECTIONS, load).mean < mean.value - mean.half_width
    assert mean.value + mean.half_width < predicted("equal", ROUND_ROBIN, load).mean


def test_equal_work_at_equal_backends_makes_turns_and_least_connections_the_same() -> None:
    scenario = BY_NAME["deterministic"]
    arrivals = list(requests(scenario, 0.8, 5_000, "seed"))

    turns, least = (simulate(scenario, policy, arrivals, "seed") for policy in (ROUND_ROBIN, LEAST_CONNECTIONS))

    assert turns.times == pytest.approx(least.times)


def test_wrong_formula_is_told_from_the_right_one() -> None:
    figures = simulate_point("equal", ROUND_ROBIN, 0.6, COUNT).figures

    assert not figures.mean.agrees_with(predicted("equal", RANDOM, 0.6).mean)
    assert not figures.p99.agrees_with(predicted("equal", LEAST_CONNECTIONS, 0.6).p99 or 0.0)


def test_same_seed_gives_the_same_run() -> None:
    assert simulate_point("bursts", RANDOM, 0.5, 3_000) == simulate_point("bursts", RANDOM, 0.5, 3_000)


def test_in_flight_counts_are_those_of_the_product() -> None:
    """Two at once at two backends: the second request of least-connections never meets the first."""
    scenario = Scenario(name="two", title="", stations=(Station(), Station()), loads=())

    run = simulate(scenario, LEAST_CONNECTIONS, [(float(number // 2), 0.5) for number in range(20)], "seed")

    assert run.times == pytest.approx([0.5] * 20)
    assert run.taken == [10, 10]


def test_who_does_a_thing_late_is_left_alone_by_least_connections_only() -> None:
    shares = {policy: simulate_point("slow", policy, 0.1, 5_000).shares[3] for policy in PolicyName}

    assert shares[ROUND_ROBIN] == pytest.approx(0.25)
    assert shares[RANDOM] == pytest.approx(0.25, abs=0.03)
    assert shares[LEAST_CONNECTIONS] < 0.2


def test_weights_reach_the_service() -> None:
    service = service_of(BY_NAME["weighted"], RANDOM, random.Random(1))

    assert [backend.weight for backend in service.backends.values()] == [1, 1, 2, 4]


@pytest.mark.parametrize(
    ("name", "policy", "ceiling"),
    [
        pytest.param("equal", RANDOM, 1.0, id="equal backends carry it all"),
        pytest.param("slow", ROUND_ROBIN, 0.4 / 3.1, id="turns end where the slow one is full"),
        pytest.param("slow", LEAST_CONNECTIONS, 1.0, id="least-connections does not end there"),
        pytest.param("uneven", RANDOM, 0.5, id="without weights the small ones are full at half the load"),
        pytest.param("weighted", ROUND_ROBIN, 1.0, id="with weights everybody is full at once"),
    ],
)
def test_ceiling_is_where_the_first_backend_is_full(name: str, policy: PolicyName, ceiling: float) -> None:
    assert BY_NAME[name].ceiling(policy) == pytest.approx(ceiling)
    assert predict(BY_NAME[name], policy, ceiling) is None


@pytest.mark.parametrize("work", list(Work))
def test_work_has_the_mean_and_the_second_moment_it_says(work: Work) -> None:
    chance = random.Random(3)
    drawn = [work.draw(chance) for _ in range(400_000)]
    tolerance = 0.1 if work is Work.HEAVY else 0.02  # its own second moment is hardly ever met

    assert fmean(drawn) == pytest.approx(1.0, rel=tolerance)
    assert fmean(each * each for each in drawn) == pytest.approx(work.second_moment, rel=2 * tolerance)


def test_largest_hundredth_of_heavy_work_is_a_fifth_of_it() -> None:
    chance = random.Random(3)
    drawn = sorted(Work.HEAVY.draw(chance) for _ in range(400_000))

    assert sum(drawn[-4_000:]) / sum(drawn) == pytest.approx(0.19, abs=0.03)


@pytest.mark.parametrize("bursts", [None, Bursts(on=10.0, off=30.0)], ids=["steady", "in bursts"])
def test_arrivals_have_the_rate_of_the_load(bursts: Bursts | None) -> None:
    scenario = Scenario(name="x", title="", stations=(Station(servers=2),), loads=(), bursts=bursts)
    dues = [due for due, _ in requests(scenario, 0.5, 40_000, "seed")]

    assert dues == sorted(dues)
    assert len(dues) / dues[-1] == pytest.approx(1.0, rel=0.1)


def test_queue_serves_as_many_at_once_as_it_has_servers() -> None:
    queue = Queue(Station(servers=2, slowness=2.0))

    assert [queue.enter(1.0, 1.0) for _ in range(3)] == [3.0, 3.0, 5.0]


def test_estimate_of_independent_times_has_the_interval_of_the_law_of_large_numbers() -> None:
    chance = random.Random(2)
    mean = figures_of([chance.expovariate(1.0) for _ in range(50_000)]).mean

    assert mean.half_width == pytest.approx(2.093 / 45_000**0.5, rel=0.5)
    assert mean.agrees_with(1.0)
    assert not mean.agrees_with(1.1)


def test_percentile_is_the_nearest_rank() -> None:
    assert [percentile([1, 2, 3, 4], percent) for percent in (0, 50, 75, 99)] == [1, 2, 3, 4]


def test_points_survive_json(tmp_path: Path) -> None:
    one = Estimate(1.5, 0.25)
    figures = Figures(mean=one, p50=one, p99=one)
    point = Point(scenario="equal", policy="random", load=0.5, requests=10, figures=figures, shares=[0.25, 0.75])

    write_points(tmp_path / "points.json", [point, point])

    assert read_points(tmp_path / "points.json") == [point, point]
