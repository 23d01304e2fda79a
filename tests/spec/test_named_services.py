"""Several services in one container: `seawall.services.NAME.KEY`."""

from collections.abc import Mapping
from typing import Any

import pytest

from proxy.spec import kinds
from proxy.spec.container import Decision, Surroundings
from proxy.spec.labels import interpret
from tests.spec.builders import container, report

HERE = Surroundings()


def claims_by_service(labels: Mapping[str, str], **facts: Any) -> dict[str, tuple[int, str]]:
    return {
        claim.service.name: (claim.backend.key.port, claim.routes[0].text) for claim in report(labels, **facts).claims
    }


def test_named_services_each_have_their_own_keys() -> None:
    labels = {
        "seawall.services.Web.port": "80",
        "seawall.services.web.host": "a.example",
        "seawall.services.admin.port": "9000",
        "seawall.services.admin.path": "/admin",
        "seawall.services.admin.health.headers.x": "y",
    }
    result = report(labels)
    assert claims_by_service(labels) == {"web": (80, "Host(a.example)"), "admin": (9000, "PathPrefix(/admin)")}
    assert [claim.service.health.headers for claim in result.claims] == [(("x", "y"),), ()]
    assert {claim.backend.name for claim in result.claims} == {"web-1"}
    assert result.reason == "service admin at http://172.17.0.2:9000; service web at http://172.17.0.2:80"
    assert result.problems == ()


def test_plain_keys_beside_named_ones_make_one_more_service() -> None:
    labels = {"seawall.host": "a.example", "seawall.weight": "2", "seawall.services.admin.port": "9000"}
    assert claims_by_service(labels) == {"web-1": (80, "Host(a.example)"), "admin": (9000, "everything")}


def test_plain_keys_that_say_of_no_service_are_told_to_have_no_effect() -> None:
    result = report({"seawall.policy": "random", "seawall.services.admin.port": "9000"})
    (problem,) = result.problems
    assert [claim.service.name for claim in result.claims] == ["admin"]
    assert (problem.kind, problem.hint) == (kinds.UNUSED_KEY, "write seawall.services.NAME.policy")


def test_mistake_in_one_service_leaves_the_other_routed() -> None:
    result = report({"seawall.services.good.port": "80", "seawall.services.bad.port": "x"})
    (problem,) = result.problems
    assert (result.decision, [claim.service.name for claim in result.claims]) == (Decision.ROUTED, ["good"])
    assert problem.where == "container web-1, label seawall.services.bad.port"


def test_one_service_can_be_disabled() -> None:
    labels = {"seawall.services.a.port": "80", "seawall.services.b.port": "81", "seawall.services.b.enable": "false"}
    assert claims_by_service(labels) == {"a": (80, "everything")}


def test_one_service_can_be_enabled_alone() -> None:
    labels = {"seawall.services.a.port": "80", "seawall.services.b.port": "81", "seawall.services.b.enable": "true"}
    result = interpret(container(labels), HERE)
    assert [claim.service.name for claim in result.claims] == ["b"]


@pytest.mark.parametrize(
    ("label", "hint"),
    [
        pytest.param("seawall.services.web.prot", "did you mean seawall.services.web.port?", id="a misspelled key"),
        pytest.param("seawall.services.web.service", "", id="a name, which it has already"),
        pytest.param("seawall.services..port", "write seawall.services.NAME.KEY", id="no name"),
    ],
)
def test_unknown_key_of_a_named_service_is_a_warning(label: str, hint: str) -> None:
    result = report({label: "1"})
    (problem,) = result.problems
    assert (problem.kind, problem.where) == (kinds.UNKNOWN_KEY, f"container web-1, label {label}")
    assert problem.hint == hint
