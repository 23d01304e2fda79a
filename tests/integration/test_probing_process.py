"""`seawall run` with probes: when it begins to answer."""

import asyncio

import aiohttp

from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend
from tests.support.seawall_process import SeawallProcess

PROBED = ("--no-docker", "--default", "health.path=/healthz", "--default", "health.fast-interval=100ms")


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


def static(*backends: ScriptedBackend) -> list[str]:
    return [option for backend in backends for option in ("--backend", f"http://127.0.0.1:{backend.port}")]


async def slow_to_probes(connection: BackendConnection) -> None:
    """Answers a probe after 300 ms, others at once."""
    head = await connection.read_head()
    if b"/healthz" in head:
        await asyncio.sleep(0.3)
    await connection.write(OK)


async def test_first_request_waits_for_the_first_probe() -> None:
    async with ScriptedBackend(slow_to_probes) as backend, SeawallProcess(*PROBED, *static(backend)) as seawall:
        assert await get(seawall.url) == (200, "ok")
        assert b"/healthz" in backend.heads[0]


async def test_first_request_waits_no_longer_than_a_second_for_a_backend_that_hangs() -> None:
    async def hang(connection: BackendConnection) -> None:
        await connection.read_to_end()

    slow = ("--default", "health.timeout=60s")  # longer than the start may take here
    async with (
        ScriptedBackend(hang) as hanging,
        ScriptedBackend() as good,
        SeawallProcess(*PROBED, *slow, *static(hanging, good)) as seawall,
    ):
        await seawall.logged("serving without all backends: some were not found or have not answered a probe yet")
        assert await get(seawall.url) == (200, "ok")


async def test_process_without_backends_waits_for_nothing() -> None:
    async with SeawallProcess(*PROBED) as seawall:
        assert (await get(seawall.url))[0] == 404
        assert not any("probe" in line["event"] for line in seawall.log)


async def test_backend_that_stops_listening_is_out_and_back_again_by_its_probes() -> None:
    async with ScriptedBackend(name="other") as other, ScriptedBackend() as backend:
        name = f"127.0.0.1:{backend.port}"
        async with SeawallProcess(*PROBED, *static(other, backend)) as seawall:
            await backend.stop_listening()
            gone = await seawall.logged("backend", within=10, backend=name, before="available")
            assert "connection refused" in gone["reason"]
            assert await get(seawall.url) == (200, "ok")
            await backend.__aenter__()
            await seawall.logged("backend", within=15, backend=name, after="available", before=gone["after"])
