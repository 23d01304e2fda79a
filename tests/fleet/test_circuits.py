"""Circuits among their peers: what opens one, who tries it, and who may be out at once. Times are literal."""

from typing import Any

import pytest

from proxy.failure import Failure
from proxy.fleet.backend import Tier, Unavailable
from proxy.health.circuit import Cause, State
from proxy.health.verdict import Verdict
from proxy.spec.service import CircuitSpec, Lifecycle, TimeoutSpec
from tests.fleet.scene import Scene

OPEN_LONGEST = 6.25  # seconds: the first open time with all of its chance


def opened(*names: str, now: float = 100.0, **settings: Any) -> Scene:
    """The first of these has its circuit open."""
    scene = Scene(*names, **settings)
    scene.answer(names[0], 503, now, times=3)
    assert scene[names[0]].circuit.state is State.OPEN
    return scene


def on_trial(*names: str, **settings: Any) -> Scene:
    """The first of these waits for its trial, since 107 s."""
    scene = opened(*names, **settings)
    scene.fleet.sweep(107.0)
    assert scene[names[0]].unavailable is Unavailable.ON_TRIAL
    return scene


FAILURES = {
    "refused": Failure.REFUSED,
    "a connect timeout": Failure.CONNECT_TIMEOUT,
    "reset before an answer": Failure.RESET,
    "no answer in time": Failure.RESPONSE_TIMEOUT,
    "an answer that is none": Failure.BAD_RESPONSE,
    "an answer that ends early": Failure.TRUNCATED,
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_three_gateway_failures_in_a_row_open_it(failure: Failure) -> None:
    scene = Scene("a", "b")
    scene.fail("a", failure, 100.0, times=2)
    assert scene["a"].circuit.state is State.CLOSED
    scene.fail("a", failure, 100.0)
    assert scene.states == {"a": "circuit open", "b": "available"}
    assert "a circuit open: 3 gateway failures in a row" in scene.reasons
    assert scene.picks() == {"b": 40}


INNOCENT = {
    "a client that left": Failure.CLIENT_GONE,
    "a bad body": Failure.BAD_BODY,
    "a stale connection": Failure.STALE,
    "a stream that is silent": Failure.IDLE_TIMEOUT,
    "no descriptors of our own": Failure.NO_DESCRIPTORS,
}


@pytest.mark.parametrize("failure", INNOCENT.values(), ids=INNOCENT)
def test_what_is_not_its_fault_opens_nothing(failure: Failure) -> None:
    scene = Scene("a", "b")
    scene.fail("a", failure, 100.0, times=50)
    assert scene.states == {"a": "available", "b": "available"}


def test_answers_cut_short_open_it_though_each_had_begun_well() -> None:
    scene = Scene("a", "b")
    for _ in range(3):
        scene.answer("a", 200, 100.0)
        scene.fail("a", Failure.TRUNCATED, 100.0)
    assert scene.states["a"] == "circuit open"


def test_success_between_failures_keeps_it_closed() -> None:
    scene = Scene("a", "b")
    for _ in range(20):
        scene.answer("a", 503, 100.0, times=2)
        scene.answer("a", 200, 100.0, times=4)
    assert scene.states["a"] == "available"


def test_five_other_server_errors_in_a_row_open_it() -> None:
    scene = Scene("a", "b")
    scene.answer("a", 500, 100.0, times=5)
    assert scene.reasons == ["a circuit open: 5 server errors in a row"]


def test_half_failing_beside_peers_that_do_not_opens_it() -> None:
    scene = Scene("a", "b")
    scene.answer("b", 200, 100.0, times=10)
    for _ in range(5):
        scene.answer("a", 500, 100.0)
        scene.answer("a", 200, 100.0)
    scene.answer("a", 500, 100.0)
    assert scene.reasons == ["a circuit open: 6 of 11 requests failed"]
    assert scene["a"].circuit.opened == {Cause.RATIO: 1}


def test_half_failing_beside_peers_that_do_as_well_opens_nothing() -> None:
    scene = Scene("a", "b")
    for _ in range(20):
        for name in ("a", "b"):
            scene.answer(name, 500, 100.0)
            scene.answer(name, 200, 100.0)
    assert scene.flips == []


def failing_now_and_then(scene: Scene, now: float, seconds: float) -> float:
    """When the circuit of the first of five opens: three in ten fail there, none elsewhere, 100 requests a second."""
    names = "abcde"
    for number in range(int(seconds * 100)):
        now += 0.01
        name = names[number % 5]
        if number % 25 == 0:
            scene.fleet.sweep(now)
        if scene[name].unavailable not in (None, Unavailable.ON_TRIAL):
            continue
        fails = name == "a" and number // 5 % 10 in (3, 5, 9) and scene["a"].unavailable is None
        scene.answer(name, 500 if fails else 200, now)
        if scene.states["a"] == "circuit open":
            return now
    return float("inf")


def test_one_that_fails_three_times_in_ten_beside_peers_that_do_not_is_taken_out() -> None:
    scene = Scene("a", "b", "c", "d", "e")
    assert failing_now_and_then(scene, 100.0, 3.0) < 102.0
    assert scene["a"].circuit.opened == {Cause.OUTLIER: 1}
    assert list(scene.states.values()).count("available") == 4


def test_outlier_whose_trials_pass_is_taken_out_for_longer_each_time() -> None:
    scene, now, opened_for = Scene("a", "b", "c", "d", "e"), 100.0, []
    for _ in range(4):
        now = failing_now_and_then(scene, now, 60.0)
        opened_for.append(scene["a"].circuit.until - now)
        now = scene["a"].circuit.until
    assert scene["a"].circuit.opened == {Cause.OUTLIER: 4}
    for seconds, expected in zip(opened_for, (5.0, 10.0, 20.0, 40.0), strict=True):
        assert 0.7 * expected < seconds < 1.3 * expected


def test_single_backend_is_never_taken_out() -> None:
    scene = Scene("a")
    scene.answer("a", 503, 100.0, times=50)
    assert scene.states == {"a": "available"}


def test_circuits_take_out_half_at_most() -> None:
    scene = Scene("a", "b", "c", "d", "e")
    for name in "abcde":
        scene.answer(name, 503, 100.0, times=20)
    assert [name for name, state in scene.states.items() if state == "circuit open"] == ["a", "b"]


def test_share_is_of_those_that_are_not_down_hard() -> None:
    scene = Scene("a", "b", "c", "d")
    for name in "cd":
        scene.observe(name, Lifecycle.GONE, 99.0)
    for name in "ab":
        scene.answer(name, 503, 100.0, times=3)
    assert scene.states == {"a": "circuit open", "b": "available", "c": "gone", "d": "gone"}


def test_open_time_over_means_one_trial() -> None:
    scene = opened("a", "b")
    scene.fleet.sweep(103.7)
    assert scene.states["a"] == "circuit open"
    scene.fleet.sweep(100.0 + OPEN_LONGEST)
    assert scene.states["a"] == "on trial"
    trial = scene.service.take((), True)
    assert trial is scene["a"]
    assert scene.picks(trial_ok=True) == {"b": 40}
    scene.service.release(trial)


NO_TRIALS = {
    "a POST is no trial": ((), False),
    "a retry is no trial, for nobody may be left after it": (("c",), True),
}


@pytest.mark.parametrize(("tried", "trial_ok"), NO_TRIALS.values(), ids=NO_TRIALS)
def test_request_that_must_not_fail_is_no_trial(tried: tuple[str, ...], trial_ok: bool) -> None:
    scene = on_trial("a", "b", "c")
    taken = scene.service.take([scene[name] for name in tried], trial_ok)
    assert taken is not None
    assert taken.name != "a"


def test_trial_that_passes_closes_it_and_it_starts_slowly() -> None:
    scene = on_trial("a", "b")
    assert scene.picks(1, trial_ok=True) == {"a": 1}
    scene.answer("a", 404, 107.1)
    assert scene.reasons[-1] == "a available: trial passed"
    assert scene["a"].is_warming
    assert scene["a"].notable == 500


TRIAL_FAILURES = {"a 5xx": 500, "a gateway failure": 503}


@pytest.mark.parametrize("status", TRIAL_FAILURES.values(), ids=TRIAL_FAILURES)
def test_trial_that_fails_opens_it_for_longer(status: int) -> None:
    scene = on_trial("a", "b")
    scene.picks(1, trial_ok=True)
    scene.answer("a", status, 107.0)
    assert scene.reasons[-1] == f"a circuit open: trial failed: status {status}"
    assert 107.0 + 7.5 <= scene["a"].circuit.until <= 107.0 + 12.5


def test_trial_that_hangs_is_over_in_five_seconds() -> None:
    scene = on_trial("a", "b")
    trial = scene.service.take((), True)
    assert trial is scene["a"]
    for now in (108.0, 112.9):
        scene.fleet.sweep(now)
        assert scene.picks(trial_ok=True) == {"b": 40}  # nobody waits for it
    scene.fleet.sweep(113.0)
    assert scene.reasons[-1] == "a circuit open: trial hangs"
    scene.service.release(trial)
    assert trial.in_flight == 0


def test_trial_that_hangs_is_over_at_the_response_timeout_when_that_is_less() -> None:
    scene = on_trial("a", "b", timeout=TimeoutSpec(response=2.0))
    scene.service.take((), True)
    scene.fleet.sweep(108.0)
    scene.fleet.sweep(110.0)
    assert scene.states["a"] == "circuit open"


def test_trial_whose_client_leaves_lets_another_begin() -> None:
    scene = on_trial("a", "b")
    for _ in range(3):
        trial = scene.service.take((), True)
        assert trial is scene["a"]
        scene.service.release(trial)
        scene.fail("a", Failure.CLIENT_GONE, 107.5)
    assert scene.states["a"] == "on trial"


def test_service_without_a_request_that_may_be_a_trial_gets_its_backend_back() -> None:
    scene = on_trial("a", "b")
    scene.fleet.sweep(136.9)
    assert scene.states["a"] == "on trial"
    scene.fleet.sweep(137.0)
    assert scene.reasons[-1] == "a available: no request came that could be its trial"


def test_open_circuit_waits_for_a_passing_probe() -> None:
    scene = Scene("a", "b", probes=True)
    for name in "ab":
        scene.probe(name, Verdict.PASSING, 1.0)
    scene.answer("a", 503, 100.0, times=3)
    scene.probe("a", Verdict.FAILING_SOFT, 101.0, "slow")
    scene.fleet.sweep(120.0)
    assert scene["a"].circuit.state is State.OPEN
    scene.probe("a", Verdict.PASSING, 121.0)
    scene.fleet.sweep(121.1)
    assert scene.states["a"] == "on trial"


@pytest.mark.parametrize("lifecycle", [Lifecycle.PAUSED, Lifecycle.GONE], ids=lambda value: value.value)
def test_backend_that_was_out_of_reach_has_one_trial_first(lifecycle: Lifecycle) -> None:
    scene = Scene("a", "b")
    scene.observe("a", lifecycle, 10.0)
    changes = scene.observe("a", Lifecycle.RUNNING, 20.0)
    assert [each.after for each in changes.transitions] == ["on trial"]
    assert scene.picks() == {"b": 40}
    assert scene.picks(1, trial_ok=True) == {"a": 1}
    scene.answer("a", 200, 20.1)
    assert scene.states["a"] == "available"


def test_single_backend_that_was_out_of_reach_serves_all_the_same() -> None:
    scene = Scene("a")
    scene.observe("a", Lifecycle.PAUSED, 10.0)
    scene.observe("a", Lifecycle.RUNNING, 20.0)
    assert scene.picks() == {"a": 40}
    scene.answer("a", 503, 20.1)
    assert scene["a"].circuit.state is State.HALF_OPEN  # nobody may be taken out
    scene.answer("a", 200, 20.2)
    assert scene.states == {"a": "available"}


def test_circuit_survives_a_changed_configuration() -> None:
    scene = opened("a", "b")
    until = scene["a"].circuit.until
    scene.spec = type(scene.spec)(name="web", circuit=CircuitSpec(gateway_failures=2))
    scene.describe("a", 101.0, weight=3)
    scene.describe("c", 101.0)
    assert scene["a"].circuit.state is State.OPEN
    assert scene["a"].circuit.until == until
    scene.fleet.observe("id-a", Lifecycle.GONE, 101.5)
    scene.answer("b", 503, 102.0, times=2)
    assert scene.states["b"] == "circuit open"


def test_container_that_is_started_anew_has_a_clean_circuit() -> None:
    scene = opened("a", "b")
    scene.describe("a", 101.0, started=5000.0)
    assert scene.states["a"] == "available"
    assert scene["a"].circuit.opened == {Cause.GATEWAY_FAILURES: 1}


def test_open_circuit_is_better_than_nobody() -> None:
    scene = opened("a", "b")
    assert scene["a"].tier is Tier.UNHEALTHY
    scene.observe("b", Lifecycle.GONE, 101.0)
    assert scene.picks() == {"a": 40}


def test_failures_of_one_that_has_left_are_counted_and_no_more() -> None:
    scene = Scene("a", "b")
    leaver = scene["a"]
    del scene.backends["a"]
    scene.reconcile(100.0)
    for _ in range(5):
        scene.fleet.report(scene.service, leaver, Failure.REFUSED, 101.0)
        scene.fleet.answered(scene.service, leaver, 503, 101.0)
    assert leaver.statistics.failures == {Failure.REFUSED: 5}
    assert (scene.flips, scene.suspects) == ([], [])
