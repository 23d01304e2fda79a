"""Transitions over a real socket: live, resumed, and let go of."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from proxy.admin import events
from proxy.admin import server as server_module
from proxy.admin.events import KEPT, EventLog
from proxy.admin.server import AdminServer
from proxy.fleet.interface import Transition
from tests.admin.builders import Scene
from tests.support.waiting import wait_until_async

PATH = "/api/v1/events"
IN_TIME = 5.0  # seconds


def transition(backend: str = "web-1") -> Transition:
    return Transition(service="web", backend=backend, before="pending", after="available", reason="probe passed")


class Following:
    """A client that follows; `next` is the next event as fields of its text, comments left out."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def next(self) -> dict[str, str]:
        async with asyncio.timeout(IN_TIME):
            while True:
                text = (await self.response.content.readuntil(b"\n\n")).decode()
                if not text.startswith(":"):
                    return dict(line.split(": ", 1) for line in text.splitlines() if line)

    async def comment(self) -> str:
        async with asyncio.timeout(IN_TIME):
            return (await self.response.content.readuntil(b"\n\n")).decode()


@asynccontextmanager
async def following(client: ClientSession, last_event_id: str = "") -> AsyncIterator[Following]:
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    async with client.get(PATH, headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        stream = Following(response)
        assert (await stream.comment()).startswith(":")
        yield stream


def data(event: dict[str, str]) -> Any:
    return json.loads(event["data"])


# the log alone


async def test_log_keeps_the_last_thousand() -> None:
    log = EventLog()
    log.add(transition(f"b{number}") for number in range(KEPT + 5))
    kept = log.after(0)
    assert (len(kept), kept[0].number, kept[-1].number) == (KEPT, 6, KEPT + 5)
    assert [event.number for event in log.after(KEPT + 3)] == [KEPT + 4, KEPT + 5]
    assert log.after(KEPT + 5) == []


IDS: dict[str, tuple[str, int]] = {
    "none: from now on": ("", 7),
    "one that is kept": ("{boot}-3", 3),
    "one of another boot: from the first": ("00000000-5", 0),
    "one that is not one of ours: from the first": ("7", 0),
    "one that is still to come: from now on": ("{boot}-99", 7),
}


@pytest.mark.parametrize(("last_event_id", "number"), IDS.values(), ids=IDS)
async def test_client_goes_on_behind(last_event_id: str, number: int) -> None:
    log = EventLog()
    log.boot = "abcdef01"
    log.add(transition() for _ in range(7))
    assert log.resume_from(last_event_id.format(boot=log.boot)) == number


# over HTTP


async def test_transition_comes_as_it_happens(scene: Scene, client: ClientSession) -> None:
    scene.events.add([transition("before")])
    async with following(client) as stream:
        scene.events.add([transition("web-1"), transition("web-2")])
        first, second = await stream.next(), await stream.next()
        assert first["event"] == "transition"
        assert data(first) | {"time": ""} == {
            "time": "",
            "service": "web",
            "backend": "web-1",
            "before": "pending",
            "after": "available",
            "reason": "probe passed",
        }
        assert data(first)["time"].endswith("+00:00")
        assert data(second)["backend"] == "web-2"


async def test_client_that_comes_back_gets_what_it_missed(scene: Scene, client: ClientSession) -> None:
    async with following(client) as stream:
        scene.events.add([transition("seen")])
        seen = (await stream.next())["id"]
    scene.events.add([transition("missed-1"), transition("missed-2")])
    async with following(client, seen) as stream:
        assert [data(await stream.next())["backend"] for _ in range(2)] == ["missed-1", "missed-2"]
        scene.events.add([transition("live")])
        assert data(await stream.next())["backend"] == "live"


async def test_silence_is_broken_by_a_comment(
    scene: Scene, client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.02)
    async with following(client) as stream:
        assert await stream.comment() == ": nothing new\n\n"
        scene.events.add([transition()])
        assert data(await stream.next())["backend"] == "web-1"


async def test_client_that_left_is_forgotten(
    scene: Scene, client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.02)
    async with following(client):
        assert scene.events.followers == 1
    await wait_until_async(lambda: nobody_follows(scene.events), "the client's end to be seen", IN_TIME)


async def nobody_follows(log: EventLog) -> bool:
    return log.followers == 0


async def test_one_client_too_many_is_refused(
    scene: Scene, client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_FOLLOWERS", 1)
    async with following(client), client.get(PATH) as response:
        assert response.status == 503
        assert (await response.json())["hint"]


async def test_followers_do_not_keep_the_server_from_stopping(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_LAST_ANSWERS", 2 * IN_TIME)  # so long it would wait for answers under way
    server = AdminServer(scene.views, token=None)
    await server.start("127.0.0.1", 0)
    async with ClientSession(f"http://127.0.0.1:{server.address[1]}") as client, following(client) as stream:
        async with asyncio.timeout(IN_TIME):
            await server.stop()
        assert await stream.response.content.read() == b""
