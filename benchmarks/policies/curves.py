"""All points of all curves: every scenario, policy and load that has a steady state, each simulated for itself."""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.policies.estimates import Estimate, Figures, figures_of
from benchmarks.policies.scenarios import BY_NAME, SCENARIOS, requests
from benchmarks.policies.simulator import simulate
from proxy.spec.service import PolicyName

REQUESTS: Final = 30_000  # of a run at no load
MOST_REQUESTS: Final = 800_000
# The queue of a source that comes and goes, or of work that may be long, forgets more slowly.
_SLOWLY_FORGETTING: Final = {"heavy": 4, "bursts": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run: times in service times, and the share of the requests that each station took."""

    scenario: str
    policy: str
    load: float
    requests: int
    figures: Figures
    shares: list[float]


def simulate_all(quickness: int = 1) -> list[Point]:
    """In the order of SCENARIOS, on all cores. `quickness` divides the lengths of the runs."""
    tasks = [
        (scenario.name, policy, load, max(count_of(scenario.name, policy, load) // quickness, 2_500))
        for scenario in SCENARIOS
        for policy in PolicyName
        for load in scenario.loads
        if load < scenario.ceiling(policy)
    ]
    with ProcessPoolExecutor() as pool:
        return list(pool.map(simulate_point, *zip(*tasks, strict=True)))


def count_of(name: str, policy: PolicyName, load: float) -> int:
    """Requests for a point: the nearer to the ceiling, the longer a queue takes to forget how long it was."""
    room = 1 - load / BY_NAME[name].ceiling(policy)
    return min(int(REQUESTS * _SLOWLY_FORGETTING.get(name, 1) / room), MOST_REQUESTS)


def simulate_point(name: str, policy: PolicyName, load: float, count: int) -> Point:
    """One run of `count` requests. The seed is of the scenario and the load: policies meet the same requests."""
    scenario, seed = BY_NAME[name], f"{name} {load}"
    run = simulate(scenario, policy, requests(scenario, load, count, seed), seed)
    return Point(
        scenario=name,
        policy=policy.value,
        load=load,
        requests=count,
        figures=figures_of(run.times),
        shares=[taken / count for taken in run.taken],
    )


def write_points(path: Path, points: list[Point]) -> None:
    """As JSON, four digits of each figure: the fifth is within nobody's interval."""
    raw = json.dumps([_rounded(asdict(point)) for point in points], indent=None, separators=(", ", ": "))
    path.write_text(raw.replace('}, {"scenario', '},\n {"scenario') + "\n")


def read_points(path: Path) -> list[Point]:
    """What `write_points` has written."""
    return [
        Point(
            **{
                **raw,
                "figures": Figures(**{name: Estimate(**estimate) for name, estimate in raw["figures"].items()}),
            }
        )
        for raw in json.loads(path.read_text())
    ]


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
