"""Which network a container is reached in, from a process of the host and from a container."""

from collections.abc import Mapping
from typing import Any

import pytest

from proxy.problem import Severity
from proxy.spec import kinds
from proxy.spec.container import Attachment, Decision, Surroundings
from proxy.spec.labels import interpret
from tests.spec.builders import enabled
from tests.spec.test_inspect import golden

FRONT = Attachment(network="front", network_id="f0", ip="172.21.0.2")
BACK = Attachment(network="back", network_id="b0", ip="172.22.0.2")
SHOP = Attachment(network="shop_front", network_id="s0", ip="172.23.0.2")
BARE = Attachment(network="bare", network_id="x0", ip="")
MESH = Attachment(network="ingress", network_id="i0", ip="10.0.0.7")
SIX = Attachment(network="six", network_id="6", ip="fd00::2")

PROCESS = Surroundings()


def inside(*networks: str) -> Surroundings:
    return Surroundings(networks=frozenset(networks))


COMPOSE = {"com.docker.compose.project": "shop"}

FOUND: dict[str, tuple[dict[str, str], tuple[Attachment, ...], Surroundings, str]] = {
    "a process takes the only network": ({}, (FRONT,), PROCESS, "172.21.0.2"),
    "a process takes the labelled one of several": ({"seawall.network": "back"}, (FRONT, BACK), PROCESS, "172.22.0.2"),
    "a container takes the shared one of several": ({}, (FRONT, BACK), inside("b0", "z0"), "172.22.0.2"),
    "the label goes before what is shared": (
        {"seawall.network": "front"},
        (FRONT, BACK),
        inside("b0", "f0"),
        "172.21.0.2",
    ),
    "the name that a network has in its compose file": (
        COMPOSE | {"seawall.network": "front"},
        (SHOP, BACK),
        PROCESS,
        "172.23.0.2",
    ),
    "the exact name goes before the compose file's": (
        COMPOSE | {"seawall.network": "front"},
        (SHOP, FRONT),
        PROCESS,
        "172.21.0.2",
    ),
    "an empty label is none": ({"seawall.network": ""}, (FRONT,), PROCESS, "172.21.0.2"),
    "the routing mesh is passed by": ({}, (FRONT, MESH), PROCESS, "172.21.0.2"),
    "the routing mesh is passed by though shared": ({}, (FRONT, MESH), inside("f0", "i0"), "172.21.0.2"),
    "IPv6 alone": ({}, (SIX,), PROCESS, "fd00::2"),
    "the network of all services of the container": (
        {"seawall.network": "back", "seawall.services.a.port": "1"},
        (FRONT, BACK),
        PROCESS,
        "172.22.0.2",
    ),
    "the network of one service": (
        {"seawall.network": "back", "seawall.services.a.network": "front", "seawall.services.a.port": "1"},
        (FRONT, BACK),
        PROCESS,
        "172.21.0.2",
    ),
}


@pytest.mark.parametrize(("labels", "attachments", "surroundings", "ip"), FOUND.values(), ids=FOUND.keys())
def test_address_is_found(
    labels: Mapping[str, str], attachments: tuple[Attachment, ...], surroundings: Surroundings, ip: str
) -> None:
    result = interpret(enabled(labels, attachments=attachments), surroundings)
    assert [claim.backend.key.host for claim in result.claims] == [ip]
    assert result.problems == ()


NOT_FOUND: dict[str, tuple[dict[str, Any], dict[str, str], Surroundings, str, str, str]] = {
    "several networks lead there": (
        {"attachments": (FRONT, BACK)},
        {},
        PROCESS,
        kinds.SEVERAL_NETWORKS,
        "several networks lead to it: back, front",
        "name one with seawall.network",
    ),
    "several networks are shared": (
        {"attachments": (FRONT, BACK, SHOP)},
        {},
        inside("f0", "b0"),
        kinds.SEVERAL_NETWORKS,
        "several networks lead to it: back, front",
        "name one with seawall.network",
    ),
    "no network is shared": (
        {"attachments": (FRONT, BACK)},
        {},
        inside("z0"),
        kinds.NO_NETWORK,
        "it shares no network with the proxy; it is in back, front",
        "attach one of the two to a network of the other",
    ),
    "the labelled network is not its own": (
        {"attachments": (FRONT,)},
        {"seawall.network": "frnt"},
        PROCESS,
        kinds.UNKNOWN_NETWORK,
        "it is not in the network 'frnt'",
        "it is in front",
    ),
    "it is in no network": (
        {"attachments": ()},
        {},
        PROCESS,
        kinds.NO_NETWORK,
        "it is in no network of its own (network mode none, or another container's)",
        "attach it to a network",
    ),
    "it runs and has no address": (
        {"attachments": (BARE,)},
        {},
        PROCESS,
        kinds.NO_ADDRESS,
        "it has no address in the network bare",
        "",
    ),
    "it is in the host's network, the proxy in a container": (
        {"host_network": True, "attachments": ()},
        {},
        inside("f0"),
        kinds.NO_NETWORK,
        "it is in the host's network, which the proxy's container is not",
        "run the proxy in the host's network too, or give it as a static backend",
    ),
}


@pytest.mark.parametrize(
    ("facts", "labels", "surroundings", "kind", "what", "hint"), NOT_FOUND.values(), ids=NOT_FOUND.keys()
)
def test_address_is_not_found(
    facts: Mapping[str, Any], labels: Mapping[str, str], surroundings: Surroundings, kind: str, what: str, hint: str
) -> None:
    result = interpret(enabled(labels, **facts), surroundings)
    (problem,) = result.problems
    assert result.decision is Decision.PROBLEM
    assert (problem.kind, problem.what, problem.hint, problem.severity) == (kind, what, hint, Severity.ERROR)
    assert problem.where == "container web-1, label seawall.network"


def test_container_in_the_hosts_network_is_at_loopback_for_a_process() -> None:
    (claim,) = interpret(enabled(host_network=True, attachments=()), PROCESS).claims
    assert claim.backend.key.host == "127.0.0.1"


def test_labelled_network_that_the_proxy_is_not_in_is_used_with_a_warning() -> None:
    labels = {"seawall.network": "front"}
    result = interpret(enabled(labels, attachments=(FRONT, BACK)), inside("b0"))
    (problem,) = result.problems
    assert [claim.backend.key.host for claim in result.claims] == ["172.21.0.2"]
    assert (problem.kind, problem.severity) == (kinds.FOREIGN_NETWORK, Severity.WARNING)


def test_swarm_task_is_reached_in_its_own_network() -> None:
    (claim,) = interpret(golden("swarm_task"), PROCESS).claims
    assert (claim.service.name, claim.backend.key.host) == ("shop_web", "10.0.1.3")
