"""Containers and reports as the tests of this folder need them."""

from collections.abc import Mapping
from typing import Any

from proxy.spec.container import Attachment, Container, ContainerReport, Surroundings
from proxy.spec.labels import interpret
from proxy.spec.service import Lifecycle

BRIDGE = Attachment(network="bridge", network_id="b0", ip="172.17.0.2")


def container(labels: Mapping[str, str] | None = None, **changes: Any) -> Container:
    """A running container that exposes port 80 in the default bridge; its id follows from its name."""
    name = changes.setdefault("name", "web-1")
    facts: dict[str, Any] = {
        "id": f"id-of-{name}",
        "labels": dict(labels or {}),
        "lifecycle": Lifecycle.RUNNING,
        "started": 100.0,
        "ports": (80,),
        "attachments": (BRIDGE,),
        "host_network": False,
        "has_healthcheck": False,
        "stop_signals": frozenset({2, 3, 9, 15}),
        "stop_timeout": 10.0,
    }
    return Container(**facts | changes)


def enabled(labels: Mapping[str, str] | None = None, **changes: Any) -> Container:
    """The same, with `seawall.enable`."""
    return container({"seawall.enable": "true", **(labels or {})}, **changes)


def report(labels: Mapping[str, str] | None = None, **changes: Any) -> ContainerReport:
    """What becomes of an enabled container where the proxy is a process of the host."""
    return interpret(enabled(labels, **changes), Surroundings())
