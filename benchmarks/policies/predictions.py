"""Which formula is of which scenario: what stands beside the simulation."""

from dataclasses import dataclass

from benchmarks.policies.scenarios import Scenario, Work
from benchmarks.policies.theory import (
    Sojourn,
    Transform,
    erlang,
    gim1,
    interrupted_poisson,
    mdc_mean,
    mg1_mean,
    mix,
    mmc,
)
from proxy.spec.service import PolicyName


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Exact figures, or bounds from below. None: theory gives the mean only."""

    model: str
    mean: float
    p50: float | None = None
    p99: float | None = None
    is_bound: bool = False


def predict(scenario: Scenario, policy: PolicyName, load: float) -> Prediction | None:
    """None where there is no formula, or no steady state."""
    if load >= scenario.ceiling(policy):
        return None
    if scenario.work is not Work.EXPONENTIAL:
        return _of_any_work(scenario, policy, load)
    if policy is PolicyName.RANDOM:
        return _random(scenario, load)
    if policy is PolicyName.ROUND_ROBIN:
        return _round_robin(scenario, load)
    return _least_connections(scenario, load)


def _random(scenario: Scenario, load: float) -> Prediction:
    rate, count = load * scenario.capacity, len(scenario.stations)
    if scenario.bursts is not None:
        return _of("IPP/M/1", gim1(_bursts(scenario, rate / count), 1.0))
    weights = sum(station.weight for station in scenario.stations)
    parts = [
        (share, mmc(rate * share, 1 / station.slowness, station.servers))
        for station in scenario.stations
        for share in (station.weight / weights,)
    ]
    return _of("M/M/1" if all(station.servers == 1 for station in scenario.stations) else "M/M/c", mix(parts))


def _round_robin(scenario: Scenario, load: float) -> Prediction | None:
    if any(station.servers > 1 for station in scenario.stations):
        return None
    rate, count = load * scenario.capacity, len(scenario.stations)
    between = erlang(rate, count) if scenario.bursts is None else _bursts(scenario, rate, order=count)
    parts = [(1 / count, gim1(between, 1 / station.slowness)) for station in scenario.stations]
    return _of(f"E{count}/M/1" if scenario.bursts is None else f"every {count}th of an IPP/M/1", mix(parts))


def _least_connections(scenario: Scenario, load: float) -> Prediction | None:
    if scenario.bursts is not None or any(station.slowness != 1 for station in scenario.stations):
        return None
    servers = sum(station.servers for station in scenario.stations)
    return _of(f"bound M/M/{servers}", mmc(load * servers, 1.0, servers), is_bound=True)


def _of_any_work(scenario: Scenario, policy: PolicyName, load: float) -> Prediction | None:
    """Equal backends of one server."""
    if policy is PolicyName.RANDOM:
        return Prediction(model="M/G/1 mean", mean=mg1_mean(load, scenario.work.second_moment))
    if scenario.work is Work.DETERMINISTIC:
        count = len(scenario.stations)
        return Prediction(model=f"M/D/{count} mean", mean=mdc_mean(load * count, count))
    return None


def _bursts(scenario: Scenario, rate: float, order: int = 1) -> Transform:
    bursts = scenario.bursts
    assert bursts is not None
    return interrupted_poisson(rate * (bursts.on + bursts.off) / bursts.on, bursts.on, bursts.off, order)


def _of(model: str, sojourn: Sojourn, *, is_bound: bool = False) -> Prediction:
    return Prediction(
        model=model, mean=sojourn.mean, p50=sojourn.quantile(0.50), p99=sojourn.quantile(0.99), is_bound=is_bound
    )
