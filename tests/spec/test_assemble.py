"""Reports put together: who decides for a service, who keeps a route, and that order never matters."""

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.problem import Severity
from proxy.spec import kinds
from proxy.spec.assemble import Assembly, assemble
from proxy.spec.container import Attachment, ContainerReport
from proxy.spec.desired import Desired
from proxy.spec.route import EVERYTHING
from proxy.spec.service import Lifecycle, PolicyName
from proxy.spec.static import parse_static
from tests.spec.builders import report


def member(number: int, service: str = "shop", started: float = 100.0, **more: Any) -> ContainerReport:
    """A routed container of a service, at an address of its own; further labels with underscores for their dots."""
    facts = {key: more.pop(key) for key in ("lifecycle", "host_network", "attachments") if key in more}
    labels = {f"seawall.{key.replace('_', '.')}": value for key, value in more.items()}
    facts.setdefault("attachments", (Attachment(network="n", network_id="n0", ip=f"10.0.0.{number}"),))
    return report({"seawall.service": service, **labels}, name=f"c{number}", started=started, **facts)


def routes(assembly: Assembly) -> list[tuple[str, str]]:
    return [(route.text, route.service) for route in assembly.desired.routes]


def backends(assembly: Assembly) -> list[tuple[str, str]]:
    return [(backend.service, backend.name) for backend in assembly.desired.backends]


def test_nothing_makes_nothing() -> None:
    assert assemble([]) == Assembly(desired=Desired())


def test_replicas_make_one_service_with_one_route() -> None:
    assembly = assemble([member(2, started=50.0), member(1), member(3)])

    assert [service.name for service in assembly.desired.services] == ["shop"]
    assert backends(assembly) == [("shop", "c1"), ("shop", "c2"), ("shop", "c3")]
    (route,) = assembly.desired.routes
    assert (route.rule, route.service, route.started) == (EVERYTHING, "shop", 50.0)
    assert assembly.problems == ()


def test_containers_that_claim_nothing_add_nothing() -> None:
    unrouted = report({"seawall.port": "x"})
    assert assemble([unrouted]).desired == Desired()


# a deploy that changes labels


def test_newest_container_wins_whole() -> None:
    old = member(1, started=1.0, policy="random", host="a.example", timeout_response="5s")
    new = member(2, started=2.0, host="b.example")

    assembly = assemble([new, old])

    (service,) = assembly.desired.services
    assert (service.policy, service.timeout.response) == (PolicyName.LEAST_CONNECTIONS, 60.0)
    assert routes(assembly) == [("Host(b.example)", "shop")]
    assert assembly.problems == ()


def test_newest_wins_while_it_is_still_pending() -> None:
    old = member(1, started=1.0, host="a.example")
    new = member(2, started=2.0, host="b.example", lifecycle=Lifecycle.PENDING)
    assert routes(assemble([old, new])) == [("Host(b.example)", "shop")]


def test_container_on_its_way_out_no_longer_decides() -> None:
    for lifecycle in (Lifecycle.DRAINING, Lifecycle.GONE):
        old = member(1, started=1.0, host="a.example")
        new = member(2, started=2.0, host="b.example", lifecycle=lifecycle)
        assert routes(assemble([old, new])) == [("Host(a.example)", "shop")]


def test_last_container_keeps_the_route_on_its_way_out() -> None:
    assert routes(assemble([member(1, lifecycle=Lifecycle.DRAINING)])) == [("everything", "shop")]


def test_route_is_as_old_as_the_first_container_that_asked_for_it() -> None:
    reports = [
        member(1, started=1.0, host="a.example"),
        member(2, started=2.0, host="b.example"),
        member(3, started=3.0, host="b.example"),
    ]
    (route,) = assemble(reports).desired.routes
    assert (route.text, route.started) == ("Host(b.example)", 2.0)


# two services that want the same


