"""`seawall status` against a running proxy, and one that is not there."""

import asyncio
import io
import json
import signal
import socket

import pytest
from rich.console import Console

from proxy.commands.status import Wishes, status
from tests.cli.seawall import Seawall, end, start
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend
from tests.support.seawall_process import SeawallProcess


def arguments(backend: ScriptedBackend) -> tuple[str, ...]:
    return ("--no-docker", "--backend", f"http://127.0.0.1:{backend.port}")


async def test_status_is_a_table_with_what_each_backend_does() -> None:
    async with ScriptedBackend() as backend, SeawallProcess(*arguments(backend)) as seawall:
        shown = await end(await start("status", "--admin", f"127.0.0.1:{seawall.admin_port}", "--interval", "50ms"))
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].startswith("seawall ")
    assert "ready" in lines[0]
    assert "1 of 1" in lines[3]
    assert f"127.0.0.1:{backend.port}" in lines[4]
    assert "available" in lines[4]


async def test_service_without_anybody_is_exit_code_1() -> None:
    async with ScriptedBackend() as backend:
        await backend.stop_listening()
        async with SeawallProcess(*arguments(backend)) as seawall:
            shown = await end(await start("status", "--admin", f"127.0.0.1:{seawall.admin_port}", "--interval", "50ms"))
    assert shown.code == 1
    assert "0 of 1" in shown.out
    assert "refused" in shown.out


async def test_json_has_every_figure() -> None:
    async with ScriptedBackend() as backend, SeawallProcess(*arguments(backend)) as seawall:
        process = await start(
            "status", "--json", "--watch", "--interval", "200ms", "--admin", f"127.0.0.1:{seawall.admin_port}"
        )
        assert process.stdout is not None
        await process.stdout.readline()
        async with RawClient(seawall.port) as client:
            for _ in range(5):
                assert (await client.get()).status == 200
        rates: list[float | None] = []
        while not any(rates):
            document = json.loads(await process.stdout.readline())
            (service,) = document["services"]
            rates.append(service["traffic"]["rate"])
        assert document["is_well"] is True
        assert service["traffic"]["p99"] > 0
        assert service["backends"][0]["last_probe"] in ("ok", "")
        process.send_signal(signal.SIGINT)
        assert (await end(process)).code == 0


async def test_watch_goes_on_while_the_proxy_is_away() -> None:
    async with ScriptedBackend() as backend:
        async with SeawallProcess(*arguments(backend)) as seawall:
            process = await start(
                "status", "--watch", "--json", "--interval", "50ms", "--admin", f"127.0.0.1:{seawall.admin_port}"
            )
            assert process.stdout is not None
            assert "services" in json.loads(await process.stdout.readline())
        async with asyncio.timeout(10):
            while "error" not in (document := json.loads(await process.stdout.readline())):
                pass
        assert "Connection refused" in document["error"]
        process.send_signal(signal.SIGINT)
        assert (await end(process)).code == 0


@pytest.mark.parametrize("more", [(), ("--watch",), ("--json",)])
def test_proxy_that_is_not_there_is_exit_code_2(seawall: Seawall, more: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        shown = seawall("status", "--admin", address, *more)
    assert shown.code == 2
    assert "Connection refused" in shown.err


def test_interval_that_is_no_duration_is_wrong_usage(seawall: Seawall) -> None:
    assert seawall("status", "--interval", "soon").code == 2


@pytest.mark.parametrize("width", [40, 120])
async def test_terminal_gets_a_table_that_fits(width: int) -> None:
    terminal = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    async with ScriptedBackend() as backend, SeawallProcess(*arguments(backend)) as seawall:
        options: dict[str, object] = {"config": None, "admin": f"127.0.0.1:{seawall.admin_port}"}
        code = await asyncio.to_thread(status, options, Wishes(interval=0.05), terminal)
    assert code == 0
    assert isinstance(terminal.file, io.StringIO)
    lines = terminal.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert ("CIRCUIT" in lines[2]) is (width == 120)
