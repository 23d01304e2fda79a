"""Services kept for a while after their last container. Times are literal."""

from dataclasses import replace

from proxy.control.departed import KEPT, departed_now, with_departed
from proxy.spec.desired import Desired
from proxy.spec.route import EVERYTHING, AllOf, Host, PathPrefix, RouteSpec, Rule
from proxy.spec.service import ServiceSpec

NOTHING = Desired()


def desired(**rules: Rule) -> Desired:
    """One service and one route for each name."""
    return Desired(
        services=tuple(ServiceSpec(name=name) for name in rules),
        routes=tuple(RouteSpec(rule=rule, service=name) for name, rule in rules.items()),
    )


WEB = desired(web=Host("web.example"))
BOTH = desired(web=Host("web.example"), api=PathPrefix("/api"))


def test_service_that_lost_its_last_container_keeps_its_route() -> None:
    departed = departed_now(BOTH, WEB, (), 100.0)
    kept = with_departed(WEB, departed)

    assert [service.name for service in kept.services] == ["web", "api"]
    assert kept.routes == BOTH.routes
    assert kept.backends == ()


def test_departed_service_is_kept_until_its_time_is_over() -> None:
    departed = departed_now(BOTH, WEB, (), 100.0)

    assert departed_now(WEB, WEB, departed, 100.0 + KEPT - 0.1) == departed
    assert departed_now(WEB, WEB, departed, 100.0 + KEPT) == ()


def test_later_reconcile_does_not_prolong_it() -> None:
    departed = departed_now(WEB, NOTHING, (), 100.0)

    assert departed_now(NOTHING, NOTHING, departed, 130.0)[0].until == 100.0 + KEPT


def test_service_that_is_back_is_departed_no_more() -> None:
    departed = departed_now(WEB, NOTHING, (), 100.0)
    back = desired(web=Host("new.example"))

    assert departed_now(NOTHING, back, departed, 110.0) == ()


def test_service_that_goes_again_has_its_newest_route_for_the_whole_time() -> None:
    first = departed_now(WEB, NOTHING, (), 100.0)
    back = desired(web=Host("new.example"))
    between = departed_now(NOTHING, back, first, 110.0)
    (again,) = departed_now(back, NOTHING, between, 120.0)

    assert (again.until, again.routes) == (120.0 + KEPT, back.routes)


def test_nothing_departed_leaves_desired_as_it_is() -> None:
    assert with_departed(WEB, ()) == WEB


def test_route_that_a_live_service_asks_for_is_not_kept_from_it() -> None:
    departed = departed_now(WEB, NOTHING, (), 100.0)
    renamed = desired(shop=Host("web.example"))

    assert with_departed(renamed, departed) == renamed


def test_same_rule_written_otherwise_is_not_kept_either() -> None:
    before = desired(old=AllOf((Host("a.example"), PathPrefix("/x"))))
    departed = departed_now(before, NOTHING, (), 100.0)
    now = desired(new=AllOf((PathPrefix("/x"), Host("a.example"))))

    assert with_departed(now, departed) == now


def test_equal_rule_of_another_priority_is_kept() -> None:
    before = Desired(
        services=(ServiceSpec(name="web"),),
        routes=(RouteSpec(rule=EVERYTHING, service="web", priority=5),),
    )
    departed = departed_now(before, NOTHING, (), 100.0)
    now = desired(shop=EVERYTHING)

    assert with_departed(now, departed).routes == (*now.routes, *before.routes)


def test_only_the_free_routes_of_a_departed_service_are_kept() -> None:
    routes = (RouteSpec(rule=Host("a"), service="web"), RouteSpec(rule=Host("b"), service="web"))
    before = replace(WEB, routes=routes)
    departed = departed_now(before, NOTHING, (), 100.0)
    now = desired(shop=Host("a"))

    assert with_departed(now, departed).routes == (*now.routes, routes[1])
