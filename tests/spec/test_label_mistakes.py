"""Mistakes in one container's labels by table: how far each reaches, and where, what and hint of its problem."""

from collections.abc import Mapping
from typing import Any

import pytest

from proxy.problem import Severity
from proxy.spec import kinds
from proxy.spec.container import Decision, Surroundings
from proxy.spec.labels import interpret
from tests.spec.builders import container, report

HERE = Surroundings()

# mistakes that harm nothing

WARNINGS: dict[str, tuple[dict[str, str], str, str, str]] = {
    "an unknown key": ({"seawall.prot": "80"}, kinds.UNKNOWN_KEY, "label seawall.prot", "did you mean seawall.port?"),
    "an unknown key in capitals": (
        {"Seawall.Hots": "a"},
        kinds.UNKNOWN_KEY,
        "label Seawall.Hots",
        "did you mean seawall.host?",
    ),
    "an unknown key in a group": (
        {"seawall.health.intervall": "1s"},
        kinds.UNKNOWN_KEY,
        "label seawall.health.intervall",
        "did you mean seawall.health.interval?",
    ),
    "service for services": (
        {"seawall.service.admin.port": "80"},
        kinds.UNKNOWN_KEY,
        "label seawall.service.admin.port",
        "several services of one container are written seawall.services.NAME.KEY",
    ),
    "a service without key": (
        {"seawall.services.admin": "80"},
        kinds.UNKNOWN_KEY,
        "label seawall.services.admin",
        "write seawall.services.NAME.KEY",
    ),
    "a key nothing is like": ({"seawall.xyzzy": "80"}, kinds.UNKNOWN_KEY, "label seawall.xyzzy", ""),
    "a weight of 0": (
        {"seawall.weight": "0"},
        kinds.INVALID_VALUE,
        "label seawall.weight",
        "write a number from 1 to 256",
    ),
    "a weight of 257": ({"seawall.weight": "257"}, kinds.INVALID_VALUE, "label seawall.weight", "write a number"),
    "a backup of maybe": ({"seawall.backup": "maybe"}, kinds.INVALID_VALUE, "label seawall.backup", "write true or"),
    "a priority in words": ({"seawall.priority": "high"}, kinds.INVALID_VALUE, "label seawall.priority", "write one"),
    "a duration without unit": (
        {"seawall.timeout.response": "5"},
        kinds.INVALID_VALUE,
        "label seawall.timeout.response",
        "write 5ms, 5s, 5m or 5h",
    ),
    "a probe without pause": (
        {"seawall.health.interval": "0"},
        kinds.INVALID_VALUE,
        "label seawall.health.interval",
        "write 0.01s to",
    ),
    "a cookie that is no name": ({"seawall.sticky": "a b"}, kinds.INVALID_VALUE, "label seawall.sticky", "use letters"),
    "a probe header that is no name": (
        {"seawall.health.headers.a b": "c"},
        kinds.INVALID_VALUE,
        "label seawall.health.headers.a b",
        "use letters",
    ),
    "a probe header that would smuggle": (
        {"seawall.health.headers.x": "a\r\nb"},
        kinds.INVALID_VALUE,
        "label seawall.health.headers.x",
        "",
    ),
    "a probe path without slash": (
        {"seawall.health.path": "healthz"},
        kinds.INVALID_VALUE,
        "label seawall.health.path",
        "it starts with /",
    ),
    "one key in two cases": (
        {"seawall.weight": "2", "Seawall.Weight": "3"},
        kinds.DUPLICATE_KEY,
        "label seawall.weight",
        "keep one of the two",
    ),
}


@pytest.mark.parametrize(("labels", "kind", "where", "hint"), WARNINGS.values(), ids=WARNINGS.keys())
def test_mistake_is_a_warning(labels: Mapping[str, str], kind: str, where: str, hint: str) -> None:
    result = report(labels)
    (problem,) = result.problems
    assert result.decision is Decision.ROUTED
    assert (problem.kind, problem.severity) == (kind, Severity.WARNING)
    assert problem.where == f"container web-1, {where}"
    assert problem.hint.startswith(hint)


def test_invalid_value_keeps_the_default() -> None:
    (claim,) = report({"seawall.weight": "0", "seawall.health.fall": "many"}).claims
    assert (claim.backend.weight, claim.service.health.fall) == (1, 3)


