"""Whatever probes say in whatever order: a verdict needs its evidence, and there is always a way back."""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.health.verdict import Outcome, ProbeRecord, Verdict
from proxy.spec.service import HealthSpec

PASS = Outcome(passed=True, seconds=0.01)
SOFT = Outcome(passed=False, error="slow")
HARD = Outcome(passed=False, hard=True, error="refused")


class Probes(RuleBasedStateMachine):
    """`history` has every outcome so far."""

    @initialize(fall=st.integers(1, 5), rise=st.integers(1, 5))
    def begin(self, fall: int, rise: int) -> None:
        self.spec = HealthSpec(fall=fall, rise=rise)
        self.now = 1000.0
        self.record = ProbeRecord(self.spec, self.now)
        self.history: list[Outcome] = []
        self.has_confirmed = False

    @rule(outcome=st.sampled_from((PASS, SOFT, HARD)))
    def probe(self, outcome: Outcome) -> None:
        before = self.record.verdict
        self.history.append(outcome)
        flipped = self.record.record(outcome, self.now)
        assert flipped == (self.record.verdict is not before)
        if flipped:
            self._check_evidence(before)
        self.now += self.record.next_delay(random.Random(1))

    @rule()
    def confirm(self) -> None:
        self.history.append(HARD)
        self.record.confirm(HARD, self.now)
        assert self.record.verdict is Verdict.FAILING_HARD

    @precondition(lambda self: self.history)
    @rule(fall=st.integers(1, 5), rise=st.integers(1, 5))
    def change_settings(self, fall: int, rise: int) -> None:
        before = self.record
        self.spec = HealthSpec(fall=fall, rise=rise)
        self.record = before.with_spec(self.spec)
        assert repr(self.record) == repr(before)

    @invariant()
    def delay_is_within_bounds(self) -> None:
        assert 0.2 <= self.record.next_delay(random.Random(1)) <= 12.0

    def teardown(self) -> None:
        for _ in range(self.spec.rise):
            self.record.record(PASS, self.now)
        assert self.record.verdict is Verdict.PASSING
        assert self.record.last_error == ""

    def _check_evidence(self, before: Verdict) -> None:
        if self.record.verdict is Verdict.PASSING:
            needed = 1 if before is Verdict.UNKNOWN else self.spec.rise
            assert all(outcome.passed for outcome in self.history[-needed:])
        elif self.record.verdict is Verdict.FAILING_HARD:
            assert all(outcome.hard for outcome in self.history[-self.spec.fall :])
        else:
            assert not self.history[-1].passed
            assert not all(outcome.hard for outcome in self.history[-self.spec.fall :])


Probes.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestProbes = Probes.TestCase
