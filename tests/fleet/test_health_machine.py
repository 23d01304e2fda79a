"""Whatever fails in whatever order: no two trials at once, no more circuits out than their share, nobody lost for good,
and every request given back."""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from proxy.failure import Failure
from proxy.fleet.backend import Backend, Tier
from proxy.fleet.fleet import Fleet
from proxy.health.circuit import State, most_open
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, BackendSpec, CircuitSpec, Lifecycle, PolicyName, ServiceSpec

FAILURES = (Failure.REFUSED, Failure.RESET, Failure.RESPONSE_TIMEOUT, Failure.CLIENT_GONE, Failure.STALE)
STATUSES = (200, 200, 404, 500, 503)


def spec(index: int) -> BackendSpec:
    key = BackendKey(container=f"id-{index}", host="10.0.0.1", port=80)
    return BackendSpec(key=key, name=str(index), service="web", backup=index == 4)


class Requests(RuleBasedStateMachine):
    """`in_flight` has the backend of each request under way, and `trials` which of them are one."""

    @initialize(
        count=st.integers(1, 5),
        probes=st.booleans(),
        share=st.sampled_from((0.0, 0.3, 0.5, 1.0)),
        policy=st.sampled_from(PolicyName),
        seed=st.integers(0, 1000),
    )
    def begin(self, count: int, probes: bool, share: float, policy: PolicyName, seed: int) -> None:
        self.service_spec = ServiceSpec(name="web", policy=policy, circuit=CircuitSpec(max_open=share))
        self.fleet = Fleet(random.Random(seed), probes=probes)
        self.now = 1000.0
        self.specs = {index: spec(index) for index in range(count)}
        self.in_flight: list[Backend] = []
        self.trials: list[Backend] = []
        self.opened = 0
        self.reconcile()
        self.service = self.fleet.services["web"]
        for backend in self.service.backends.values():
            self.fleet.probed(backend.key, Verdict.PASSING, "", self.now)

    def reconcile(self) -> None:
        desired = Desired(services=(self.service_spec,), backends=tuple(self.specs.values()))
        self.fleet.reconcile(desired, self.now)

    # what a data plane does

    @rule(trial_ok=st.booleans())
    def take(self, trial_ok: bool) -> None:
        waiting = [backend for backend in self.service.backends.values() if backend.circuit.may_try]
        backend = self.service.take((), trial_ok)
        willing = [each for each in self.service.backends.values() if each.tier is not Tier.NEVER]
        assert (backend is None) == (not willing)
        if backend is None:
            return
        assert backend.tier is not Tier.NEVER
        self.in_flight.append(backend)
        if backend in waiting and not backend.circuit.may_try:
            assert trial_ok
            assert backend.circuit.state is State.HALF_OPEN
            self.trials.append(backend)
        self.check()

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), failure=st.sampled_from(FAILURES))
    def fail(self, data: st.DataObject, failure: Failure) -> None:
        backend = self.end(data)
        self.fleet.report(self.service, backend, failure, self.now)
        self.check()

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), answers=st.booleans())
    def take_long(self, data: st.DataObject, answers: bool) -> None:
        backend = data.draw(st.sampled_from(self.in_flight))
        if not answers:
            self.fleet.suspect(self.service, backend, Failure.TRY_TIMEOUT, self.now)
        elif backend.suspect_until:
            self.fleet.acquit(self.service, backend, self.now)
        self.check()

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def answer(self, data: st.DataObject, status: int) -> None:
        backend = self.end(data)
        backend.statistics.responses[status // 100] += 1
        if status >= backend.notable:
            self.fleet.answered(self.service, backend, status, self.now)
        self.check()

    def end(self, data: st.DataObject) -> Backend:
        backend = self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))
        self.service.release(backend)
        return backend

    # what a control plane does

    @rule(seconds=st.sampled_from((0.1, 0.25, 1.0, 6.0, 70.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.fleet.sweep(self.now)
        self.check()

    @rule(data=st.data(), verdict=st.sampled_from(Verdict))
    def probe(self, data: st.DataObject, verdict: Verdict) -> None:
        self.fleet.probed(self.draw(data), verdict, "", self.now)
        self.check()

    @rule(data=st.data(), passed=st.booleans())
    def confirm(self, data: st.DataObject, passed: bool) -> None:
        self.fleet.confirmed(self.draw(data), passed, self.now)
        self.check()

    @rule(data=st.data(), lifecycle=st.sampled_from(Lifecycle))
    def observe(self, data: st.DataObject, lifecycle: Lifecycle) -> None:
        self.fleet.observe(self.draw(data).container, lifecycle, self.now)
        self.check()

    @rule(index=st.integers(0, 4), window=st.sampled_from((1.0, 10.0, 30.0)))
    def redeploy(self, index: int, window: float) -> None:
        if index in self.specs and len(self.specs) > 1:
            del self.specs[index]
        else:
            self.specs[index] = spec(index)
        circuit = CircuitSpec(max_open=self.service_spec.circuit.max_open, window=window)
        self.service_spec = ServiceSpec(name="web", policy=self.service_spec.policy, circuit=circuit)
        self.reconcile()
        self.check()

    def draw(self, data: st.DataObject) -> BackendKey:
        return data.draw(st.sampled_from(sorted(self.service.backends)))

    # laws

    def check(self) -> None:
        backends = list(self.service.backends.values())
        self.trials = [each for each in self.trials if each.circuit.is_trying]
        assert len(self.trials) == len(set(self.trials))
        for backend in {*backends, *self.in_flight}:
            assert backend.in_flight == self.in_flight.count(backend)
        for backend in backends:
            assert not backend.judge(self.now), "a fact changed and the verdict did not"
            assert backend.circuit.state is State.HALF_OPEN or not backend.circuit.is_trying
            assert (backend.notable == 0) == (backend.circuit.state is State.HALF_OPEN)
        whole = self.service.evidence._circuits.whole
        whole.advance(self.now)
        for backend in backends:
            backend.circuit.window.advance(self.now)
        assert whole.failures == sum(backend.circuit.window.failures for backend in backends)
        assert whole.successes == sum(backend.circuit.window.successes for backend in backends)

        self.check_share(backends)

    def check_share(self, backends: list[Backend]) -> None:
        serving = [backend for backend in backends if backend.tier is not Tier.NEVER]
        opened = sum(backend.circuit.opened.total() for backend in backends)
        if opened > self.opened:
            out = sum(backend.circuit.state is not State.CLOSED for backend in serving)
            assert out <= most_open(len(serving), self.service_spec.circuit.max_open)
        self.opened = opened

    def teardown(self) -> None:
        """From wherever it is: when all answer well and no probe fails, everybody serves again."""
        if not hasattr(self, "service"):
            return
        for backend in self.in_flight:
            self.service.release(backend)
        self.in_flight.clear()
        for key in self.service.backends:
            self.fleet.observe(key.container, Lifecycle.RUNNING, self.now)
            self.fleet.probed(key, Verdict.PASSING, "", self.now)
        for _ in range(200):
            self.now += 1.0
            self.fleet.sweep(self.now)
        assert [backend.unavailable for backend in self.service.backends.values() if backend.unavailable] == []
        assert self.service.evidence.is_settled


Requests.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestRequests = Requests.TestCase
