"""Which route a request takes: the rules one by one, their order, and the index against a plain evaluation."""

import time
import timeit
from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.routes_cost import GROWING, nanoseconds_per_lookup
from proxy.fleet import route_terms
from proxy.fleet.routes import RouteTable
from proxy.spec.route import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Header,
    Host,
    Method,
    Not,
    Path,
    PathPrefix,
    Query,
    RouteSpec,
    Rule,
)
from proxy.wire.head import RequestHead
from tests.fleet.route_oracle import Oracle


def request(
    host: str = "a.example.com", target: str = "/", method: str = "GET", fields: Iterable[tuple[str, str]] = ()
) -> RequestHead:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in fields)]
    return RequestHead(
        method=method.encode(),
        target=target.encode(),
        path=target.partition("?")[0].encode(),
        host=host.encode(),
        minor=1,
        persistent=True,
        body=0,
        expects_continue=False,
        forward=b"",
        raw="\r\n".join([*lines, "", ""]).encode(),
    )


def table(*routes: RouteSpec | tuple[str, Rule]) -> RouteTable[str]:
    specs = [RouteSpec(service=route[0], rule=route[1]) if isinstance(route, tuple) else route for route in routes]
    return RouteTable.build(specs, str.upper)


def holds(rule: Rule, head: RequestHead) -> bool:
    return table(("it", rule)).match(head) == "IT"


API = PathPrefix("/api")
ADMIN = PathPrefix("/admin")

HOLDS: dict[str, tuple[Rule, RequestHead, bool]] = {
    "everything takes anything": (EVERYTHING, request("", "/x"), True),
    "no alternative takes nothing": (AnyOf(()), request(), False),
    "host is exact": (Host("a.example.com"), request("a.example.com"), True),
    "host is not a suffix": (Host("example.com"), request("a.example.com"), False),
    "wildcard takes one label": (Host("*.example.com"), request("a.example.com"), True),
    "wildcard takes no two labels": (Host("*.example.com"), request("b.a.example.com"), False),
    "wildcard takes no bare domain": (Host("*.example.com"), request("example.com"), False),
    "wildcard takes no empty label": (Host("*.example.com"), request(".example.com"), False),
    "two hosts at once cannot be": (AllOf((Host("a"), Host("b"))), request("a"), False),
    "exact within wildcard": (AllOf((Host("*.b"), Host("a.b"))), request("a.b"), True),
    "prefix takes itself": (API, request(target="/api"), True),
    "prefix takes what is below": (API, request(target="/api/x/y"), True),
    "prefix takes itself with a slash": (API, request(target="/api/"), True),
    "prefix takes itself with a query": (API, request(target="/api?x=/y"), True),
    "prefix takes whole segments only": (API, request(target="/apix"), False),
    "prefix takes nothing shorter": (API, request(target="/ap"), False),
    "prefix does not merge slashes": (API, request(target="//api"), False),
    "prefix with a slash at its end is the same": (PathPrefix("/api/"), request(target="/api"), True),
    "prefix / takes every path": (PathPrefix("/"), request(target="/x"), True),
    "prefix / does not take *": (PathPrefix("/"), request(target="*", method="OPTIONS"), False),
    "host without path takes *": (Host("a.example.com"), request(target="*", method="OPTIONS"), True),
    "two prefixes must both hold": (AllOf((API, PathPrefix("/api/v1"))), request(target="/api/v2"), False),
    "path is exact": (Path("/api"), request(target="/api"), True),
    "path takes nothing below": (Path("/api"), request(target="/api/"), False),
    "path and its prefix": (AllOf((Path("/api/x"), API)), request(target="/api/x"), True),
    "path outside its prefix cannot be": (AllOf((Path("/x"), API)), request(target="/x"), False),
    "header holds": (Header("x-a", "1"), request(fields=[("X-A", "1")]), True),
    "header in a second line holds": (Header("x-a", "1"), request(fields=[("X-A", "2"), ("x-a", "1")]), True),
    "header with another value": (Header("x-a", "1"), request(fields=[("X-A", "11")]), False),
    "header value keeps its case": (Header("x-a", "b"), request(fields=[("X-A", "B")]), False),
    "method holds": (Method("POST"), request(method="POST"), True),
    "method is exact": (Method("POST"), request(method="post"), False),
    "query holds": (Query("k", "v"), request(target="/?a=b&k=v"), True),
    "query with another value": (Query("k", "v"), request(target="/?k=vv"), False),
    "query is compared as sent": (Query("k", "a b"), request(target="/?k=a%20b"), False),
    "query value may hold an equals sign": (Query("k", "a=b"), request(target="/?k=a=b"), True),
    "query key without value": (Query("k", ""), request(target="/?k"), True),
    "query is not in the path": (Query("k", "v"), request(target="/k=v"), False),
    "not": (Not(Method("GET")), request(), False),
    "not not": (Not(Not(Method("GET"))), request(), True),
    "not all": (Not(AllOf((Method("GET"), API))), request(), True),
    "not any": (Not(AnyOf((Method("GET"), API))), request(target="/api", method="POST"), False),
    "not a host": (Not(Host("a.example.com")), request("a.example.com"), False),
    "8-bit path": (PathPrefix("/é"), request(target="/é/x"), True),
    "text that no head can carry": (PathPrefix("/\ud800"), request(target="/x"), False),
}

