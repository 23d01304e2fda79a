"""The table of what each event means."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.control.discovery.event import EngineEvent, read_event
from proxy.control.discovery.meaning import FORGET, INSPECT, NOTHING, Meaning, meaning
from proxy.spec.container import Attachment, ContainerReport
from proxy.spec.service import Lifecycle
from tests.spec.builders import container, report

NET = Attachment(network="net", network_id="n1", ip="10.0.0.2")
OTHER = Attachment(network="other", network_id="n2", ip="10.1.0.2")


def known(lifecycle: Lifecycle = Lifecycle.RUNNING, **facts: Any) -> ContainerReport:
    return report(**{"attachments": (NET,), "lifecycle": lifecycle, **facts})


def in_two_networks(named: str) -> ContainerReport:
    return report({"seawall.network": named}, attachments=(NET, OTHER))


def event(action: str, **facts: Any) -> EngineEvent:
    return EngineEvent(action=action, container="c", **facts)


DRAIN = Meaning(observe=Lifecycle.DRAINING)
GONE = Meaning(observe=Lifecycle.GONE)
CUT_OFF = Meaning(observe=Lifecycle.GONE, inspect=True)
HUP, INT, QUIT, KILL, USR1, TERM, WINCH = 1, 2, 3, 9, 10, 15, 28

TABLE = {
    "kill with the stop signal drains": (event("kill", signal=TERM), known(), DRAIN),
    "kill with INT drains": (event("kill", signal=INT), known(), DRAIN),
    "kill with QUIT drains": (event("kill", signal=QUIT), known(), DRAIN),
    "kill with KILL drains": (event("kill", signal=KILL), known(), DRAIN),
    "kill with the container's own stop signal drains": (
        event("kill", signal=USR1),
        known(stop_signals=frozenset({USR1})),
        DRAIN,
    ),
    "kill with HUP is nothing": (event("kill", signal=HUP), known(), NOTHING),
    "kill with USR1 is nothing": (event("kill", signal=USR1), known(), NOTHING),
    "kill with WINCH is nothing": (event("kill", signal=WINCH), known(), NOTHING),
    "kill of an unhealthy one drains": (event("kill", signal=TERM), known(Lifecycle.UNHEALTHY), DRAIN),
    "kill of one that starts drains": (event("kill", signal=TERM), known(Lifecycle.PENDING), DRAIN),
    "kill of a paused one changes nothing yet": (event("kill", signal=TERM), known(Lifecycle.PAUSED), NOTHING),
    "kill of a dead one is nothing": (event("kill", signal=TERM), known(Lifecycle.GONE), NOTHING),
    "kill without a signal, as other engines send it, is looked into": (event("kill"), known(), INSPECT),
    "pause takes out": (event("pause"), known(), Meaning(observe=Lifecycle.PAUSED)),
    "die takes out": (event("die"), known(), GONE),
    "oom takes out": (event("oom"), known(), GONE),
    "start is looked into": (event("start"), known(), INSPECT),
    "unpause is looked into": (event("unpause"), known(Lifecycle.PAUSED), INSPECT),
    "health is looked into": (event("health_status"), known(), INSPECT),
    "rename is looked into": (event("rename"), known(), INSPECT),
    "update is looked into": (event("update"), known(), INSPECT),
    "connect is looked into": (event("connect", network="n2"), known(), INSPECT),
    "disconnect from its network takes out": (event("disconnect", network="n1"), known(), CUT_OFF),
    "disconnect from another network is looked into": (event("disconnect", network="n2"), known(), INSPECT),
    "disconnect from the labelled one of two takes out": (
        event("disconnect", network="n2"),
        in_two_networks("other"),
        CUT_OFF,
    ),
    "disconnect from the other one of two is looked into": (
        event("disconnect", network="n1"),
        in_two_networks("other"),
        INSPECT,
    ),
    "disconnect of a dead one, part of every end, is nothing": (
        event("disconnect", network="n1"),
        known(Lifecycle.GONE),
        NOTHING,
    ),
    "destroy is forgotten": (event("destroy"), known(), FORGET),
}


@pytest.mark.parametrize(("happened", "before", "expected"), TABLE.values(), ids=TABLE)
def test_event_of_a_known_container(happened: EngineEvent, before: ContainerReport, expected: Meaning) -> None:
    assert meaning(happened, before) == expected


@pytest.mark.parametrize("action", ["start", "kill", "die", "pause", "oom", "connect", "disconnect"])
def test_event_of_an_unknown_container_is_looked_into(action: str) -> None:
    assert meaning(event(action, signal=TERM), None) == INSPECT


@pytest.mark.parametrize("action", ["kill", "die", "pause", "oom"])
def test_replayed_event_is_no_fact_but_looked_into(action: str) -> None:
    assert meaning(event(action, signal=TERM), known(), replayed=True) == INSPECT


def test_replayed_signal_that_stops_nothing_is_still_nothing() -> None:
    assert meaning(event("kill", signal=HUP), known(), replayed=True) == NOTHING


def test_container_without_services_is_looked_into_when_disconnected() -> None:
    ignored = replace(known(), claims=(), container=container(attachments=(NET,)))

    assert meaning(event("disconnect", network="n1"), ignored) == INSPECT


def document(kind: str = "container", action: str = "start", **more: Any) -> dict[str, Any]:
    actor = {"ID": "c1", "Attributes": {"name": "web-1", "signal": "15"}}
    return {"Type": kind, "Action": action, "Actor": actor, "time": 7, "timeNano": 7_000_000_001, **more}


def test_kill_is_read() -> None:
    assert read_event(document(action="kill")) == EngineEvent(
        action="kill", container="c1", name="web-1", signal=15, nanoseconds=7_000_000_001
    )


def test_health_status_is_read_without_its_detail() -> None:
    happened = read_event(document(action="health_status: unhealthy"))

    assert happened is not None
    assert happened.action == "health_status"


def test_network_event_is_about_its_container() -> None:
    actor = {"ID": "n1", "Attributes": {"container": "c1", "name": "net"}}

    assert read_event(document("network", "connect", Actor=actor)) == EngineEvent(
        action="connect", container="c1", network="n1", nanoseconds=7_000_000_001
    )


def test_event_without_nanoseconds_has_its_seconds() -> None:
    happened = read_event({key: value for key, value in document().items() if key != "timeNano"})

    assert happened is not None
    assert happened.time == 7.0


UNREAD = {
    "an exec, as each health check makes": document(action="exec_create: curl"),
    "an image": document("image", "pull"),
    "a network's creation": document("network", "create"),
    "no actor": document(Actor=None),
    "no id": document(Actor={"ID": "", "Attributes": {}}),
    "a network event without a container": document("network", "connect", Actor={"ID": "n1", "Attributes": None}),
    "no action": document(Action=None),
    "an action that is a list": document(Action=["start"]),
    "a list": [1, 2],
    "text": "start",
    "nothing": None,
}


@pytest.mark.parametrize("found", UNREAD.values(), ids=UNREAD)
def test_what_is_of_no_concern_is_not_read(found: object) -> None:
    assert read_event(found) is None


@pytest.mark.parametrize("signal", ["TERM", "", None, "-1", "²", [15]])
def test_signal_that_is_no_number_is_none(signal: object) -> None:
    happened = read_event(document(action="kill", Actor={"ID": "c1", "Attributes": {"signal": signal}}))

    assert happened is not None
    assert happened.signal is None
