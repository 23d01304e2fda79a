"""What holds for every policy."""

import random

import pytest

from benchmarks.policies_cost import nanoseconds_per_request
from proxy.balancing.policies import build
from proxy.balancing.policy import Policy
from proxy.spec.service import PolicyName
from tests.balancing.candidates import Worker, workers

EVERY_POLICY = pytest.mark.parametrize("name", PolicyName, ids=lambda name: name.value)


@EVERY_POLICY
def test_policy_without_candidates_is_refused(name: PolicyName) -> None:
    with pytest.raises(ValueError, match="at least one"):
        build(name, [], random.Random(1))


@EVERY_POLICY
@pytest.mark.parametrize("weights", [(1,), (1, 1, 1), (1, 5, 256)], ids=str)
def test_all_tried_gives_none(name: PolicyName, weights: tuple[int, ...]) -> None:
    candidates = workers(*weights)
    policy: Policy[Worker] = build(name, candidates, random.Random(1))
    assert policy.pick(tuple(candidates)) is None
    assert policy.pick(()) in candidates  # and nothing is lost by having been asked


@EVERY_POLICY
def test_tried_by_somebody_else_does_not_matter(name: PolicyName) -> None:
    candidates = workers(1, 1)
    policy: Policy[Worker] = build(name, candidates, random.Random(1))
    assert policy.pick((Worker(9), Worker(8), Worker(7))) in candidates


@EVERY_POLICY
def test_tried_is_never_picked_and_the_others_all_are(name: PolicyName) -> None:
    candidates = workers(1, 2, 3, 3, 256, 256, 1, 9)
    policy: Policy[Worker] = build(name, candidates, random.Random(1))
    tried = [candidates[0], candidates[4], candidates[5]]
    seen = set()
    for _ in range(2000):
        worker = policy.pick(tried)
        assert worker is not None
        worker.in_flight += 1
        policy.taken(worker)
        seen.add(worker)
    assert seen == set(candidates) - set(tried)


@EVERY_POLICY
def test_policies_built_again_and_again_do_not_favour_the_first(name: PolicyName) -> None:
    candidates = workers(1, 1, 1, 1)
    chance = random.Random(1)
    first = [build(name, candidates, chance).pick(()) for _ in range(4000)]
    assert all(900 < first.count(worker) < 1100 for worker in candidates)


@EVERY_POLICY
def test_only_least_connections_watches_the_load(name: PolicyName) -> None:
    policy: Policy[Worker] = build(name, workers(1), random.Random(1))
    assert policy.watches_load is (name is PolicyName.LEAST_CONNECTIONS)


@EVERY_POLICY
@pytest.mark.parametrize("mixed", [False, True], ids=["equal weights", "mixed weights"])
def test_cost_does_not_grow_with_the_number_of_candidates(name: PolicyName, mixed: bool) -> None:
    few = nanoseconds_per_request(name, 20, mixed=mixed, repeats=15)
    many = nanoseconds_per_request(name, 10_000, mixed=mixed, repeats=15)
    # A thousand times as many: caches that others fill too make it some multiple, a walk over them all hundreds.
    assert many <= 12 * few
