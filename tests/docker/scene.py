"""A proxy and its containers as tests of their health see them: what the API says, what the log told, who was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.docker.conftest import AnsweringEngine
from tests.support.containers import Backend, RunBackend
from tests.support.seawall_process import SeawallProcess
from tests.support.waiting import wait_until_async

LABELS = {"seawall.enable": "true", "seawall.service": "web", "seawall.port": "8000"}
PATIENCE = 20.0  # seconds; only what never comes takes as long
Transition = tuple[str, ...]  # backend, before, after, reason


async def replicas(run_backend: RunBackend, count: int, prefix: str = "web", **options: Any) -> list[Backend]:
    """Backends of one service, all of them up."""
    labels = {**LABELS, **options.pop("labels", {})}
    started = [run_backend(f"{prefix}-{number}", labels=labels, **options) for number in range(count)]
    return list(await asyncio.gather(*started))


async def settle(seconds: float) -> None:
    """Let the load go on for a while: here time itself is what is tested."""
    await asyncio.sleep(seconds)


async def told(engine: AnsweringEngine, backend: Backend, action: str, since: float) -> float:
    """When the engine told first of what it did to the container since then, in seconds since the epoch.

    For what has just happened: an engine remembers no more than its last 256 events, and other tests use it too.
    """
    wanted = {"container": backend.id, "event": action}
    events = await asyncio.to_thread(engine.client.events, since=int(since), decode=True, filters=wanted)
    first = await asyncio.to_thread(next, events)
    events.close()
    return float(first["timeNano"] / 1e9)


# what the proxy says


async def standing(seawall: SeawallProcess, backend: Backend) -> dict[str, Any]:
    """The backend in the API; empty while it is not known there."""
    document = await seawall.admin(f"/api/v1/backends/{backend.container.name}")
    found: list[dict[str, Any]] = document.get("backends", [])
    return found[0] if found else {}


async def until_serving(seawall: SeawallProcess, *backends: Backend, within: float = PATIENCE) -> None:
    """The proxy holds these backends available."""
    for backend in backends:
        await until(seawall, backend, None, within)


async def until(seawall: SeawallProcess, backend: Backend, reason: str | None, within: float = PATIENCE) -> None:
    """The backend is unavailable for this reason; None: available."""

    async def is_so() -> bool:
        document = await standing(seawall, backend)
        return bool(document) and document["reason"] == reason

    await wait_until_async(is_so, f"{backend!r} to be {reason or 'available'}", within)


async def metric(seawall: SeawallProcess, name: str, backend: Backend, **labels: str) -> float:
    """The sum of the backend's samples of this name that have these labels."""
    async with aiohttp.ClientSession() as session, session.get(f"{seawall.admin_url}/metrics") as response:
        text = await response.text()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    labels["backend"] = str(backend.container.name)
    wanted = [sample for sample in samples if sample.name == name and labels.items() <= sample.labels.items()]
    assert wanted, f"no {name} with {labels}"
    return sum(sample.value for sample in wanted)


def logged_transitions(seawall: SeawallProcess) -> list[Transition]:
    """Those of all backends, as the log has them."""
    return [_transition(line) for line in seawall.log if line["event"] == "backend"]


def states_of(seawall: SeawallProcess, backend: Backend) -> list[str]:
    """The states it has come to, in order."""
    return [after for name, _, after, _ in logged_transitions(seawall) if name == backend.container.name]


@asynccontextmanager
async def following(seawall: SeawallProcess) -> AsyncIterator[list[Transition]]:
    """Those of all backends, as the API streams them meanwhile."""
    heard: list[Transition] = []
    async with aiohttp.ClientSession() as session:
        # an id of another boot: everything there is, not only what comes
        fields = {"Last-Event-ID": "00000000-0"}
        async with session.get(f"{seawall.admin_url}/api/v1/events", headers=fields) as response:
            listening = asyncio.create_task(_listen(response, heard))
            try:
                yield heard
            finally:
                listening.cancel()
                await asyncio.wait([listening])


async def _listen(response: aiohttp.ClientResponse, heard: list[Transition]) -> None:
    async for line in response.content:
        name, _, data = line.partition(b": ")
        if name == b"data":
            heard.append(_transition(json.loads(data)))


def _transition(document: Mapping[str, str]) -> Transition:
    return tuple(document[key] for key in ("backend", "before", "after", "reason"))


# what the backends say


async def until_left_alone(seawall: SeawallProcess, backend: Backend) -> int:
    """How many requests it had when the last was answered. For one that is unavailable already.

    A worker that is asked for its figures has read before what it was told of the backend.
    """

    async def is_idle() -> bool:
        return int((await standing(seawall, backend))["in_flight"]) == 0

    await wait_until_async(is_idle, f"{backend!r} to have nothing in flight", 10)
    return await requests_of(backend)


async def requests_of(backend: Backend) -> int:
    """How many requests it was sent, probes of /health and questions of the test not among them."""
    return int((await backend.get("/stats"))["requests"])


async def probes_of(backend: Backend) -> int:
    """How often it was asked for /health."""
    return int((await backend.get("/stats"))["probes"])


async def become(backend: Backend, **manners: int) -> int:
    """From now on it misbehaves like this: see Manners in backend_app/app.py. How many requests it had until now."""
    answer = await backend.get("/become?" + "&".join(f"{name}={value}" for name, value in manners.items()))
    return int(answer["requests"])
