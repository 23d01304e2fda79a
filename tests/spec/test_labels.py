"""One container's labels by table: the decision, its reason, and the problems with where, what and hint."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.problem import Severity
from proxy.spec import kinds
from proxy.spec.container import Container, Decision, Surroundings
from proxy.spec.label_set import OF_THE_CONTAINER
from proxy.spec.labels import interpret
from proxy.spec.route import EVERYTHING, AllOf, AnyOf, Header, Host, PathPrefix, Rule
from proxy.spec.service import (
    BackendKey,
    BackendSpec,
    CircuitSpec,
    HealthSpec,
    Lifecycle,
    LimitSpec,
    PolicyName,
    RetrySpec,
    ServiceSpec,
    TimeoutSpec,
)
from tests.spec.builders import container, enabled, report
from tests.spec.test_inspect import golden

HERE = Surroundings()

# routed


def test_enabled_container_is_routed_with_every_default() -> None:
    result = report(name="web-1")

    (claim,) = result.claims
    assert claim.service == ServiceSpec(name="web-1")
    assert claim.backend == BackendSpec(
        key=BackendKey(container="id-of-web-1", host="172.17.0.2", port=80),
        name="web-1",
        service="web-1",
        started=100.0,
    )
    (route,) = claim.routes
    assert (route.rule, route.service, route.priority, route.started) == (EVERYTHING, "web-1", None, 100.0)
    assert (result.decision, result.reason) == (Decision.ROUTED, "service web-1 at http://172.17.0.2:80")
    assert result.problems == ()


def test_facts_of_the_container_reach_the_backend() -> None:
    (claim,) = report(lifecycle=Lifecycle.PENDING, started=7.5, stop_timeout=30.0).claims
    backend = claim.backend
    assert (backend.lifecycle, backend.started, backend.stop_timeout) == (Lifecycle.PENDING, 7.5, 30.0)


GOLDEN_CHECKS: dict[str, tuple[str, bool]] = {
    "a health check that has not passed yet": ("health_starting", True),
    "a health check that fails": ("health_unhealthy", True),
    "a health check turned off": ("healthcheck_disabled", False),
    "none": ("nginx", False),
}


@pytest.mark.parametrize(("name", "checked"), GOLDEN_CHECKS.values(), ids=GOLDEN_CHECKS)
def test_backend_knows_whether_the_engine_checks_it(name: str, checked: bool) -> None:
    labels = {"seawall.enable": "true", "seawall.port": "80"}
    (claim,) = interpret(replace(golden(name), labels=labels), HERE).claims
    assert claim.backend.has_healthcheck is checked


BACKENDS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "another scheme": ({"seawall.scheme": "HTTPS"}, {"scheme": "https"}),
    "a weight": ({"seawall.weight": "256"}, {"weight": 256}),
    "a backup": ({"seawall.backup": "true"}, {"backup": True}),
    "a service": ({"seawall.service": "shop"}, {"service": "shop"}),
    "keys in capitals": ({"SeaWall.Weight": "5"}, {"weight": 5}),
    "spaces around a value": ({"seawall.weight": " 5 "}, {"weight": 5}),
}


@pytest.mark.parametrize(("labels", "facts"), BACKENDS.values(), ids=BACKENDS.keys())
def test_backend_has(labels: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    result = report(labels)
    (claim,) = result.claims
    assert {key: getattr(claim.backend, key) for key in facts} == facts
    assert result.problems == ()


ROUTES: dict[str, tuple[dict[str, str], Rule, str]] = {
    "no route label": ({}, EVERYTHING, "everything"),
    "a host": ({"seawall.host": "A.example"}, Host("a.example"), "Host(a.example)"),
    "hosts and a path": (
        {"seawall.host": "a.example, *.b.example", "seawall.path": "/api/"},
        AllOf((AnyOf((Host("a.example"), Host("*.b.example"))), PathPrefix("/api"))),
        "(Host(a.example) || Host(*.b.example)) && PathPrefix(/api)",
    ),
    "a rule, as it was written": (
        {"seawall.rule": "Host(`a.example`) && Header(`x`, `y`)"},
        AllOf((Host("a.example"), Header("x", "y"))),
        "Host(`a.example`) && Header(`x`, `y`)",
    ),
    "a rule beside a host: both must hold": (
        {"seawall.rule": "Header(x, y)", "seawall.host": "a.example"},
        AllOf((Header("x", "y"), Host("a.example"))),
        "Header(x, y) && Host(a.example)",
    ),
}


@pytest.mark.parametrize(("labels", "rule", "text"), ROUTES.values(), ids=ROUTES.keys())
def test_route_is(labels: Mapping[str, str], rule: Rule, text: str) -> None:
    ((route,),) = (claim.routes for claim in report(labels).claims)
    assert (route.rule, route.text) == (rule, text)


def test_priority_is_taken_over() -> None:
    ((route,),) = (claim.routes for claim in report({"seawall.priority": "-5"}).claims)
    assert route.priority == -5


NAMES: dict[str, tuple[dict[str, str], str]] = {
    "the label": ({"seawall.service": "shop", "com.docker.swarm.service.name": "x"}, "shop"),
    "project and service of compose": (
        {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"},
        "shop-web",
    ),
    "the Swarm service": ({"com.docker.swarm.service.name": "shop_web"}, "shop_web"),
    "the container, when compose names half": ({"com.docker.compose.project": "shop"}, "web-1"),
}


@pytest.mark.parametrize(("labels", "name"), NAMES.values(), ids=NAMES.keys())
def test_service_is_named_by(labels: Mapping[str, str], name: str) -> None:
    (claim,) = report(labels).claims
    assert claim.service.name == claim.backend.service == claim.routes[0].service == name


# service-level keys


def test_every_service_level_key_is_kept() -> None:
    (claim,) = report(EVERY_KEY).claims
    assert claim.service == ServiceSpec(
        name="web-1",
        policy=PolicyName.RANDOM,
        sticky="sid",
        strip_prefix=True,
        slow_start=0.0,
        drain=20.0,
        health=HealthSpec(
            path="/healthz?deep=1",
            port=8081,
            host="internal",
            method="HEAD",
            status=((200, 204), (301, 301)),
            headers=(("x-a", "1"), ("x-b", "2")),
            body="^ok",
            interval=5.0,
            fast_interval=0.1,
            timeout=0.5,
            fall=4,
            rise=1,
        ),
        circuit=CircuitSpec(
            gateway_failures=4, server_errors=6, ratio=0.25, window=20.0, min_requests=5, open=1.0, max_open=1.0
        ),
        retry=RetrySpec(attempts=1, statuses=(503,), non_idempotent=True, body=1024, budget=0.1, try_timeout=2.0),
        limit=LimitSpec(inflight=10, connections=20, queue=0, wait=0.0, body=2048),
        timeout=TimeoutSpec(connect=0.5, response=5.0, idle=6.0, keep_alive=7.0, tunnel=8.0),
    )


EVERY_KEY = {
    f"seawall.{key}": value
    for key, value in {
        "policy": "random",
        "sticky": "sid",
        "strip-prefix": "true",
        "slow-start": "0",
        "drain": "20s",
        "health.path": "/healthz?deep=1",
        "health.port": "8081",
        "health.host": "internal",
        "health.method": "head",
        "health.status": "200-204,301",
        "health.headers.X-B": "2",
        "health.headers.X-A": "1",
        "health.body": "^ok",
        "health.interval": "5s",
        "health.fast-interval": "100ms",
        "health.timeout": "500ms",
        "health.fall": "4",
        "health.rise": "1",
        "circuit.gateway-failures": "4",
        "circuit.server-errors": "6",
        "circuit.ratio": "0.25",
        "circuit.window": "20s",
        "circuit.min-requests": "5",
        "circuit.open": "1s",
        "circuit.max-open": "1",
        "retry.attempts": "1",
        "retry.statuses": "503",
        "retry.non-idempotent": "true",
        "retry.body": "1KiB",
        "retry.budget": "0.1",
        "retry.try-timeout": "2s",
        "limit.inflight": "10",
        "limit.connections": "20",
        "limit.queue": "0",
        "limit.wait": "0",
        "limit.body": "2KiB",
        "timeout.connect": "500ms",
        "timeout.response": "5s",
        "timeout.idle": "6s",
        "timeout.keep-alive": "7s",
        "timeout.tunnel": "8s",
    }.items()
}


def test_operators_defaults_replace_the_built_in_ones() -> None:
    surroundings = Surroundings(defaults={"policy": "random", "timeout.response": "5s", "limit.inflight": "9"})

    (claim,) = interpret(enabled({"seawall.limit.inflight": "none"}), surroundings).claims

    assert (claim.service.policy, claim.service.timeout) == (PolicyName.RANDOM, TimeoutSpec(response=5.0))
    assert claim.service.limit.inflight is None


def test_invalid_value_leaves_the_operators_default() -> None:
    surroundings = Surroundings(defaults={"timeout.response": "5s"})
    result = interpret(enabled({"seawall.timeout.response": "soon"}), surroundings)
    assert result.claims[0].service.timeout.response == 5.0


# ignored

IGNORED: dict[str, tuple[Container, Surroundings, str]] = {
    "no label at all": (container(), HERE, "no seawall label"),
    "labels, and none that enables": (container({"seawall.port": "80"}), HERE, "seawall.enable is not true"),
    "disabled": (
        container({"seawall.enable": "false"}),
        Surroundings(expose_by_default=True),
        "seawall.enable is not true",
    ),
    "the proxy itself": (enabled(id="abcdef0123"), Surroundings(own_id="abcdef0123"), "the proxy's own container"),
    "the proxy itself by its short id": (
        enabled(id="abcdef0123"),
        Surroundings(own_id="abcdef"),
        "the proxy's own container",
    ),
    "a one-off of compose": (golden("compose_one_off"), HERE, "a one-off container of docker compose run"),
    "a constraint's label is missing": (
        enabled(),
        Surroundings(constraints=(("tier", None),)),
        "the constraint tier does not hold",
    ),
    "a constraint's label has another value": (
        enabled({"tier": "back"}),
        Surroundings(constraints=(("tier", "front"),)),
        "the constraint tier=front does not hold",
    ),
    "one of two constraints": (
        enabled({"tier": "front"}),
        Surroundings(constraints=(("tier", "front"), ("zone", None))),
        "the constraint zone does not hold",
    ),
    "a container that ended": (
        enabled({"seawall.port": "nonsense"}, lifecycle=Lifecycle.GONE, attachments=()),
        HERE,
        "not running",
    ),
    "a container in the host's network that ended": (
        enabled(lifecycle=Lifecycle.GONE, attachments=(), host_network=True),
        HERE,
        "not running",
    ),
}


@pytest.mark.parametrize(("facts", "surroundings", "reason"), IGNORED.values(), ids=IGNORED.keys())
def test_container_is_ignored(facts: Container, surroundings: Surroundings, reason: str) -> None:
    result = interpret(facts, surroundings)
    assert (result.decision, result.reason, result.claims, result.problems) == (Decision.IGNORED, reason, (), ())


def test_expose_by_default_needs_no_label() -> None:
    assert interpret(container(), Surroundings(expose_by_default=True)).decision is Decision.ROUTED


def test_constraint_that_holds_routes() -> None:
    surroundings = Surroundings(constraints=(("tier", "front"), ("zone", None)))
    assert interpret(enabled({"tier": "front", "zone": ""}), surroundings).decision is Decision.ROUTED


def test_container_that_still_has_an_address_keeps_its_claim_when_gone() -> None:
    result = report(lifecycle=Lifecycle.GONE)
    assert (result.decision, result.claims[0].backend.lifecycle) == (Decision.ROUTED, Lifecycle.GONE)


# whatever the labels

_keys = st.sampled_from(["seawall." + key for key in OF_THE_CONTAINER]) | st.builds(
    "{}{}{}".format,
    st.sampled_from(
        ["seawall.", "SEAWALL.", "seawall.services.", "seawall.services.a.", "seawall.health.headers.", ""]
    ),
    st.sampled_from(["", "a.", "port", "rule", "host", "x"]),
    st.text(max_size=6),
)
_values = st.text(max_size=20) | st.sampled_from(
    ["true", "false", "80", "1s", "0", "Host(a)", "/a", "a.example", "none", "random", "200-299", "64KiB", "(" * 999]
)
_surroundings = st.builds(
    Surroundings,
    networks=st.none() | st.frozensets(st.sampled_from(["b0", "b1"])),
    expose_by_default=st.booleans(),
    defaults=st.dictionaries(st.sampled_from(["policy", "health.path", "nonsense"]), _values, max_size=2),
)


@given(st.dictionaries(_keys, _values, max_size=12), _surroundings, st.sampled_from(Lifecycle))
def test_any_labels_make_a_report(labels: dict[str, str], surroundings: Surroundings, lifecycle: Lifecycle) -> None:
    result = interpret(enabled(labels, lifecycle=lifecycle), surroundings)
    assert {problem.kind for problem in result.problems} <= kinds.ALL
    assert (result.decision is Decision.ROUTED) == bool(result.claims)
    assert result.reason
    if result.decision is Decision.PROBLEM:
        assert any(problem.severity is Severity.ERROR for problem in result.problems)
