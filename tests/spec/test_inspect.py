"""The engine's documents, as files in golden/, read into containers; and those that cannot be."""

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.spec.container import Attachment, Container
from proxy.spec.inspect import read_container
from proxy.spec.service import Lifecycle

GOLDEN = Path(__file__).parent / "golden"
STARTED = 1746515289.123456  # 2025-05-06T07:08:09.123456789Z


def document(name: str) -> dict[str, Any]:
    loaded = json.loads((GOLDEN / f"{name}.json").read_text())
    assert isinstance(loaded, dict)
    return loaded


def golden(name: str) -> Container:
    return read_container(document(name))


def network_id(name: str) -> str:
    return hashlib.sha256(f"net{name}".encode()).hexdigest()


def test_compose_container_is_read_whole() -> None:
    container = golden("compose_running")

    assert container == Container(
        id=hashlib.sha256(b"shop-web-1").hexdigest(),
        name="shop-web-1",
        labels=container.labels,
        lifecycle=Lifecycle.RUNNING,
        started=pytest.approx(STARTED, abs=1e-6),  # type: ignore[arg-type]
        ports=(8000,),
        attachments=(Attachment(network="shop_default", network_id=network_id("shop_default"), ip="172.20.0.3"),),
        host_network=False,
        has_healthcheck=True,
        stop_signals=frozenset({2, 3, 9, 15}),
        stop_timeout=10.0,
    )
    assert container.labels["seawall.host"] == "shop.example"


FACTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a health check that has not passed yet": (
        "health_starting",
        {"lifecycle": Lifecycle.PENDING, "has_healthcheck": True},
    ),
    "a health check that fails": ("health_unhealthy", {"lifecycle": Lifecycle.UNHEALTHY, "has_healthcheck": True}),
    "a health check turned off": ("healthcheck_disabled", {"lifecycle": Lifecycle.RUNNING, "has_healthcheck": False}),
    "a paused container": ("paused", {"lifecycle": Lifecycle.PAUSED}),
    "a container that ended": ("exited", {"lifecycle": Lifecycle.GONE}),
    "a container that never ran": ("created", {"lifecycle": Lifecycle.GONE, "started": 0.0}),
    "a container between two tries to start": ("restarting", {"lifecycle": Lifecycle.GONE}),
    "udp ports left out, stop signal and timeout of its own": (
        "nginx",
        {"ports": (80, 443), "stop_signals": frozenset({2, 3, 9, 15}), "stop_timeout": 30.0},
    ),
    "a real-time stop signal, and a stop timeout without end": (
        "systemd",
        {"ports": (), "stop_signals": frozenset({2, 3, 9, 15, 37}), "stop_timeout": 86_400.0},
    ),
    "the host's network": ("host_network", {"host_network": True}),
    "IPv6 alone": (
        "ipv6_only",
        {"attachments": (Attachment(network="six", network_id=network_id("six"), ip="fd00:5ea:1::2"),)},
    ),
    "another container's network": ("other_containers_network", {"attachments": (), "host_network": False}),
}


@pytest.mark.parametrize(("name", "facts"), FACTS.values(), ids=FACTS.keys())
def test_fact_is_read(name: str, facts: Mapping[str, Any]) -> None:
    container = golden(name)
    assert {key: getattr(container, key) for key in facts} == facts


def test_networks_come_by_name() -> None:
    assert [attachment.network for attachment in golden("two_networks").attachments] == ["back", "front"]


@pytest.mark.parametrize("name", [path.stem for path in sorted(GOLDEN.glob("*.json"))])
def test_golden_document_is_read(name: str) -> None:
    assert golden(name).name == document(name)["Name"][1:]


@pytest.mark.parametrize(
    ("signal", "number"),
    [
        ("SIGTERM", 15),
        ("TERM", 15),
        ("term", 15),
        ("15", 15),
        ("SIGWINCH", 28),
        ("SIGRTMIN", 34),
        ("RTMIN+3", 37),
        ("SIGRTMAX-1", 63),
        ("", 15),
    ],
)
def test_stop_signal_becomes_a_number(signal: str, number: int) -> None:
    raw = document("nginx")
    raw["Config"]["StopSignal"] = signal
    assert read_container(raw).stop_signals == {2, 3, 9, 15, number}


@pytest.mark.parametrize(
    ("text", "started"),
    [
        pytest.param("2025-05-06T07:08:09Z", 1746515289.0, id="without fraction"),
        pytest.param("2025-05-06T09:08:09.5+02:00", 1746515289.5, id="in another time zone"),
        pytest.param("2025-05-06T07:08:09.1234567Z", STARTED, id="in tenths of microseconds"),
        pytest.param("0001-01-01T00:00:00Z", 0.0, id="the engine's zero"),
        pytest.param("", 0.0, id="nothing"),
    ],
)
def test_start_is_read(text: str, started: float) -> None:
    raw = document("nginx")
    raw["State"]["StartedAt"] = text
    assert read_container(raw).started == pytest.approx(started, abs=1e-6)


