"""Probes, suspicion and the operator to one verdict, and who serves when nobody should. Times are literal."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.failure import Failure
from proxy.fleet.backend import Unavailable
from proxy.fleet.evidence import UNANSWERED_SUSPICION
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Changes
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import HealthSpec, Lifecycle, ServiceSpec
from tests.fleet.scene import Scene, backend_spec

PASSING, SOFT, HARD = Verdict.PASSING, Verdict.FAILING_SOFT, Verdict.FAILING_HARD


def probed(*names: str, **settings: Any) -> Scene:
    """Their probes have passed, since 1 s."""
    scene = Scene(*names, probes=True, **settings)
    for name in names:
        scene.probe(name, PASSING, 1.0)
    return scene


def test_newcomer_is_pending_until_a_probe_passes() -> None:
    scene = Scene("a", probes=True)
    assert scene.states == {"a": "pending"}
    assert scene.picks() == {}
    changes = scene.probe("a", PASSING, 0.3)
    assert [(each.before, each.after, each.reason) for each in changes.transitions] == [
        ("pending", "available", "probe passed")
    ]
    assert scene.picks() == {"a": 40}


def test_newcomer_that_the_engine_checks_awaits_no_probe() -> None:
    scene = Scene(probes=True)
    scene.describe("a", 1.0, has_healthcheck=True)
    scene.describe("b", 1.0, has_healthcheck=True, lifecycle=Lifecycle.PENDING)
    assert scene.states == {"a": "available", "b": "pending"}


def test_newcomer_that_the_engine_checks_awaits_the_probe_that_was_asked_for() -> None:
    scene = Scene(probes=True, health=HealthSpec(path="/"))
    scene.describe("a", 1.0, has_healthcheck=True)
    assert scene.states == {"a": "pending"}


def test_container_that_is_started_anew_is_pending_again() -> None:
    scene = probed("a", "b")
    scene.observe("a", Lifecycle.GONE, 2.0)
    scene.observe("a", Lifecycle.RUNNING, 3.0)
    scene.describe("a", 3.1, started=5000.0)
    assert scene.states["a"] == "pending"
    scene.probe("a", PASSING, 3.5)
    assert scene.states["a"] == "available"


def test_who_serves_goes_on_when_probes_are_asked_for() -> None:
    scene = Scene(probes=True)
    scene.describe("a", 1.0, has_healthcheck=True)
    scene.spec = type(scene.spec)(name="web", health=HealthSpec(path="/"))
    scene.reconcile(2.0)
    assert scene.states == {"a": "available"}


FAILING = {
    "softly": (SOFT, "failing its probes"),
    "hard": (HARD, "unreachable"),
}


@pytest.mark.parametrize(("verdict", "state"), FAILING.values(), ids=FAILING)
def test_failing_probes_take_it_down_and_passing_ones_bring_it_back(verdict: Verdict, state: str) -> None:
    scene = probed("a", "b")
    changes = scene.probe("a", verdict, 10.0, "what was wrong")
    assert [(each.after, each.reason) for each in changes.transitions] == [(state, "probe: what was wrong")]
    assert scene.picks() == {"b": 40}
    scene.probe("a", PASSING, 20.0)
    assert scene.states["a"] == "available"


def test_hard_verdict_withdraws_it_and_a_soft_one_does_not() -> None:
    scene = probed("a", "b", "c")
    withdrawn: list[str] = []
    scene.fleet.on_withdrawn = lambda backend: withdrawn.append(backend.name)
    scene.probe("a", SOFT, 10.0)
    scene.probe("b", HARD, 10.0)
    assert withdrawn == ["b"]


def test_verdict_survives_a_changed_configuration() -> None:
    scene = probed("a", "b")
    scene.probe("a", SOFT, 10.0)
    scene.spec = type(scene.spec)(name="web", health=HealthSpec(fall=7))
    scene.describe("a", 11.0, weight=3)
    assert scene.states["a"] == "failing its probes"


def test_verdict_is_of_the_address_whatever_service_it_serves() -> None:
    fleet = Fleet(random.Random(1), probes=True)
    one, other = ServiceSpec(name="web"), ServiceSpec(name="shop")
    here, there = backend_spec("a"), replace(backend_spec("a"), service="shop")
    fleet.reconcile(Desired(services=(one,), backends=(here,)), 0.0)
    fleet.probed(here.key, PASSING, "", 1.0)
    fleet.reconcile(Desired(services=(one, other), backends=(here, there)), 2.0)
    assert repr(fleet.services["shop"]) == "<Service shop 1/1 available>"  # its probes will not flip again
    fleet.probed(here.key, HARD, "connection refused", 3.0)
    fleet.reconcile(Desired(services=(other,), backends=(there,)), 4.0)
    fleet.reconcile(Desired(services=(one,), backends=(here,)), 5.0)
    assert [backend.unavailable for backend in fleet.backends()] == [Unavailable.UNREACHABLE]


FORGOTTEN = {
    "started anew": [Desired(services=(ServiceSpec(name="web"),), backends=(backend_spec("a", started=5000.0),))],
    "gone and back": [
        Desired(services=(ServiceSpec(name="web"),)),
        Desired(services=(ServiceSpec(name="web"),), backends=(backend_spec("a"),)),
    ],
}


@pytest.mark.parametrize("described", FORGOTTEN.values(), ids=FORGOTTEN)
def test_verdict_is_forgotten_with_what_it_was_of(described: list[Desired]) -> None:
    scene = probed("a")
    for desired in described:
        scene.fleet.reconcile(desired, 2.0)
    scene.fleet.reconcile(replace(described[-1], services=(*described[-1].services, ServiceSpec(name="shop"))), 3.0)
    assert [backend.unavailable for backend in scene.fleet.backends()] == [Unavailable.PENDING]


# the last one available


SOFT_ENDS = {
    "its probes fail softly": lambda scene: scene.probe("a", SOFT, 10.0, "slow"),
    "its HEALTHCHECK fails": lambda scene: scene.observe("a", Lifecycle.UNHEALTHY, 10.0),
}


@pytest.mark.parametrize("end", SOFT_ENDS.values(), ids=SOFT_ENDS)
def test_last_one_available_stays_and_the_fact_is_shown(end: Callable[[Scene], Changes]) -> None:
    scene = probed("a", "b")
    scene.observe("b", Lifecycle.GONE, 5.0)
    changes = end(scene)
    assert [each.after for each in changes.transitions] == ["available as the last one"]
    assert scene["a"].unavailable is None


def test_one_that_was_spared_is_down_as_soon_as_another_is_available() -> None:
    scene = probed("a", "b")
    scene.probe("b", SOFT, 10.0)
    scene.probe("a", SOFT, 11.0)
    assert scene.states == {"a": "available as the last one", "b": "failing its probes"}
    scene.probe("b", PASSING, 12.0)
    assert scene.states == {"a": "failing its probes", "b": "available"}
    assert scene.picks() == {"b": 40}


def test_one_that_was_spared_is_down_as_soon_as_another_joins() -> None:
    scene = probed("a")
    scene.probe("a", SOFT, 10.0)
    changes = scene.describe("b", 11.0, has_healthcheck=True)
    assert [(each.backend, each.after) for each in changes.transitions] == [
        ("b", "available"),
        ("a", "failing its probes"),
    ]
    assert scene.picks() == {"b": 40}


def test_one_that_was_spared_is_available_without_a_but_when_its_probes_pass() -> None:
    scene = probed("a")
    scene.probe("a", SOFT, 10.0)
    scene.probe("a", PASSING, 12.0)
    assert scene.states == {"a": "available"}


HARD_ENDS = {
    "refused": lambda scene: scene.probe("a", HARD, 10.0),
    "stopped": lambda scene: scene.observe("a", Lifecycle.GONE, 10.0),
    "refused after it was spared": lambda scene: (scene.probe("a", SOFT, 9.0), scene.probe("a", HARD, 10.0)),
}


@pytest.mark.parametrize("end", HARD_ENDS.values(), ids=HARD_ENDS)
def test_hard_evidence_takes_down_the_last_one_too(end: Callable[[Scene], object]) -> None:
    scene = probed("a")
    end(scene)
    assert scene.picks() == {}


# suspicion


SUSPICIOUS = [Failure.REFUSED, Failure.UNREACHABLE, Failure.CONNECT_TIMEOUT, Failure.RESET, Failure.CLOSED]


@pytest.mark.parametrize("failure", SUSPICIOUS, ids=lambda failure: failure.label)
def test_failure_to_take_a_request_makes_it_suspect_and_asks_for_a_probe(failure: Failure) -> None:
    scene = probed("a", "b")
    scene.fail("a", failure, 10.0)
    assert scene.reasons == [f"a suspect: {failure.label}"]
    assert scene.suspects == [scene["a"].key]
    assert scene.picks() == {"b": 40}
    scene.fail("a", failure, 10.1)
    assert len(scene.suspects) == 1  # it is being asked


@pytest.mark.parametrize("failure", [Failure.RESPONSE_TIMEOUT, Failure.TRUNCATED, Failure.STALE])
def test_failure_of_a_request_that_was_taken_makes_nobody_suspect(failure: Failure) -> None:
    scene = probed("a", "b")
    scene.fail("a", failure, 10.0)
    assert (scene.flips, scene.suspects) == ([], [])


def test_request_that_takes_long_makes_it_suspect_and_counts_for_nothing_else() -> None:
    scene = probed("a", "b")
    for now in (10.0, 11.0, 12.0, 13.0, 14.0):
        scene.suspect("a", Failure.TRY_TIMEOUT, now)
        assert scene.states["a"] == "suspect"
        scene.confirm("a", True, now + 0.1)
    assert len(scene.suspects) == 5
    assert scene.states["a"] == "available"
    assert scene["a"].circuit.window.failures == 0
    assert scene["a"].statistics.failures == {}


def test_request_that_takes_long_is_no_reason_to_ask_the_last_one() -> None:
    scene = probed("a", "b")
    scene.observe("b", Lifecycle.GONE, 9.0)
    scene.suspect("a", Failure.TRY_TIMEOUT, 10.0)
    assert (scene.flips, scene.suspects) == ([], [])


def test_suspect_that_answers_after_all_is_none() -> None:
    scene = probed("a", "b")
    scene.suspect("a", Failure.TRY_TIMEOUT, 10.0)
    scene.fleet.acquit(scene.service, scene["a"], 10.5)
    assert scene.reasons == ["a suspect: try-timeout", "a available: answered after all"]
    scene.confirm("a", False, 10.6)  # the probe had been asked for, and tells
    assert scene.states["a"] == "unreachable"


def test_one_that_has_left_is_neither_suspect_nor_acquitted() -> None:
    scene = probed("a", "b")
    leaver = scene["a"]
    del scene.backends["a"]
    scene.reconcile(5.0)
    scene.fleet.suspect(scene.service, leaver, Failure.TRY_TIMEOUT, 10.0)
    scene.fleet.acquit(scene.service, leaver, 10.5)
    assert (scene.flips, scene.suspects) == ([], [])


def test_confirming_probe_that_passes_clears_it() -> None:
    scene = probed("a", "b")
    scene.fail("a", Failure.RESET, 10.0)
    changes = scene.confirm("a", True, 10.1)
    assert [(each.after, each.reason) for each in changes.transitions] == [("available", "confirming probe passed")]


def test_confirming_probe_that_fails_takes_it_down_until_probes_pass() -> None:
    scene = probed("a", "b")
    scene.fail("a", Failure.RESET, 10.0)
    changes = scene.confirm("a", False, 10.1)
    assert [(each.after, each.reason) for each in changes.transitions] == [("unreachable", "confirming probe failed")]
    scene.probe("a", SOFT, 10.2)
    scene.fleet.sweep(50.0)
    assert scene.states["a"] == "unreachable"
    scene.probe("a", PASSING, 60.0)
    assert scene.states["a"] == "available"


def test_confirming_probe_that_fails_leaves_the_last_one_to_its_probes() -> None:
    scene = probed("a")
    scene.fail("a", Failure.CONNECT_TIMEOUT, 10.0)
    scene.confirm("a", False, 10.5)
    scene.probe("a", SOFT, 10.5, "no answer within 1s")
    assert scene.states == {"a": "available as the last one"}
    scene.probe("a", HARD, 11.0, "connection refused")
    assert scene.states == {"a": "unreachable"}


def test_suspicion_that_nobody_answers_runs_out() -> None:
    scene = probed("a", "b")
    scene.fail("a", Failure.RESET, 10.0)
    scene.fleet.sweep(10.0 + UNANSWERED_SUSPICION - 0.1)
    assert scene.states["a"] == "suspect"
    scene.fleet.sweep(10.0 + UNANSWERED_SUSPICION)
    assert scene.states["a"] == "available"


def test_address_in_two_services_has_one_verdict() -> None:
    scene = probed("a", "b")
    assert scene.fleet.confirmed(scene["b"].key, False, 5.0)
    assert scene.states == {"a": "available", "b": "unreachable"}


# nobody available


def test_suspects_serve_before_those_that_are_down_softly() -> None:
    scene = probed("a", "b", "c")
    scene.fail("a", Failure.RESET, 10.0)
    scene.probe("b", SOFT, 10.0)
    scene.probe("c", HARD, 10.0)
    assert scene.picks() == {"a": 40}
    assert scene.service.take([scene["a"]]) is scene["b"]
    assert scene.service.take([scene["a"], scene["b"]]) is None


def test_who_failed_longest_ago_serves_first() -> None:
    scene = Scene("a", "b", "c")
    for name, now in (("a", 120.0), ("b", 100.0), ("c", 140.0)):
        scene.fail(name, Failure.RESET, now)
    assert scene.picks() == {"b": 40}


def test_who_failed_about_the_same_time_shares_the_load() -> None:
    scene = Scene("a", "b")
    for name, now in (("a", 101.0), ("b", 108.0)):
        scene.fail(name, Failure.RESET, now)
    assert min(scene.picks(100).values()) > 20
    with scene.in_flight("a", 3):
        assert scene.picks() == {"b": 40}


def test_reasons_come_in_the_order_of_the_table() -> None:
    scene = probed("a", "b")
    scene.fail("a", Failure.RESET, 10.0, times=3)
    seen = [scene["a"].unavailable]
    scene.probe("a", SOFT, 11.0)
    seen.append(scene["a"].unavailable)
    scene.observe("a", Lifecycle.UNHEALTHY, 12.0)
    seen.append(scene["a"].unavailable)
    scene.probe("a", HARD, 13.0)
    seen.append(scene["a"].unavailable)
    scene.fleet.drain("a", 14.0)
    seen.append(scene["a"].unavailable)
    scene.observe("a", Lifecycle.DRAINING, 15.0)
    seen.append(scene["a"].unavailable)
    assert seen == [
        Unavailable.CIRCUIT_OPEN,
        Unavailable.FAILING,
        Unavailable.UNHEALTHY,
        Unavailable.UNREACHABLE,
        Unavailable.DRAINED,
        Unavailable.DRAINING,
    ]
