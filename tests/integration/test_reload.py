"""SIGHUP: the file is read again by a proxy that goes on serving."""

import signal
from pathlib import Path

from tests.support.clients import Clients
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend
from tests.support.seawall_process import SeawallProcess


def write(file: Path, *backends: ScriptedBackend, more: str = "") -> None:
    urls = ", ".join(f'"http://127.0.0.1:{backend.port}"' for backend in backends)
    file.write_text(f"backend = [{urls}]\n{more}")


async def test_backends_of_the_file_are_others_after_it_and_nothing_fails(tmp_path: Path) -> None:
    file = tmp_path / "seawall.toml"
    async with ScriptedBackend() as one, ScriptedBackend() as two:
        write(file, one)
        async with SeawallProcess("--no-docker", "--config", str(file), "--workers", "2") as seawall:
            workers = seawall.workers
            async with Clients(seawall.port) as clients:
                await clients.answered(20)
                write(file, two)
                seawall.process.send_signal(signal.SIGHUP)
                await seawall.logged("configuration read", changed=["backend"], needs_a_new_start=[])
                await seawall.logged("backend", backend=f"127.0.0.1:{two.port}", after="available")
                before = len(one.heads)
                await clients.answered(40)
            assert clients.failed == []
            assert len(one.heads) <= before + 16  # two rounds of those that were under way
            assert seawall.workers == workers


async def test_settings_of_clients_hold_in_every_worker_after_it(tmp_path: Path) -> None:
    file = tmp_path / "seawall.toml"
    async with ScriptedBackend() as backend:
        write(file, backend)
        async with SeawallProcess("--no-docker", "--config", str(file), "--workers", "2") as seawall:
            write(file, backend, more='max-target = "1KiB"\nlog-format = "text"\ndrain = "5s"\n')
            seawall.process.send_signal(signal.SIGHUP)
            line = await seawall.logged("configuration read")
            assert set(line["changed"]) == {"max-target", "drain"}
            await seawall.admin("/api/v1/config")  # every worker has answered, and so has read what was sent before
            for _ in range(10):
                async with RawClient(seawall.port) as client:
                    assert (await client.get("/" + "x" * 2000)).status == 414
            shown = (await seawall.admin("/api/v1/config"))["settings"]
            assert shown["drain"] == {"value": 5.0, "origin": f"file {file}: drain"}


async def test_every_mistake_is_told_and_the_old_configuration_kept(tmp_path: Path) -> None:
    file = tmp_path / "seawall.toml"
    async with ScriptedBackend() as backend:
        write(file, backend)
        async with SeawallProcess("--no-docker", "--config", str(file)) as seawall:
            write(file, more='drain = "soon"\nmax-head = "much"\n')
            seawall.process.send_signal(signal.SIGHUP)
            await seawall.logged("configuration kept", problems=2)
            told = [line["where"] for line in seawall.log if line["event"] == "problem"]
            assert sorted(where.rpartition(": ")[2] for where in told) == ["drain", "max-head"]
            async with RawClient(seawall.port) as client:
                assert (await client.get()).status == 200
            file.write_text("drain = ")
            seawall.process.send_signal(signal.SIGHUP)
            await seawall.logged("configuration kept", problems=1)
            async with RawClient(seawall.port) as client:
                assert (await client.get()).status == 200