DOTS: dict[str, tuple[Rule, str, bool]] = {
    "out of the prefix": (API, "/api/../admin", False),
    "out of the prefix and no further": (API, "/api/..", False),
    "out, percent-encoded": (API, "/api/%2e%2e/admin", False),
    "out, percent-encoded in upper case": (API, "/api/%2E%2E/admin", False),
    "out, half encoded": (API, "/api/.%2e/admin", False),
    "out, the other half encoded": (API, "/api/%2E./admin", False),
    "out by way of below": (API, "/api/v1/../../admin", False),
    "out and in again": (API, "/api/../api/x", True),
    "out past slashes that a backend may merge": (API, "/api//../admin", False),
    "into the prefix from outside": (API, "/x/../api", False),
    "within the prefix": (API, "/api/v1/../v2", True),
    "to the prefix itself": (API, "/api/v1/..", True),
    "single dot": (API, "/api/./v1", True),
    "single dot at the end": (API, "/api/.", True),
    "single dot in front": (API, "/./api", False),
    "out of the deeper one": (PathPrefix("/api/v1"), "/api/v1/../v2", False),
    "three dots are a name": (API, "/api/.../x", True),
    "a dot file is a name": (PathPrefix("/.well-known"), "/.well-known/x", True),
    "dots within a name": (API, "/api/a..b/%2ehidden", True),
    "dots in the query": (API, "/api?x=/../y", True),
    "everything stays everything": (EVERYTHING, "/api/../admin", True),
    "the root stays the root": (PathPrefix("/"), "/../../x", True),
    "an excluded prefix cannot be entered": (Not(ADMIN), "/x/../admin", False),
    "an excluded prefix cannot be entered encoded": (Not(ADMIN), "/x/%2e%2E/admin/y", False),
    "an excluded prefix as sent": (Not(ADMIN), "/admin/../x", False),
    "elsewhere is not excluded": (Not(ADMIN), "/x/../y", True),
    "an excluded path cannot be entered": (Not(Path("/admin")), "/x/../admin", False),
    "an excluded path behind other conditions": (AllOf((Method("GET"), Not(ADMIN))), "/x/../admin", False),
    "a path is compared as sent": (Path("/admin"), "/x/../admin", False),
    "a path that has dots itself": (Path("/x/../y"), "/x/../y", True),
    "as a remaining condition": (AllOf((API, PathPrefix("/api/v1"))), "/api/v1/../v2", False),
}


@pytest.mark.parametrize(("rule", "head", "expected"), HOLDS.values(), ids=HOLDS)
def test_rule(rule: Rule, head: RequestHead, expected: bool) -> None:
    assert holds(rule, head) is expected