def test_of_two_catch_alls_the_older_keeps_it() -> None:
    assembly = assemble([member(1, "late", started=2.0), member(2, "early", started=1.0)])

    assert routes(assembly) == [("everything", "early")]
    assert [service.name for service in assembly.desired.services] == ["early", "late"]
    (problem,) = assembly.problems
    assert (problem.kind, problem.severity) == (kinds.DUPLICATE_ROUTE, Severity.ERROR)
    assert problem.where == "container c1, service late"
    assert problem.what == "service early has the same route (everything) and started first"


def test_service_that_is_older_by_its_first_container_keeps_the_route() -> None:
    reports = [member(1, "a", started=1.0), member(2, "a", started=9.0), member(3, "b", started=5.0)]
    assert routes(assemble(reports)) == [("everything", "a")]


def test_same_rule_in_another_order_is_the_same_route() -> None:
    one = member(1, "one", host="a.example,b.example", started=1.0)
    other = member(2, "other", rule="Host(b.example, a.example)", started=2.0)
    assert routes(assemble([one, other])) == [("Host(a.example) || Host(b.example)", "one")]


def test_prefix_of_everything_is_a_catch_all() -> None:
    assert routes(assemble([member(1, "a", started=1.0), member(2, "b", path="/")])) == [("everything", "a")]


def test_priority_tells_equal_rules_apart() -> None:
    one, other = member(1, "one", host="a.example"), member(2, "other", host="a.example", priority="5")
    assert assemble([one, other]).problems == ()


def test_priority_0_is_the_same_as_none() -> None:
    one, other = member(1, "one", host="a.example"), member(2, "other", host="a.example", priority="0")
    assert [problem.kind for problem in assemble([one, other]).problems] == [kinds.DUPLICATE_ROUTE]


def test_service_that_only_drains_yields_its_route() -> None:
    leaving = member(1, "old-name", started=1.0, lifecycle=Lifecycle.DRAINING)
    assembly = assemble([leaving, member(2, "new-name", started=2.0)])
    assert routes(assembly) == [("everything", "new-name")]
    assert assembly.problems == ()


def test_services_of_one_container_that_want_the_same_are_settled_by_name() -> None:
    labels = {"seawall.services.b.port": "1", "seawall.services.a.port": "2"}
    assembly = assemble([report(labels)])
    assert routes(assembly) == [("everything", "a")]
    assert [problem.where for problem in assembly.problems] == ["container web-1, service b"]


# two containers at one address

SAME = (Attachment(network="n", network_id="n0", ip="10.0.0.1"),)


def test_address_given_again_belongs_to_the_newer_container() -> None:
    assembly = assemble([member(1, started=1.0, attachments=SAME), member(2, started=2.0, attachments=SAME)])
    assert backends(assembly) == [("shop", "c2")]
    (problem,) = assembly.problems
    assert (problem.kind, problem.where) == (kinds.DUPLICATE_ADDRESS, "container c1, service shop")
    assert problem.what == "container c2 serves at 10.0.0.1:80 already"


def test_address_of_a_container_that_leaves_is_taken_over_without_a_word() -> None:
    leaving = member(1, started=2.0, attachments=SAME, lifecycle=Lifecycle.GONE)
    assembly = assemble([leaving, member(2, started=1.0, attachments=SAME)])
    assert (backends(assembly), assembly.problems) == ([("shop", "c2")], ())


def test_port_of_the_host_belongs_to_the_container_that_bound_it_first() -> None:
    on_host: dict[str, Any] = {"host_network": True, "attachments": ()}
    assembly = assemble([member(1, "a", started=1.0, **on_host), member(2, "b", started=2.0, **on_host)])
    assert backends(assembly) == [("a", "c1")]
    assert [problem.kind for problem in assembly.problems] == [kinds.DUPLICATE_ADDRESS]


def test_services_of_one_container_may_share_a_port() -> None:
    labels = {"seawall.services.a.host": "a.example", "seawall.services.b.host": "b.example"}
    assembly = assemble([report(labels)])
    assert backends(assembly) == [("a", "web-1"), ("b", "web-1")]
    assert assembly.problems == ()