def test_absent_members_have_the_engines_defaults() -> None:
    raw = document("exited")
    raw["Config"] = {"Labels": None, "ExposedPorts": None}
    raw["NetworkSettings"] = None
    raw["HostConfig"] = None

    container = read_container(raw)

    assert (container.labels, container.ports, container.attachments) == ({}, (), ())
    assert (container.stop_signals, container.stop_timeout) == (frozenset({2, 3, 9, 15}), 10.0)


_ABSENT = object()
MALFORMED: dict[str, tuple[str, Any, str]] = {
    "no id": ("Id", _ABSENT, "Id is missing"),
    "an empty id": ("Id", "", "Id is empty"),
    "an id that is a number": ("Id", 5, "Id is '5', not of type str"),
    "no name": ("Name", "/", "Name is empty"),
    "no state": ("State", None, "State is missing"),
    "a state that is a list": ("State", [], "State is"),
    "no status": ("State.Status", _ABSENT, "State.Status is missing"),
    "a status that is true": ("State.Status", True, "State.Status is 'True'"),
    "a health that is text": ("State.Health", "ok", "State.Health is 'ok'"),
    "a health status that is a number": ("State.Health", {"Status": 1}, "State.Health.Status is '1'"),
    "a start that is no time": ("State.StartedAt", "yesterday", "State.StartedAt is 'yesterday', not a time"),
    "a start without time zone": ("State.StartedAt", "2025-05-06T07:08:09", "without a time zone"),
    "no config": ("Config", _ABSENT, "Config is missing"),
    "labels in a list": ("Config.Labels", ["a=b"], "Config.Labels is"),
    "a label that is a number": ("Config.Labels", {"a": 1}, "Config.Labels.a is '1'"),
    "a port that is none": ("Config.ExposedPorts", {"http/tcp": {}}, "Config.ExposedPorts has 'http/tcp'"),
    "a port out of range": ("Config.ExposedPorts", {"70000/tcp": {}}, "Config.ExposedPorts has '70000/tcp'"),
    "ports in a list": ("Config.ExposedPorts", ["80/tcp"], "Config.ExposedPorts is"),
    "an unknown stop signal": ("Config.StopSignal", "SIGNOTHING", "Config.StopSignal is 'SIGNOTHING', not a signal"),
    "a stop signal out of range": ("Config.StopSignal", "99", "not a signal"),
    "a real-time signal out of range": ("Config.StopSignal", "RTMIN+60", "not a signal"),
    "a stop signal that is a number": ("Config.StopSignal", 15, "not of type str"),
    "a stop timeout in words": ("Config.StopTimeout", "10s", "Config.StopTimeout is '10s'"),
    "a stop timeout that is true": ("Config.StopTimeout", True, "Config.StopTimeout is 'True'"),
    "networks in a list": ("NetworkSettings.Networks", [], "NetworkSettings.Networks is"),
    "a network that is text": ("NetworkSettings.Networks", {"a": "b"}, "NetworkSettings.Networks.a is 'b'"),
    "an address that is none": (
        "NetworkSettings.Networks",
        {"a": {"IPAddress": "172.17.0.300"}},
        "NetworkSettings.Networks.a has the address '172.17.0.300'",
    ),
    "settings in a list": ("NetworkSettings", [], "NetworkSettings is"),
}


@pytest.mark.parametrize(("place", "value", "what"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_document_is_refused(place: str, value: Any, what: str) -> None:
    raw = document("compose_running")
    *parents, key = place.split(".")
    at = raw
    for parent in parents:
        at = at[parent]
    if value is _ABSENT:
        del at[key]
    else:
        at[key] = value
    with pytest.raises(ValueError, match=r".") as caught:
        read_container(raw)
    assert what in str(caught.value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_places = st.sampled_from(
    [place for place, _, _ in MALFORMED.values()] + ["HostConfig", "HostConfig.NetworkMode", "State.Paused"]
)


@given(_places, _json)
def test_any_member_of_any_type_is_read_or_refused(place: str, value: Any) -> None:
    raw = copy.deepcopy(_COMPOSE)
    *parents, key = place.split(".")
    at = raw
    for parent in parents:
        at = at[parent]
    at[key] = value
    words = "read"
    try:
        read_container(raw)
    except ValueError as error:
        words = str(error)
    assert words


_COMPOSE = document("compose_running")