@pytest.mark.parametrize(("rule", "target", "expected"), DOTS.values(), ids=DOTS)
def test_dot_segments_cannot_leave_a_prefix(rule: Rule, target: str, expected: bool) -> None:
    assert holds(rule, request(target=target)) is expected


def test_an_escaping_path_goes_to_the_shorter_prefix_that_still_holds() -> None:
    routes = table(("deep", PathPrefix("/api/v1")), ("api", API), ("rest", EVERYTHING))
    assert routes.match(request(target="/api/v1/x")) == "DEEP"
    assert routes.match(request(target="/api/v1/../x")) == "API"
    assert routes.match(request(target="/api/v1/../../x")) == "REST"


WINS: dict[str, tuple[RouteSpec, RouteSpec, RequestHead]] = {
    "greater priority before specificity": (
        RouteSpec(service="w", rule=EVERYTHING, priority=1),
        RouteSpec(service="l", rule=AllOf((Host("a"), Path("/x")))),
        request("a", "/x"),
    ),
    "no priority counts as 0": (
        RouteSpec(service="w", rule=EVERYTHING),
        RouteSpec(service="l", rule=Path("/x"), priority=-1),
        request("a", "/x"),
    ),
    "longer path": (
        RouteSpec(service="w", rule=PathPrefix("/api/v1")),
        RouteSpec(service="l", rule=AllOf((API, Method("GET"), Not(Method("PUT"))))),
        request("a", "/api/v1"),
    ),
    "longer path before exact host": (
        RouteSpec(service="w", rule=API),
        RouteSpec(service="l", rule=Host("a")),
        request("a", "/api"),
    ),
    "exact path before a prefix as long": (
        RouteSpec(service="w", rule=Path("/api")),
        RouteSpec(service="l", rule=AllOf((API, Host("a")))),
        request("a", "/api"),
    ),
    "the root prefix is no longer than none": (
        RouteSpec(service="w", rule=Host("a")),
        RouteSpec(service="l", rule=PathPrefix("/")),
        request("a", "/api"),
    ),
    "exact host before wildcard": (
        RouteSpec(service="w", rule=Host("a.b")),
        RouteSpec(service="l", rule=AllOf((Host("*.b"), Method("GET")))),
        request("a.b"),
    ),
    "wildcard before any host": (
        RouteSpec(service="w", rule=Host("*.b")),
        RouteSpec(service="l", rule=AllOf((Method("GET"), Not(Method("PUT"))))),
        request("a.b"),
    ),
    "each alternative by itself": (
        RouteSpec(service="w", rule=Host("a.b"), started=9.0),
        RouteSpec(service="l", rule=AnyOf((Host("*.b"), Host("b")))),
        request("a.b"),
    ),
    "more conditions": (
        RouteSpec(service="w", rule=AllOf((Host("a"), Method("GET"))), started=2.0),
        RouteSpec(service="l", rule=Host("a"), started=1.0),
        request("a"),
    ),
    "the same condition twice counts once": (
        RouteSpec(service="w", rule=Host("a"), started=1.0),
        RouteSpec(service="l", rule=AllOf((Host("a"), Host("a"))), started=2.0),
        request("a"),
    ),
    "older": (
        RouteSpec(service="w", rule=EVERYTHING, started=1.0),
        RouteSpec(service="l", rule=EVERYTHING, started=2.0),
        request(),
    ),
    "name": (
        RouteSpec(service="v", rule=EVERYTHING, started=1.0),
        RouteSpec(service="w", rule=EVERYTHING, started=1.0),
        request(),
    ),
}


@pytest.mark.parametrize(("winner", "loser", "head"), WINS.values(), ids=WINS)
def test_of_two_that_hold_the_first_in_order_wins(winner: RouteSpec, loser: RouteSpec, head: RequestHead) -> None:
    assert table(loser).match(head) == loser.service.upper()
    for routes in (table(winner, loser), table(loser, winner)):
        assert routes.match(head) == winner.service.upper()