def test_misspelled_enable_is_told_though_nothing_is_routed() -> None:
    result = interpret(container({"seawall.enabled": "true"}), HERE)
    assert (result.decision, result.reason) == (Decision.IGNORED, "seawall.enable is not true")
    assert result.problems[0].hint == "did you mean seawall.enable?"


def test_settings_of_another_proxy_are_none_of_our_business() -> None:
    assert report({"seawall.proxy.listen": ":80"}).problems == ()


def test_flood_of_unknown_labels_is_bounded() -> None:
    result = report({f"seawall.{'x' * 1000}{number}": "" for number in range(5000)})
    assert len(result.problems) == 20


# mistakes that leave the container unrouted

ERRORS: dict[str, tuple[dict[str, str], dict[str, Any], str, str, str]] = {
    "a port in words": ({"seawall.port": "http"}, {}, kinds.BAD_PORT, "port", "'http' is not a port"),
    "an empty port": ({"seawall.port": ""}, {}, kinds.BAD_PORT, "port", "'' is not a port"),
    "no exposed port": ({}, {"ports": ()}, kinds.NO_PORT, "port", "no TCP port is exposed"),
    "several exposed ports": (
        {},
        {"ports": (80, 443)},
        kinds.SEVERAL_PORTS,
        "port",
        "several TCP ports are exposed: 80, 443",
    ),
    "an unknown scheme": ({"seawall.scheme": "h2c"}, {}, kinds.BAD_SCHEME, "scheme", "'h2c' is not a scheme"),
    "a broken rule": (
        {"seawall.rule": "Hst(a)"},
        {},
        kinds.BAD_RULE,
        "rule",
        "at character 1: there is no function 'Hst'",
    ),
    "an empty rule": ({"seawall.rule": ""}, {}, kinds.BAD_RULE, "rule", "at character 1: expected a condition"),
    "a bad host": ({"seawall.host": "a b"}, {}, kinds.BAD_RULE, "host", "'a b' is not a host name"),
    "an empty host": ({"seawall.host": ""}, {}, kinds.BAD_RULE, "host", "the host is empty"),
    "a bad path": ({"seawall.path": "api"}, {}, kinds.BAD_RULE, "path", "the path 'api' does not start with /"),
    "an unknown policy": ({"seawall.policy": "fastest"}, {}, kinds.BAD_POLICY, "policy", "'fastest' is not a policy"),
    "a bad name of a service": ({"seawall.service": "a b"}, {}, kinds.BAD_SERVICE, "service", "'a b' is not a name"),
    "enable in other words": ({"seawall.enable": "yes"}, {}, kinds.BAD_ENABLE, "enable", "'yes' is not a boolean"),
}


@pytest.mark.parametrize(("labels", "facts", "kind", "key", "what"), ERRORS.values(), ids=ERRORS.keys())
def test_mistake_leaves_it_unrouted(
    labels: Mapping[str, str], facts: Mapping[str, Any], kind: str, key: str, what: str
) -> None:
    result = report(labels, **facts)
    (problem,) = result.problems
    assert (result.decision, result.claims) == (Decision.PROBLEM, ())
    assert (problem.kind, problem.severity) == (kind, Severity.ERROR)
    assert problem.where == f"container web-1, label seawall.{key}"
    assert problem.what.startswith(what)
    assert result.reason == problem.what


def test_name_that_nobody_labelled_is_not_blamed_on_a_label() -> None:
    (problem,) = report({"com.docker.swarm.service.name": "a b"}).problems
    assert (problem.kind, problem.where) == (kinds.BAD_SERVICE, "container web-1")


def test_labelled_port_settles_it_however_many_are_exposed() -> None:
    for ports in ((), (80, 443)):
        assert report({"seawall.port": "8080"}, ports=ports).claims[0].backend.key.port == 8080


def test_every_mistake_is_told_at_once() -> None:
    result = report({"seawall.port": "x", "seawall.rule": "(", "seawall.weight": "0", "seawall.hots": "a"})
    assert {problem.kind for problem in result.problems} == {
        kinds.BAD_PORT,
        kinds.BAD_RULE,
        kinds.INVALID_VALUE,
        kinds.UNKNOWN_KEY,
    }


def test_policy_of_later_is_refused_with_those_of_today() -> None:
    (problem,) = report({"seawall.policy": "adaptive"}).problems
    assert problem.hint == "one of random, round-robin, least-connections"
