"""SIGUSR2 to a `seawall run`: it starts the next one, which takes over from it, or fails and has changed nothing."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import SeawallError
from proxy.processes import service_manager, successor
from proxy.processes.successor import Successor, take_connection
from tests.support.load import Load
from tests.support.prelude import Prelude
from tests.support.raw_client import RawClient
from tests.support.recording_log import RecordingLog
from tests.support.scripted_backend import Holding, ScriptedBackend
from tests.support.seawall_process import SeawallProcess, is_alive
from tests.support.waiting import wait_until_async

FAILED = "successor failed, this one goes on"


def proxy_of(backend: ScriptedBackend, *options: str, environment: dict[str, str] | None = None) -> SeawallProcess:
    url = f"http://127.0.0.1:{backend.port}"
    return SeawallProcess("--no-docker", "--backend", url, *options, environment=environment)


async def succeed(seawall: SeawallProcess, pid: int, count: int = 1) -> int:
    """SIGUSR2 to this one; the pid of the one that serves in its place, as number `count` that did."""
    os.kill(pid, signal.SIGUSR2)

    def serving() -> list[int]:
        return [line["pid"] for line in seawall.log if line["event"] == "successor serves"]

    async def is_served() -> bool:
        return len(serving()) == count

    await wait_until_async(is_served, "the successor", 30)
    return serving()[-1]


def events(seawall: SeawallProcess) -> list[str]:
    return [line["event"] for line in seawall.log]


# it serves


@pytest.mark.parametrize("workers", [1, 2])
async def test_nobody_is_refused_while_the_successor_takes_over(workers: int) -> None:
    async with (
        ScriptedBackend() as backend,
        proxy_of(backend, "--workers", str(workers)) as old,
        Load(old.url, rate=500, keep_alive=False) as load,
    ):
        pid = await succeed(old, old.process.pid)
        assert pid != old.process.pid
        assert await asyncio.wait_for(old.process.wait(), 20) == 0
        ended = len(load.report.records)

        async def has_served_alone() -> bool:
            return len(load.report.records) > ended + 500

        await wait_until_async(has_served_alone, "requests to the successor", 15)
        report = await load.stop()
        assert report.failed == [], report
        assert (await old.admin("/readyz"))["ready"] is True
        assert events(old).count("listening") == 2
        assert "taken over" in events(old)


async def test_successor_has_the_configuration_of_now_and_can_be_succeeded_itself(tmp_path: Path) -> None:
    file, path = tmp_path / "seawall.toml", tmp_path / "seawall.sock"
    file.write_text("workers = 1\n")
    async with (
        ScriptedBackend() as backend,
        proxy_of(backend, "--config", str(file), "--takeover", str(path)) as first,
    ):
        file.write_text("workers = 2\n")
        second = await succeed(first, first.process.pid)
        assert await asyncio.wait_for(first.process.wait(), 20) == 0
        assert len((await first.admin("/api/v1/config"))["workers"]) == 2
        await succeed(first, second, 2)

        async def second_has_ended() -> bool:
            return not is_alive(second)

        await wait_until_async(second_has_ended, "the end of the second", 20)
        async with RawClient(first.port) as client:
            assert (await client.get()).status == 200
        assert path.is_socket()
    assert not path.exists()


async def test_request_under_way_is_finished_by_the_old_one() -> None:
    holding = Holding()
    async with ScriptedBackend(holding) as backend, proxy_of(backend) as old, RawClient(old.port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await holding.asked.wait()
        await succeed(old, old.process.pid)
        await old.logged("draining")
        holding.release.set()
        assert (await client.read_response()).body == b"ok"
        assert await asyncio.wait_for(old.process.wait(), 20) == 0


async def test_service_manager_is_told_the_new_main_process(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        environment = {service_manager.VARIABLE: str(tmp_path / "notify")}
        async with ScriptedBackend() as backend, proxy_of(backend, environment=environment) as old:
            pid = await succeed(old, old.process.pid)
            assert await asyncio.wait_for(old.process.wait(), 20) == 0
            assert systemd.recv(100) == f"MAINPID={pid}".encode()


# it fails


def wrong_configuration(file: Path, _: Prelude) -> None:
    file.write_text("workers = 'many'\n")


def address_that_is_none(file: Path, _: Prelude) -> None:
    file.write_text(f"takeover = '{file.parent}/none/a.sock'\n")


def crash(_: Path, prelude: Prelude) -> None:
    prelude.kill("-m proxy run")


def crash_of_its_workers(_: Path, prelude: Prelude) -> None:
    prelude.kill("proxy.processes.worker")


FAILURES = {
    "its configuration is wrong": (wrong_configuration, "exit code 2", "its configuration is wrong"),
    "it has sockets, and an address is none": (
        address_that_is_none,
        "exit code 3",
        "it cannot bind an address",
    ),
    "it crashes at once": (crash, "SIGKILL", "what it wrote says why"),
    "it has sockets, and its workers crash": (crash_of_its_workers, "exit code 1", "what it wrote says why"),
}


@pytest.mark.parametrize(("spoil", "how", "why"), FAILURES.values(), ids=FAILURES)
async def test_one_that_fails_is_said_and_the_old_one_goes_on(tmp_path: Path, spoil: Any, how: str, why: str) -> None:
    file, prelude = tmp_path / "seawall.toml", Prelude(tmp_path)
    file.write_text("")
    async with (
        ScriptedBackend() as backend,
        proxy_of(backend, environment={**prelude.environment, "SEAWALL_CONFIG": str(file)}) as old,
        Load(old.url, rate=100, keep_alive=False) as load,
    ):
        spoil(file, prelude)
        old.process.send_signal(signal.SIGUSR2)
        failed = await old.logged(FAILED, within=30)
        assert (failed["how"], failed["why"]) == (how, why)
        before = len(load.report.records)

        async def served_on() -> bool:
            return len(load.report.records) > before + 50

        await wait_until_async(served_on, "requests after that", 10)
        assert (await load.stop()).failed == []
        assert (await old.admin("/readyz"))["ready"] is True
        assert "draining" not in events(old)


async def test_one_that_fails_can_be_followed_by_one_that_serves(tmp_path: Path) -> None:
    file = tmp_path / "seawall.toml"
    file.write_text("")
    async with ScriptedBackend() as backend, proxy_of(backend, "--config", str(file)) as old:
        wrong_configuration(file, Prelude(tmp_path))
        old.process.send_signal(signal.SIGUSR2)
        await old.logged(FAILED, within=30)
        file.write_text("")
        await succeed(old, old.process.pid)
        assert await asyncio.wait_for(old.process.wait(), 20) == 0


async def test_one_that_does_not_serve_yet_ends_with_the_old_one() -> None:
    async with ScriptedBackend() as backend, proxy_of(backend) as old:
        old.process.send_signal(signal.SIGUSR2)
        started = await old.logged("successor started")
        old.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(old.process.wait(), 10) == 0
        assert not is_alive(started["pid"])


# what is not started


async def never(_: socket.socket) -> bool:
    raise AssertionError("nobody is there to be handed anything")


async def test_process_1_starts_none_and_says_what_to_do() -> None:
    recorded = RecordingLog()
    assert not await Successor(never, recorded.log).start(own_pid=1)
    (line,) = recorded.of("no successor is started")
    assert "start another container" in line["why"]


async def test_program_that_is_gone_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    recorded = RecordingLog()
    assert not await Successor(never, recorded.log).start(own_pid=2)
    (line,) = recorded.of("no successor is started")
    assert "No such file" in line["why"]


async def test_one_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(successor, "ASKS_WITHIN", 0.1)
    monkeypatch.setattr(successor, "ENDS_WITHIN", 0.1)
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-c", "import time; time.sleep(60)"])
    recorded = RecordingLog()
    assert not await Successor(never, recorded.log).start(own_pid=2)
    (started,) = recorded.of("successor started")
    assert not is_alive(started["pid"])
    (line,) = recorded.of(FAILED)
    assert line["why"] == "it did not serve in time, and was ended"


@pytest.mark.parametrize("text", ["", "many", "999999"])
def test_variable_that_names_no_socket_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(successor.VARIABLE, text)
    with pytest.raises(SeawallError, match=successor.VARIABLE):
        take_connection()


def test_end_of_the_pair_is_found_once_and_goes_to_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = socket.socketpair()
    with one, two:
        monkeypatch.setenv(successor.VARIABLE, str(os.dup(two.fileno())))
        taken = take_connection()
        assert taken is not None
        with taken:
            assert not taken.get_inheritable()
            assert take_connection() is None
