"""Least-connections, of few and of many: always the least loaded, in turn among equals, in bounded memory."""

import random
from collections import Counter, deque
from itertools import pairwise
from typing import TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.balancing.least_connections import FEW, LeastConnections, LeastConnectionsOfMany
from proxy.balancing.policies import build
from proxy.balancing.policy import Policy
from proxy.spec.service import PolicyName
from tests.balancing.candidates import Worker, workers

Kind: TypeAlias = type[LeastConnections[Worker]] | type[LeastConnectionsOfMany[Worker]]


def _take(policy: Policy[Worker], worker: Worker) -> None:
    worker.in_flight += 1
    policy.taken(worker)


def _release(policy: Policy[Worker], worker: Worker) -> None:
    worker.in_flight -= 1
    policy.released(worker)


EITHER = pytest.mark.parametrize("kind", [LeastConnections, LeastConnectionsOfMany], ids=lambda kind: kind.__name__)


class Oracle(RuleBasedStateMachine):
    """Compares every pick with a search through all candidates."""

    kind: Kind = LeastConnections

    @initialize(weights=st.lists(st.sampled_from((1, 2, 3, 100, 256)), min_size=1, max_size=7))
    def start(self, weights: list[int]) -> None:
        self.candidates = workers(*weights)
        self.rebuild(0)

    @rule(seed=st.integers(0, 99))
    def rebuild(self, seed: int) -> None:
        self.policy = self.kind(self.candidates, random.Random(seed))
        self.turns = dict.fromkeys(self.candidates, 0)  # 0: not taken since then
        self.turn = 0

    @rule(excluded=st.integers(0, 127), take=st.booleans())
    def pick(self, excluded: int, take: bool) -> None:
        tried = tuple(worker for worker in self.candidates if excluded >> worker.name & 1)
        self.check(tried, take)

    @rule(take=st.booleans())
    def pick_any(self, take: bool) -> None:
        self.check((), take)

    def check(self, tried: tuple[Worker, ...], take: bool) -> None:
        worker = self.policy.pick(tried)
        left = [worker for worker in self.candidates if worker not in tried]
        if not left:
            assert worker is None
            return
        assert worker in left
        assert self.key(worker) == min(map(self.key, left))
        if take:
            self.take(worker)

    def key(self, worker: Worker) -> tuple[float, int]:
        return (worker.in_flight + 1) / worker.weight, self.turns[worker]

    def take(self, worker: Worker) -> None:
        self.turn += 1
        self.turns[worker] = self.turn
        _take(self.policy, worker)

    @rule(data=st.data())
    def take_without_pick(self, data: st.DataObject) -> None:
        self.take(data.draw(st.sampled_from(self.candidates)))

    @precondition(lambda self: any(worker.in_flight for worker in self.candidates))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        busy = [worker for worker in self.candidates if worker.in_flight]
        _release(self.policy, data.draw(st.sampled_from(busy)))

    @rule(times=st.integers(1, 60), data=st.data())
    def take_and_release_one_often(self, times: int, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.candidates))
        for _ in range(times):
            self.take(worker)
            _release(self.policy, worker)


class OracleOfMany(Oracle):
    """The same with a heap."""

    kind: Kind = LeastConnectionsOfMany

    @invariant()
    def heap_is_bounded(self) -> None:
        assert isinstance(self.policy, LeastConnectionsOfMany)
        assert len(self.policy._heap) <= 2 * len(self.candidates) + 64


TestOracle = Oracle.TestCase
TestOracleOfMany = OracleOfMany.TestCase
TestOracle.settings = TestOracleOfMany.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


@pytest.mark.parametrize(
    ("count", "kind"), [(1, LeastConnections), (FEW, LeastConnections), (FEW + 1, LeastConnectionsOfMany)]
)
def test_more_than_a_few_get_a_heap(count: int, kind: Kind) -> None:
    policy = build(PolicyName.LEAST_CONNECTIONS, workers(*[1] * count), random.Random(1))
    assert type(policy) is kind


@EITHER
def test_idle_equals_are_a_rotation_from_any_start(kind: Kind) -> None:
    starts = set()
    for seed in range(20):
        policy = kind(workers(1, 1, 1, 1), random.Random(seed))
        names = []
        for _ in range(12):
            worker = policy.pick(())
            assert worker is not None
            _take(policy, worker)
            _release(policy, worker)
            names.append(worker.name)
        assert all((after - before) % 4 == 1 for before, after in pairwise(names))
        starts.add(names[0])
    assert starts == {0, 1, 2, 3}


@EITHER
def test_survivors_in_flight_count_from_the_start(kind: Kind) -> None:
    candidates = [Worker(0, in_flight=2), Worker(1, in_flight=0), Worker(2, in_flight=5)]
    policy = kind(candidates, random.Random(1))
    assert policy.pick(()) is candidates[1]
    for _ in range(5):
        _release(policy, candidates[2])
    _take(policy, candidates[1])
    assert policy.pick(()) is candidates[2]


@EITHER
@pytest.mark.parametrize("weights", [(1, 2, 3, 4), (1, 256), (7, 11, 13)], ids=str)
def test_held_requests_are_shared_exactly_by_weight(weights: tuple[int, ...], kind: Kind) -> None:
    candidates = workers(*weights)
    policy = kind(candidates, random.Random(1))
    for _ in range(5 * sum(weights)):
        worker = policy.pick(())
        assert worker is not None
        _take(policy, worker)
    assert [worker.in_flight for worker in candidates] == [5 * weight for weight in weights]


@EITHER
@pytest.mark.parametrize("held", [1, 10, 100])
def test_equal_candidates_get_equally_many(held: int, kind: Kind) -> None:
    candidates = workers(*[1] * 10)
    policy = kind(candidates, random.Random(1))
    busy: deque[Worker] = deque()
    counts: Counter[int] = Counter()
    for _ in range(10_000):
        worker = policy.pick(())
        assert worker is not None
        _take(policy, worker)
        counts[worker.name] += 1
        busy.append(worker)
        if len(busy) == held:
            _release(policy, busy.popleft())
    assert max(counts.values()) - min(counts.values()) <= 1


def test_all_different_weights_are_still_exact() -> None:
    candidates = workers(*range(1, 257))
    policy = LeastConnectionsOfMany(candidates, random.Random(1))
    for _ in range(sum(range(1, 257))):
        worker = policy.pick(())
        assert worker is not None
        _take(policy, worker)
    assert all(worker.in_flight == worker.weight for worker in candidates)