def test_a_better_route_whose_conditions_fail_makes_way() -> None:
    routes = table(
        ("post", AllOf((Host("a"), API, Method("POST")))),
        ("wild", AllOf((Host("*.b"), API, Method("POST")))),
        ("api", API),
        ("rest", EVERYTHING),
    )
    assert routes.match(request("a", "/api", "POST")) == "POST"
    assert routes.match(request("a", "/api")) == "API"
    assert routes.match(request("a.b", "/api", "POST")) == "WILD"
    assert routes.match(request("a", "/x")) == "REST"


@pytest.mark.parametrize(
    ("target", "prefix"),
    [("/api/x", b"/api"), ("/api/v1/x", b"/api/v1"), ("/apix", b""), ("/exact", b""), ("/api/../x", b"")],
)
def test_prefix_is_that_of_the_route_that_wins(target: str, prefix: bytes) -> None:
    routes = table(("any", EVERYTHING), ("api", API), ("one", PathPrefix("/api/v1/")), ("exact", Path("/exact")))
    assert routes.prefix_of(request(target=target)) == prefix
    assert table(("api", API)).prefix_of(request(target="/other")) == b""


def test_no_route_matches_nothing() -> None:
    assert table().match(request()) is None
    assert table().entries == ()


def test_entries_are_in_match_order() -> None:
    routes = table(
        RouteSpec(service="rest", rule=EVERYTHING, text="everything"),
        RouteSpec(service="mixed", rule=AnyOf((Host("*.b"), Host("a"), Host("c"))), text="hosts"),
        RouteSpec(service="first", rule=Method("PUT"), priority=5, text="put"),
    )
    shown = [(entry.position, entry.text, entry.service, entry.priority) for entry in routes.entries]
    assert shown == [
        (0, "put", "first", 5),
        (1, "hosts", "mixed", None),  # a and c
        (2, "hosts", "mixed", None),  # *.b
        (3, "everything", "rest", None),
    ]


def test_a_rule_with_too_many_alternatives_still_holds_where_it_should() -> None:
    digits = AnyOf(tuple(Query(f"k{number}", "1") for number in range(40)))
    letters = AnyOf(tuple(Header(f"x-{number}", "1") for number in range(40)))
    routes = table(("big", AllOf((digits, letters, API))), ("api", API), ("deep", PathPrefix("/api/v1")))
    fields = [("X-7", "1")]
    assert routes.match(request(target="/api/x?k39=1", fields=fields)) == "BIG"
    assert routes.match(request(target="/api/x?k40=1", fields=fields)) == "API"
    assert routes.match(request(target="/x?k39=1", fields=fields)) is None
    assert routes.match(request(target="/api/v1?k39=1", fields=fields)) == "DEEP"
    assert len(routes.entries) == 3


def test_a_thousand_hosts_in_one_rule_are_indexed() -> None:
    rule = AnyOf(tuple(Host(f"h{number}") for number in range(route_terms.MAX_TERMS)))
    assert all(term.host is not None for term in route_terms.terms_of(rule))
    assert holds(rule, request("h999"))


def test_a_prefix_of_thousands_of_segments_builds_and_matches() -> None:
    deep = "/a" * 4000
    routes = table(("deep", PathPrefix(deep)), ("rest", EVERYTHING))
    assert routes.match(request(target=deep + "/x")) == "DEEP"
    assert routes.match(request(target=deep[:-2])) == "REST"


@pytest.mark.parametrize(("make", "head"), GROWING.values(), ids=GROWING)
def test_cost_does_not_grow_with_the_number_of_routes(make: Callable[[int], list[Rule]], head: RequestHead) -> None:
    few = nanoseconds_per_lookup(make(10), head, repeats=15)
    many = nanoseconds_per_lookup(make(10_000), head, repeats=15)
    # A thousand times as many: caches that others fill too make it some multiple, a walk over them all hundreds.
    assert many <= 12 * few


