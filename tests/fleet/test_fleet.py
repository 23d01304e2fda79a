"""The fleet's calls: what survives, what leaves, and what the policies see of it. Times are literal."""

import random
import time

import pytest

from proxy.failure import Failure
from proxy.fleet.backend import Backend, Tier, Unavailable
from proxy.fleet.evidence import SUSPICION
from proxy.fleet.fleet import KEEP_DEPARTED, Fleet
from proxy.fleet.interface import Transition
from proxy.fleet.service import Service
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.route import EVERYTHING, Host, RouteSpec
from proxy.spec.service import BackendKey, BackendSpec, Lifecycle, PolicyName, ServiceSpec


def spec(name: str, service: str = "web", **changes: object) -> BackendSpec:
    key = BackendKey(container=f"id-{name}", host="10.0.0.1", port=80)
    return BackendSpec(key=key, name=name, service=service, **changes)  # type: ignore[arg-type]


def desired(*backends: BackendSpec, services: tuple[ServiceSpec, ...] = (ServiceSpec(name="web"),)) -> Desired:
    routes = tuple(RouteSpec(rule=EVERYTHING, service=service.name) for service in services[:1])
    return Desired(services=services, backends=backends, routes=routes)


def running(*backends: BackendSpec) -> tuple[Fleet, Service]:
    fleet = Fleet(random.Random(1))
    fleet.reconcile(desired(*backends), 0.0)
    return fleet, fleet.services["web"]


def named(service: Service, name: str) -> Backend:
    return next(backend for backend in service.backends.values() if backend.name == name)


def picks(service: Service, count: int = 40, *, trial_ok: bool = False) -> set[str]:
    """Names of those that take requests, each request ending at once."""
    names = set()
    for _ in range(count):
        backend = service.take((), trial_ok)
        if backend is not None:
            Service.release(backend)
            names.add(backend.name)
    return names


def test_newcomers_join_and_serve() -> None:
    fleet = Fleet(random.Random(1))
    changes = fleet.reconcile(desired(spec("a"), spec("b")), 0.0)
    assert len(changes.joined) == 2
    assert changes.routes_swapped
    assert picks(fleet.services["web"]) == {"a", "b"}


def test_equal_desired_changes_nothing() -> None:
    fleet, _ = running(spec("a"))
    routes = fleet.routes
    assert not fleet.reconcile(desired(spec("a")), 1.0)
    assert fleet.routes is routes
    assert fleet.version == 1


def test_survivors_keep_their_live_state() -> None:
    fleet, service = running(spec("a"), spec("b"))
    backend = named(service, "a")
    Service.take_again(backend)
    backend.statistics.count_failure(Failure.RESET)
    fleet.reconcile(desired(spec("a", weight=5), spec("c")), 1.0)
    assert named(service, "a") is backend
    assert (backend.in_flight, backend.weight, backend.statistics.failures) == (1, 5, {Failure.RESET: 1})


def test_leaver_takes_no_more_and_gives_back_what_it_has() -> None:
    fleet, service = running(spec("a"), spec("b"))
    leaver = named(service, "a")
    withdrawn: list[Backend] = []
    fleet.on_withdrawn = withdrawn.append
    Service.take_again(leaver)
    changes = fleet.reconcile(desired(spec("b")), 1.0)
    assert changes.left == (leaver.key,)
    assert withdrawn == [leaver]
    assert picks(service) == {"b"}
    Service.release(leaver)
    assert leaver.in_flight == 0


def test_departed_are_kept_for_a_scrape_and_then_forgotten() -> None:
    fleet, service = running(spec("a"), spec("b"))
    leaver = named(service, "a")
    fleet.reconcile(desired(spec("b")), 10.0)
    assert [backend for backend, _ in fleet.departed] == [leaver]
    fleet.reconcile(desired(spec("b")), 10.0 + KEEP_DEPARTED)
    assert fleet.departed == []


def test_service_that_goes_takes_its_backends_and_routes_along() -> None:
    fleet, service = running(spec("a"))
    changes = fleet.reconcile(Desired(), 1.0)
    assert len(changes.left) == 1
    assert changes.routes_swapped
    assert fleet.services == {}
    assert service.take(()) is None


def test_routes_are_swapped_whole_when_they_change() -> None:
    fleet, _ = running(spec("a"))
    before = fleet.routes
    wanted = Desired(
        services=(ServiceSpec(name="web"),),
        backends=(spec("a"),),
        routes=(RouteSpec(rule=Host("a.example"), service="web"),),
    )
    assert fleet.reconcile(wanted, 1.0).routes_swapped
    assert fleet.routes is not before


