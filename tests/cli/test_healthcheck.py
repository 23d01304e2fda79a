"""`seawall healthcheck`: 0 when the admin address answers, else 1 and why; and quick."""

import asyncio
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from proxy.commands import healthcheck as module
from proxy.commands import own_labels
from proxy.commands.healthcheck import ask, healthcheck
from tests.cli.seawall import Seawall, end, start
from tests.support.fake_engine import identity

HEAVY = ("aiohttp", "docker", "requests", "structlog", "uvloop", "asyncio", "proxy.app")


class AdminServer(ThreadingHTTPServer):
    """Answers /healthz with `status`; other paths with 404."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.address = f"127.0.0.1:{self.server_port}"


class _Answering(BaseHTTPRequestHandler):
    server: AdminServer

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def admin() -> Iterator[AdminServer]:
    with AdminServer() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:  # and never listening
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_healthy_proxy_is_exit_0(seawall: Seawall, admin: AdminServer) -> None:
    ended = seawall("healthcheck", "--admin", admin.address)
    assert (ended.code, ended.out) == (0, f"http://{admin.address}/healthz answered 200\n")


def test_other_status_is_exit_1(seawall: Seawall, admin: AdminServer) -> None:
    admin.status = 503
    ended = seawall("healthcheck", "--admin", admin.address)
    assert (ended.code, ended.err) == (1, f"http://{admin.address}/healthz answered 503\n")


def test_nobody_there_is_exit_1_with_the_reason_and_the_origin(seawall: Seawall, closed_port: int) -> None:
    ended = seawall("healthcheck", SEAWALL_ADMIN=f"127.0.0.1:{closed_port}")
    assert ended.code == 1
    assert "Connection refused" in ended.err
    assert "environment SEAWALL_ADMIN" in ended.err


def test_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        health = ask(silent.getsockname(), "default")
    assert not health.is_good
    assert "no answer" in health.why


def test_server_that_speaks_something_else_is_exit_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        greeting = threading.Thread(target=_greet, args=(server,))
        greeting.start()
        health = ask(server.getsockname(), "default")
        greeting.join()
    assert not health.is_good
    assert "SSH-2.0" in health.why


def _greet(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"SSH-2.0-OpenSSH\r\n")


def test_port_0_cannot_be_asked(seawall: Seawall) -> None:
    ended = seawall("healthcheck", "--admin", ":0")
    assert ended.code == 1
    assert "give it a number" in ended.err


@pytest.mark.parametrize("host", ["", "0.0.0.0"])
def test_wildcard_is_asked_on_loopback(seawall: Seawall, admin: AdminServer, host: str) -> None:
    assert seawall("healthcheck", "--admin", f"{host}:{admin.server_port}").code == 0


def test_file_says_where(seawall: Seawall, admin: AdminServer, tmp_path: Path) -> None:
    file = tmp_path / "seawall.toml"
    file.write_text(f'admin = "{admin.address}"')
    assert seawall("healthcheck", "--config", str(file)).code == 0
    assert seawall("healthcheck", SEAWALL_CONFIG=str(file)).code == 0


async def test_environment_says_where_to_a_process(admin: AdminServer) -> None:
    ended = await end(await start("healthcheck", environment={"SEAWALL_ADMIN": admin.address}))
    assert (ended.code, ended.out) == (0, f"http://{admin.address}/healthz answered 200\n")


async def test_nothing_heavy_is_imported(admin: AdminServer) -> None:
    script = (
        "import sys\n"
        "from proxy.cli import app\n"
        f"app(['healthcheck', '--admin', '{admin.address}'], standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    ended = await process.communicate()
    assert ended[0].decode().splitlines()[-1] == "[]"


# an admin address that stands in a label


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch, admin: AdminServer) -> None:
    async def labels(*_: object) -> dict[str, str]:
        return {"seawall.proxy.admin": admin.address}

    monkeypatch.setattr(own_labels, "possible_own_ids", lambda: (identity("seawall"),))
    monkeypatch.setattr(own_labels, "_ask", labels)


@pytest.mark.usefixtures("labelled")
def test_label_of_the_own_container_is_looked_at_when_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, closed_port: int, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEAWALL_IN_CONTAINER", "true")
    file = tmp_path / "seawall.toml"
    file.write_text(f'admin = "127.0.0.1:{closed_port}"')
    assert healthcheck({"config": str(file)}).is_good


@pytest.mark.usefixtures("labelled")
def test_labels_are_not_asked_for_where_they_cannot_matter(
    monkeypatch: pytest.MonkeyPatch, closed_port: int, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{closed_port}"
    file = tmp_path / "seawall.toml"
    file.write_text(f'admin = "{address}"')
    assert not healthcheck({"config": str(file)}).is_good  # not in a container
    monkeypatch.setenv("SEAWALL_IN_CONTAINER", "true")
    assert not healthcheck({"admin": address}).is_good  # an option goes before a label
