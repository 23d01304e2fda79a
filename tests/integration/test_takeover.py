"""One `seawall run` takes over from another while clients come and go."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.errors import SeawallError
from proxy.processes import offer as offers
from proxy.processes.offer import Offer
from proxy.processes.takeover import Giving, Handover, Inheritance, inherit
from proxy.spec.proxy import ListenAddress
from proxy.spec.service import BackendKey
from tests.support.clients import Clients
from tests.support.raw_client import RawClient
from tests.support.recording_log import RecordingLog
from tests.support.scripted_backend import Holding, ScriptedBackend
from tests.support.seawall_process import SeawallProcess
from tests.support.waiting import wait_until_async

HANDOVER = Handover(
    (ListenAddress("", 80, True),),
    ("", 9900),
    (BackendKey(container="c", host="10.0.0.1", port=80),),
    ("web-1",),
    b"secret",
)


def taking_over(path: Path, backend: ScriptedBackend, *options: str) -> SeawallProcess:
    url = f"http://127.0.0.1:{backend.port}"
    return SeawallProcess("--no-docker", "--backend", url, "--takeover", str(path), *options)


# whole proxies


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 1), (1, 2)])
async def test_nobody_is_refused_while_one_takes_over_from_another(tmp_path: Path, before: int, after: int) -> None:
    path = tmp_path / "seawall.sock"
    async with (
        ScriptedBackend() as backend,
        taking_over(path, backend, "--workers", str(before)) as old,
        Clients(old.port, 16) as clients,
    ):
        await clients.answered(50)
        async with taking_over(path, backend, "--workers", str(after)) as new:
            assert (new.port, new.admin_port) == (old.port, old.admin_port)
            assert await asyncio.wait_for(old.process.wait(), 20) == 0
            await old.logged("taken over")
            await clients.answered(100)
            shown = await new.admin("/api/v1/config")
            assert [worker["pid"] for worker in shown["workers"]] == new.workers
            assert path.is_socket()
            assert clients.failed == []
            await clients.stop()
        assert not path.exists()


async def test_address_that_the_next_one_does_not_have_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "seawall.sock"
    async with (
        ScriptedBackend() as backend,
        taking_over(path, backend, "--listen", "127.0.0.2:0") as old,
        taking_over(path, backend) as new,
    ):
        assert await asyncio.wait_for(old.process.wait(), 20) == 0
        assert new.port == old.port
        (given_up,) = [one for one in (await old.logged("listening"))["listen"] if one.startswith("127.0.0.2")]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.2", int(given_up.rpartition(":")[2]))


async def test_request_under_way_is_finished_by_the_old_one(tmp_path: Path) -> None:
    holding = Holding()
    path = tmp_path / "seawall.sock"
    async with (
        ScriptedBackend(holding) as backend,
        taking_over(path, backend) as old,
        RawClient(old.port) as client,
    ):
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await holding.asked.wait()
        async with taking_over(path, backend):
            await old.logged("draining")
            holding.release.set()
            assert (await client.read_response()).body == b"ok"
            assert await asyncio.wait_for(old.process.wait(), 20) == 0


async def test_next_one_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "seawall.sock"
    async with ScriptedBackend() as backend, taking_over(path, backend) as old, taking_over(path, backend) as other:
        await asyncio.wait_for(old.process.wait(), 20)
        inheritance = await inherit(str(path))
        assert inheritance is not None
        discard(inheritance)
        await other.logged("not handed over")
        async with RawClient(other.port) as client:
            assert (await client.get()).status == 200


async def test_backend_that_the_operator_took_out_stays_out(tmp_path: Path) -> None:
    path = tmp_path / "seawall.sock"
    async with ScriptedBackend() as one, ScriptedBackend() as two:
        options = ("--backend", f"http://127.0.0.1:{two.port}")
        async with taking_over(path, one, *options) as old:
            name = f"127.0.0.1:{two.port}"
            await old.change(f"/api/v1/backends/{name}/drain")
            async with taking_over(path, one, *options) as new:
                await asyncio.wait_for(old.process.wait(), 20)
                assert (await new.admin(f"/api/v1/backends/{name}"))["drained"] is True


# the socket


def discard(inheritance: Inheritance) -> None:
    inheritance.close()
    for _, each in inheritance.listening:
        each.close()
    inheritance.admin(("", 0))


def offer_at(path: Path, sockets: Sequence[socket.socket], recorded: RecordingLog) -> Offer:
    return Offer(str(path), Giving(lambda: (HANDOVER, sockets), recorded.log).to, recorded.log)


@asynccontextmanager
async def offering(path: Path, recorded: RecordingLog) -> AsyncIterator[None]:
    """Somebody who hands over there, and has two sockets."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        offer = offer_at(path, [one, two], recorded)
        running = asyncio.create_task(offer.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            offer.close()


async def there(path: Path) -> None:
    async def is_socket() -> bool:
        return path.is_socket()

    await wait_until_async(is_socket, "a socket at the path", 5)


async def found(path: Path) -> None:
    """Whoever asks there is handed over to."""

    async def hands_over() -> bool:
        inheritance = await inherit(str(path))
        if inheritance is not None:
            discard(inheritance)
        return inheritance is not None

    await wait_until_async(hands_over, "somebody at the path", 5)


async def test_nobody_there_is_no_takeover(tmp_path: Path) -> None:
    assert await inherit(str(tmp_path / "none.sock")) is None
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left.sock"))  # of one that was killed
    assert await inherit(str(tmp_path / "left.sock")) is None


async def test_something_else_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    server = await asyncio.start_unix_server(lambda _, writer: writer.close(), tmp_path / "other.sock")
    async with server:
        with pytest.raises(SeawallError, match=r"other\.sock"):
            await inherit(str(tmp_path / "other.sock"))


async def test_sockets_and_what_belongs_to_them_arrive(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as admin:
        offer = offer_at(path, [listening, admin], RecordingLog())
        handing = asyncio.create_task(offer.run())
        while (inheritance := await inherit(str(path))) is None:  # noqa: ASYNC110  # only the file says that it listens
            await asyncio.sleep(0)
        assert inheritance.handover == HANDOVER
        ((address, inherited),) = inheritance.listening
        assert address == ListenAddress("", 80, True)
        assert inherited.getsockname() == listening.getsockname()
        inherited_admin = inheritance.admin(("", 9900))
        assert inherited_admin is not None
        assert inherited_admin.getsockname() == admin.getsockname()
        assert inheritance.admin(("", 9901)) is None
        assert not handing.done()
        assert os.stat(path).st_mode & 0o777 == 0o600
        await inheritance.conclude()
        await asyncio.wait_for(handing, 5)
        offer.leave()
        assert await inherit(str(path)) is None
        assert path.is_socket()  # the next one may have put its own there by now
        discard(inheritance)


PATHS = {
    "a folder that is not there": (lambda folder: folder / "none" / "a.sock", "No such file"),
    "a name that no socket can have": (lambda folder: folder / ("a" * 120), "too long"),
    "a folder in its place": (lambda folder: folder, "no socket"),
    "a file in its place, which is not to be lost": (lambda folder: folder / "kept.txt", "no socket"),
    "a file where a folder should be": (lambda folder: folder / "kept.txt" / "a.sock", "Not a directory"),
}


@pytest.mark.parametrize(("place", "why"), PATHS.values(), ids=PATHS)
async def test_path_that_nobody_can_listen_at_is_exit_3_and_names_it(
    tmp_path: Path, place: Callable[[Path], Path], why: str
) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("kept")
    command = ("-m", "proxy", "run", "--no-docker", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--takeover")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, str(place(tmp_path))), stderr=asyncio.subprocess.PIPE
    )
    _, output = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 3, output
    assert str(place(tmp_path)) in output.decode()
    assert why in output.decode()
    assert kept.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [kept]


async def test_path_that_vanishes_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "LOOK_EVERY", 0.02)
    path = tmp_path / "a.sock"
    recorded = RecordingLog()
    async with offering(path, recorded):
        await there(path)
        path.unlink()
        await there(path)
        assert len(recorded.of("the takeover path has gone, and is made anew")) == 1
        await found(path)
    assert list(tmp_path.iterdir()) == []


async def test_folder_that_vanishes_is_logged_ever_less_often_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(offers, "FIRST_PAUSE", 0.02)
    path = tmp_path / "run" / "a.sock"
    path.parent.mkdir()
    recorded = RecordingLog()
    async with offering(path, recorded):
        await there(path)
        shutil.rmtree(path.parent)

        async def said_thrice() -> bool:
            return len(recorded.of("nobody can take over")) >= 3

        await wait_until_async(said_thrice, "three lines", 5)
        path.parent.mkdir()
        await found(path)
        said = recorded.of("nobody can take over")
        assert [line["again_in"] for line in said[:3]] == [0.02, 0.04, 0.08]
        assert str(path) in said[0]["why"]


async def test_signal_to_end_ends_the_offer_too(tmp_path: Path) -> None:
    path = tmp_path / "seawall.sock"
    async with ScriptedBackend() as backend, taking_over(path, backend) as seawall:
        seawall.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(seawall.process.wait(), 10) == 0
    assert not path.exists()