def test_changed_policy_takes_effect() -> None:
    fleet, service = running(spec("a"), spec("b"))
    changed = ServiceSpec(name="web", policy=PolicyName.ROUND_ROBIN)
    fleet.reconcile(desired(spec("a"), spec("b"), services=(changed,)), 1.0)
    assert all(backend.policy is None for backend in service.backends.values())  # round-robin watches no load
    assert picks(service) == {"a", "b"}


LIFECYCLES = {
    Lifecycle.DRAINING: Unavailable.DRAINING,
    Lifecycle.PAUSED: Unavailable.PAUSED,
    Lifecycle.GONE: Unavailable.GONE,
    Lifecycle.PENDING: Unavailable.PENDING,
    Lifecycle.UNHEALTHY: Unavailable.UNHEALTHY,
}


@pytest.mark.parametrize(("lifecycle", "reason"), LIFECYCLES.items(), ids=lambda value: value.value)
def test_observed_change_takes_effect_at_once(lifecycle: Lifecycle, reason: Unavailable) -> None:
    fleet, service = running(spec("a"), spec("b"))
    changes = fleet.observe("id-a", lifecycle, 1.0)
    assert changes.transitions == (
        Transition(service="web", backend="a", before="available", after=reason.value, reason=lifecycle.value),
    )
    assert picks(service) == {"b"}
    assert not fleet.observe("id-a", lifecycle, 2.0)
    assert fleet.observe("id-a", Lifecycle.RUNNING, 3.0)
    assert picks(service, trial_ok=True) == {"a", "b"}


def test_operator_drains_and_undrains_by_name() -> None:
    fleet, service = running(spec("a"), spec("b"))
    assert fleet.drain("a", 1.0).transitions[0].after == "drained by the operator"
    assert picks(service) == {"b"}
    fleet.reconcile(desired(spec("a", stop_timeout=5.0), spec("b")), 2.0)
    assert picks(service) == {"b"}
    assert fleet.undrain("a", 3.0)
    assert picks(service) == {"a", "b"}


def test_backup_serves_only_when_nobody_else_can() -> None:
    fleet, service = running(spec("a"), spec("b", backup=True))
    assert picks(service) == {"a"}
    fleet.observe("id-a", Lifecycle.DRAINING, 1.0)
    assert picks(service) == {"b"}


def test_retry_reaches_the_backup_when_all_others_were_tried() -> None:
    _, service = running(spec("a"), spec("b", backup=True))
    assert service.take((named(service, "a"),)) is named(service, "b")


def test_suspect_is_asked_last_until_its_time_is_over() -> None:
    fleet, service = running(spec("a"), spec("b"))
    flips: list[Transition] = []
    fleet.on_flip = flips.append
    fleet.report(service, named(service, "a"), Failure.REFUSED, 10.0)
    assert named(service, "a").tier is Tier.SUSPECT
    assert picks(service) == {"b"}
    fleet.observe("id-b", Lifecycle.GONE, 10.1)
    assert picks(service) == {"a"}  # better than no answer
    fleet.sweep(10.0 + SUSPICION - 0.01)
    assert len(flips) == 1
    fleet.sweep(10.0 + SUSPICION)
    assert [flip.after for flip in flips] == ["suspect", "available"]


@pytest.mark.parametrize("failure", [Failure.STALE, Failure.CLIENT_GONE, Failure.BAD_BODY, Failure.BAD_RESPONSE])
def test_nobodys_health_suffers_from_what_is_not_its_fault(failure: Failure) -> None:
    fleet, service = running(spec("a"))
    fleet.report(service, named(service, "a"), failure, 1.0)
    assert named(service, "a").unavailable is None
    assert named(service, "a").statistics.failures == {failure: 1}


def test_verdict_gives_the_first_reason_that_holds() -> None:
    fleet, service = running(spec("a"))
    fleet.drain("a", 1.0)
    fleet.observe("id-a", Lifecycle.GONE, 2.0)
    backend = named(service, "a")
    assert backend.unavailable is Unavailable.GONE
    assert backend.since == 2.0


def test_repr_tells_the_state() -> None:
    fleet, service = running(spec("a"))
    assert repr(named(service, "a")) == "<Backend web/a 10.0.0.1:80 available in_flight=0>"
    assert repr(service) == "<Service web 1/1 available>"
    assert "version=1" in repr(fleet)


def test_ten_thousand_first_probes_cost_as_many_steps_and_no_square_of_them() -> None:
    def cost(count: int) -> float:
        specs = tuple(spec(f"b{number}") for number in range(count))
        fleet = Fleet(random.Random(1), probes=True)
        fleet.reconcile(desired(*specs), 0.0)
        began = time.process_time()
        for each in specs:
            fleet.probed(each.key, Verdict.PASSING, "", 1.0)
        return time.process_time() - began

    assert min(cost(8000) for _ in range(2)) < 8 * 3 * min(cost(1000) for _ in range(3))