@pytest.mark.parametrize("unit", ["/", "/a", "/..", "/a/..", "/%2e%2E", "/."])
def test_a_hostile_path_costs_no_more_than_its_length(unit: str) -> None:
    routes = table(("deep", PathPrefix("/a" * 50)), ("out", Not(ADMIN)))

    def seconds(count: int) -> float:
        # A suffix of its own for each lookup: what is remembered of the last path does not help.
        heads = [request(target=f"{unit * count}/{number}") for number in range(20)]
        runs = timeit.repeat(
            lambda: [routes.match(head) for head in heads], timer=time.thread_time, number=1, repeat=10
        )
        return min(runs)  # of CPU: a long run is interrupted on a busy machine, and a short one is not

    assert seconds(2000) <= 20 * 4 * seconds(100)


HOSTS = st.sampled_from(("a", "b", "a.b", "b.b", "*.b", "*.a.b", "a.a.b"))
SEGMENTS = st.sampled_from(("a", "b", "", ".", "..", "%2e", "%2E.", "...", "aa"))
PATHS = st.lists(SEGMENTS, max_size=5).map(lambda segments: "/" + "/".join(segments))
PREFIXES = st.lists(st.sampled_from(("a", "b", "")), max_size=3).map(lambda segments: "/" + "/".join(segments))
CONDITIONS = st.one_of(
    st.builds(Host, HOSTS),
    st.builds(
        PathPrefix, st.lists(st.sampled_from(("a", "b", "")), max_size=3).map(lambda parts: "/" + "/".join(parts))
    ),
    st.builds(Path, PATHS),
    st.builds(Method, st.sampled_from(("GET", "PUT"))),
    st.builds(Header, st.just("x-a"), st.sampled_from(("1", "2"))),
    st.builds(Query, st.just("k"), st.sampled_from(("1", "2", ""))),
)
RULES: st.SearchStrategy[Rule] = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
ROUTES = st.lists(
    st.builds(
        RouteSpec,
        rule=RULES,
        service=st.sampled_from("stuvwxyz"),
        priority=st.sampled_from((None, None, None, 0, 1, -1)),
        started=st.sampled_from((1.0, 2.0)),
    ),
    max_size=6,
)
REQUESTS = st.builds(
    request,
    host=st.sampled_from(("a", "b", "a.b", "b.b", "a.a.b", "", "c", ".b")),
    target=st.one_of(
        PATHS,
        st.just("*"),
        st.builds("{}?k={}".format, PATHS, st.sampled_from(("1", "2", "", "1&k=2"))),
    ),
    method=st.sampled_from(("GET", "PUT")),
    fields=st.lists(st.tuples(st.just("X-A"), st.sampled_from(("1", "2"))), max_size=2),
)


@settings(max_examples=400, deadline=None)
@given(routes=ROUTES, heads=st.lists(REQUESTS, min_size=1, max_size=8))
@example(routes=[RouteSpec(rule=PathPrefix("/a"), service="s")], heads=[request(target="/a//../b")])
def test_the_index_agrees_with_a_plain_evaluation(routes: list[RouteSpec], heads: list[RequestHead]) -> None:
    index = RouteTable.build(routes, str)
    oracle = Oracle(routes)
    for head in heads:
        assert index.match(head) == oracle.match(head)


@settings(max_examples=200, deadline=None)
@given(rule=RULES, heads=st.lists(REQUESTS, min_size=1, max_size=8))
def test_a_rule_evaluated_whole_agrees_with_a_plain_evaluation(rule: Rule, heads: list[RequestHead]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(route_terms, "MAX_TERMS", -1)
        whole = RouteTable.build([RouteSpec(rule=rule, service="s")], str)
    assert type(whole._index).__name__ == "Chain"
    oracle = Oracle([RouteSpec(rule=rule, service="s")])
    for head in heads:
        assert whole.match(head) == oracle.match(head)
