"""Lines of the engine's list: what tells that a container must be inspected again."""

from typing import Any

import pytest

from proxy.control.discovery.listing import Listed, read_listing

NETWORKS = {"net": {"NetworkID": "n1", "EndpointID": "e1", "IPAddress": "10.0.0.2"}}


def line(**changes: Any) -> dict[str, Any]:
    return {
        "Id": "c1",
        "Names": ["/web-1"],
        "Labels": {"seawall.enable": "true"},
        "State": "running",
        "Status": "Up 3 seconds (healthy)",
        "NetworkSettings": {"Networks": NETWORKS},
        **changes,
    }


def read(**changes: Any) -> Listed:
    (listed,) = read_listing([line(**changes)])
    return listed


def test_line_is_read() -> None:
    listed = read()

    assert (listed.id, listed.name, listed.is_of_concern) == ("c1", "web-1", True)
    assert listed.labels == {"seawall.enable": "true"}


SAME = {
    "later": {"Status": "Up 5 minutes (healthy)"},
    "much later": {"Status": "Up 3 weeks (healthy)"},
    "other ports published": {"Ports": [{"PrivatePort": 80}]},
    "keys in another order": {"NetworkSettings": {"Networks": {"net": dict(reversed(NETWORKS["net"].items()))}}},
}
OTHER = {
    "unhealthy": {"Status": "Up 3 seconds (unhealthy)"},
    "starting": {"Status": "Up 3 seconds (health: starting)"},
    "paused": {"State": "paused", "Status": "Up 3 seconds (Paused)"},
    "ended": {"State": "exited", "Status": "Exited (0) 3 seconds ago"},
    "renamed": {"Names": ["/web-2"]},
    "restarted": {"NetworkSettings": {"Networks": {"net": {**NETWORKS["net"], "EndpointID": "e2"}}}},
    "at another address": {"NetworkSettings": {"Networks": {"net": {**NETWORKS["net"], "IPAddress": "10.0.0.3"}}}},
    "in one more network": {"NetworkSettings": {"Networks": {**NETWORKS, "more": {}}}},
    "in none": {"NetworkSettings": {"Networks": {}}},
}


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
def test_container_at_rest_has_the_same_fingerprint(changes: dict[str, Any]) -> None:
    assert read(**changes).fingerprint == read().fingerprint


@pytest.mark.parametrize("changes", OTHER.values(), ids=OTHER)
def test_changed_container_has_another_fingerprint(changes: dict[str, Any]) -> None:
    assert read(**changes).fingerprint != read().fingerprint


CONCERN = {
    "running without labels": ({"Labels": {}}, True),
    "paused without labels": ({"Labels": None, "State": "paused"}, True),
    "restarting without labels": ({"Labels": {}, "State": "restarting"}, True),
    "ended and labelled": ({"State": "exited"}, True),
    "ended and labelled in capitals": ({"State": "exited", "Labels": {"Seawall.Enable": "true"}}, True),
    "ended without labels": ({"State": "exited", "Labels": {"seawallish": "1"}}, False),
    "created without labels": ({"State": "created", "Labels": {}}, False),
    "dead without labels": ({"State": "dead", "Labels": {}}, False),
}


@pytest.mark.parametrize(("changes", "expected"), CONCERN.values(), ids=CONCERN)
def test_concern(changes: dict[str, Any], expected: bool) -> None:
    assert read(**changes).is_of_concern is expected


def test_linked_container_has_its_own_name() -> None:
    assert read(Names=["/other/alias", "/web-1"]).name == "web-1"


@pytest.mark.parametrize("names", [None, [], "web", ["web"]])
def test_container_without_a_name_has_the_start_of_its_id(names: object) -> None:
    assert read(Id="0123456789abcdef", Names=names).name == "0123456789ab"


@pytest.mark.parametrize("found", [None, 1, "c1", [], {}, {"Id": None}, {"Id": ""}, {"Id": 5}])
def test_line_in_no_known_format_is_left_out(found: object) -> None:
    assert [listed.id for listed in read_listing([found, line()])] == ["c1"]