def test_backend_given_twice_in_one_service_counts_once() -> None:
    labels = {"seawall.service": "a", "seawall.services.a.weight": "2"}
    assembly = assemble([report(labels)])
    assert backends(assembly) == [("a", "web-1")]
    assert [(problem.kind, problem.severity) for problem in assembly.problems] == [
        (kinds.DUPLICATE_BACKEND, Severity.WARNING)
    ]


# static backends


def test_static_backends_take_every_request_under_any_name() -> None:
    for prefix, service in (("", "default"), ("shop=", "shop")):
        static = [parse_static(f"{prefix}http://10.0.0.{number}") for number in (1, 2)]
        assembly = assemble([], static)
        assert routes(assembly) == [("everything", service)]
        assert backends(assembly) == [(service, "10.0.0.1:80"), (service, "10.0.0.2:80")]


def test_first_static_service_keeps_the_catch_all() -> None:
    assembly = assemble([], [parse_static("web=http://10.0.0.1"), parse_static("api=http://10.0.0.2")])
    assert routes(assembly) == [("everything", "web")]
    assert [problem.where for problem in assembly.problems] == ["static backend http://10.0.0.2:80, service api"]


def test_static_service_keeps_the_catch_all_when_containers_come() -> None:
    assembly = assemble([member(1), member(2, "other", host="a.example")], [parse_static("http://10.0.0.9")])
    assert routes(assembly) == [("everything", "default"), ("Host(a.example)", "other")]
    assert [problem.where for problem in assembly.problems] == ["container c1, service shop"]


def test_containers_of_the_same_service_say_its_routes_and_settings() -> None:
    assembly = assemble([member(1, host="a.example", policy="random")], [parse_static("shop=http://10.0.0.9")])
    assert routes(assembly) == [("Host(a.example)", "shop")]
    assert assembly.desired.services[0].policy is PolicyName.RANDOM
    assert backends(assembly) == [("shop", "10.0.0.9:80"), ("shop", "c1")]


def test_static_backend_given_twice_counts_once() -> None:
    assembly = assemble([], [parse_static("http://10.0.0.1"), parse_static("http://10.0.0.1:80/")])
    assert backends(assembly) == [("default", "10.0.0.1:80")]
    assert [problem.kind for problem in assembly.problems] == [kinds.DUPLICATE_BACKEND]


# order

_reports = st.lists(
    st.builds(
        member,
        st.integers(1, 4),
        st.sampled_from(["a", "b"]),
        st.sampled_from([1.0, 2.0]),
        host=st.sampled_from(["a.example", "b.example", "a.example,b.example"]),
        priority=st.sampled_from(["0", "1"]),
        lifecycle=st.sampled_from([Lifecycle.RUNNING, Lifecycle.DRAINING]),
        services_x_host=st.sampled_from(["a.example", "x.example"]),
        attachments=st.just(SAME) | st.just((Attachment(network="n", network_id="n0", ip="10.0.0.7"),)),
    ),
    max_size=5,
    unique_by=lambda report: report.container.id,
)


@given(_reports, st.randoms(use_true_random=False))
def test_order_of_reports_never_matters(reports: Sequence[ContainerReport], chance: random.Random) -> None:
    shuffled = list(reports)
    chance.shuffle(shuffled)
    assert assemble(shuffled) == assemble(reports)


@given(_reports)
def test_every_route_and_backend_has_its_service(reports: Sequence[ContainerReport]) -> None:
    assembly = assemble(reports)
    names = [service.name for service in assembly.desired.services]
    assert len(names) == len(set(names))
    assert {backend.service for backend in assembly.desired.backends} == set(names)
    assert {route.service for route in assembly.desired.routes} <= set(names)
    assert {problem.kind for problem in assembly.problems} <= kinds.ALL
