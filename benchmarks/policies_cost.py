"""What does balancing cost per request, and does it grow with the number of backends?

For each policy: nanoseconds for one pick with, where the policy watches the load, its taken and a released, with 64
requests in flight that end in random order; the time of the same loop without a policy is taken off.

    python -m benchmarks.policies_cost
"""

import random
import timeit
from typing import Final

from rich.console import Console
from rich.table import Table

from proxy.balancing.policies import build
from proxy.balancing.policy import Policy
from proxy.spec.service import PolicyName

COUNTS: Final = (3, 10, 100, 1_000, 10_000)
_IN_FLIGHT: Final = 64
_REQUESTS: Final = 4096


class Backend:
    """The part of a fleet's Backend that policies see."""

    __slots__ = ("in_flight", "weight")

    def __init__(self, weight: int) -> None:
        self.weight = weight
        self.in_flight = 0


def nanoseconds_per_request(name: PolicyName, count: int, *, mixed: bool, repeats: int = 25) -> float:
    """The least of `repeats` measurements of 4096 requests over `count` backends."""
    chance = random.Random(count)
    backends = [Backend(1 + index % 7 if mixed else 1) for index in range(count)]
    policy = build(name, backends, chance)
    busy = [backends[0]] * _IN_FLIGHT
    for place in range(_IN_FLIGHT):
        busy[place] = _begin(policy, backends)
    order = [chance.randrange(_IN_FLIGHT) for _ in range(_REQUESTS)]
    loop = _loop_with_load if policy.watches_load else _loop
    with_policy = min(timeit.repeat(lambda: loop(policy, busy, order), number=1, repeat=repeats))
    without = min(timeit.repeat(lambda: _loop_without_policy(backends[0], busy, order), number=1, repeat=repeats))
    return (with_policy - without) / _REQUESTS * 1e9


def _begin(policy: Policy[Backend], backends: list[Backend]) -> Backend:
    backend = policy.pick(()) or backends[0]
    backend.in_flight += 1
    policy.taken(backend)
    return backend


def _loop_with_load(policy: Policy[Backend], busy: list[Backend], order: list[int]) -> None:
    for place in order:
        backend = policy.pick(())
        assert backend is not None
        backend.in_flight += 1
        policy.taken(backend)
        ended = busy[place]
        busy[place] = backend
        ended.in_flight -= 1
        policy.released(ended)


def _loop(policy: Policy[Backend], busy: list[Backend], order: list[int]) -> None:
    for place in order:
        backend = policy.pick(())
        assert backend is not None
        backend.in_flight += 1
        ended = busy[place]
        busy[place] = backend
        ended.in_flight -= 1


def _loop_without_policy(backend: Backend, busy: list[Backend], order: list[int]) -> None:
    for place in order:
        assert backend is not None
        backend.in_flight += 1
        ended = busy[place]
        busy[place] = ended
        ended.in_flight -= 1


def main() -> None:
    table = Table(title="nanoseconds per pick + taken + released")
    table.add_column("policy")
    table.add_column("weights")
    for count in COUNTS:
        table.add_column(f"{count:,}", justify="right")
    for name in PolicyName:
        for mixed in (False, True):
            costs = [f"{nanoseconds_per_request(name, count, mixed=mixed):.0f}" for count in COUNTS]
            table.add_row(name.value, "1 to 7" if mixed else "equal", *costs)
    Console().print(table)


if __name__ == "__main__":
    main()
