"""The same scenarios with Seawall as a process, real backends and a real clock.

All policies of a case run side by side, each with a Seawall and backends of its own, and all are sent the very same
requests: a request carries its work, so the simulator can be given the same ones, and what differs is the machine.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

import uvloop

from benchmarks.policies import station
from benchmarks.policies.estimates import percentile
from benchmarks.policies.load import Answers, OpenLoop
from benchmarks.policies.scenarios import BY_NAME, Scenario, requests
from benchmarks.policies.simulator import simulate
from benchmarks.rig.delivery import Recorded
from benchmarks.rig.machine import Cores, describe, split_cores
from benchmarks.rig.process import Running, start, take_ports
from proxy.spec.service import PolicyName

SERVICE_TIME: Final = 0.020  # seconds
SETTLE: Final = 2.0  # seconds of load before the measurement: every connection is open, every backend probed
DRAWS: Final = 9  # simulations of the same requests that differ by the policy's chance
ALONE: Final = ("retry.attempts=1", "slow-start=0s")  # the policy and nothing else
CASES: Final = (("equal", 0.7), ("heavy", 0.5), ("slow", 0.12), ("slow", 0.5), ("uneven", 0.4), ("bursts", 0.5))


@dataclass(frozen=True, slots=True)
class Variant:
    """A Seawall: its policy, and defaults of labels."""

    name: str
    policy: PolicyName
    defaults: tuple[str, ...]


VARIANTS: Final = (
    *(Variant(policy.value, policy, ALONE) for policy in PolicyName),
    Variant("least-connections as it comes", PolicyName.LEAST_CONNECTIONS, ()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One variant in one case. Times are milliseconds; the simulated ones are of each draw, ascending."""

    scenario: str
    load: float
    variant: str
    requests: int
    failed: int
    mean: float
    p50: float
    p99: float
    simulated_mean: list[float]
    simulated_p50: list[float]
    simulated_p99: list[float]
    late_p99: float  # the client's own


@dataclass(frozen=True, slots=True, kw_only=True)
class RealRun(Recorded):
    """A whole run, as it is written to JSON."""

    machine: dict[str, str]
    seconds: float
    outcomes: list[Outcome]


def read_run(path: Path) -> RealRun:
    """What a run has written."""
    raw = json.loads(path.read_text())
    outcomes = [Outcome(**outcome) for outcome in raw.pop("outcomes")]
    return RealRun(**raw, outcomes=outcomes)


def measure(seconds: float, cases: Sequence[tuple[str, float]] = CASES) -> RealRun:
    """Every case for so long."""
    cores, machine = split_cores(), describe()
    outcomes: list[Outcome] = []
    for name, load in cases:
        print(f"{name} at load {load:g}: {seconds:g} s", file=sys.stderr)
        outcomes += _measure_case(BY_NAME[name], load, seconds, cores)
    return RealRun(machine=machine, seconds=seconds, outcomes=outcomes)


def _measure_case(scenario: Scenario, load: float, seconds: float, cores: Cores) -> list[Outcome]:
    variants = [variant for variant in VARIANTS if load < scenario.ceiling(variant.policy)]
    seed = f"real {scenario.name} {load}"
    rate = load * scenario.capacity / SERVICE_TIME
    sent = list(requests(scenario, load, round(rate * (seconds + SETTLE)), seed))
    with tempfile.TemporaryDirectory(prefix="seawall-policies-") as folder, ExitStack() as stack:
        proxies = []
        for number, variant in enumerate(variants):
            proxies.append(_start(scenario, variant, Path(folder) / str(number), cores, stack))
        answers = uvloop.run(_send([proxy.port for proxy in proxies], sent))
    return [
        _outcome(scenario, load, variant, sent, answer, seed) for variant, answer in zip(variants, answers, strict=True)
    ]


def _start(scenario: Scenario, variant: Variant, folder: Path, cores: Cores, stack: ExitStack) -> Running:
    """A Seawall with its backends, both to be stopped by `stack`."""
    (folder / "stations").mkdir(parents=True)
    port, admin, *ports = take_ports(2 + len(scenario.stations))
    arguments = map(station.argument_of, ports, scenario.stations)
    command = [sys.executable, "-m", "benchmarks.policies.station", str(SERVICE_TIME), *arguments]
    backends = start("stations", command, folder=folder / "stations", cores=cores.load, port=ports[0])
    stack.callback(backends.stop)
    backends.wait_answer("/0")
    command = [sys.executable, "-m", "proxy", "run", "--no-docker", "--policy", variant.policy.value]
    command += ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
    command += [word for default in variant.defaults for word in ("--default", default)]
    command += [word for each in ports for word in ("--backend", f"http://127.0.0.1:{each}")]
    proxy = start("seawall", command, folder=folder, cores=(cores.proxy,), port=port)
    stack.callback(proxy.stop)
    proxy.wait_answer("/0")
    return proxy


async def _send(ports: list[int], sent: list[tuple[float, float]]) -> list[Answers]:
    targets = [(due * SERVICE_TIME, f"/{work:.6f}") for due, work in sent]
    return await asyncio.gather(*(OpenLoop(port, targets).run() for port in ports))


def _outcome(
    scenario: Scenario, load: float, variant: Variant, sent: list[tuple[float, float]], answers: Answers, seed: str
) -> Outcome:
    settled = sum(due * SERVICE_TIME < SETTLE for due, _ in sent)
    times = sorted(time * 1000 for time in answers.times[settled:] if time is not None)
    draws = [_simulated(scenario, variant.policy, sent, settled, f"{seed} {draw}") for draw in range(DRAWS)]
    return Outcome(
        scenario=scenario.name,
        load=load,
        variant=variant.name,
        requests=len(sent) - settled,
        failed=answers.failed,
        mean=fmean(times),
        p50=percentile(times, 50),
        p99=percentile(times, 99),
        simulated_mean=sorted(fmean(draw) for draw in draws),
        simulated_p50=sorted(percentile(draw, 50) for draw in draws),
        simulated_p99=sorted(percentile(draw, 99) for draw in draws),
        late_p99=percentile(sorted(late * 1000 for late in answers.lateness), 99),
    )


def _simulated(
    scenario: Scenario, policy: PolicyName, sent: list[tuple[float, float]], settled: int, seed: str
) -> list[float]:
    """Milliseconds, ascending, of the requests after the first `settled`."""
    return sorted(time * SERVICE_TIME * 1000 for time in simulate(scenario, policy, sent, seed).times[settled:])
