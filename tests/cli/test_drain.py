"""`seawall drain` and `undrain`: what they ask, how long they wait, and what they say when it cannot be done."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.commands import drain as module
from tests.cli.seawall import Seawall, end, start
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend
from tests.support.seawall_process import SeawallProcess

Answer = tuple[int, Any]


def standing(in_flight: int, state: str = "unavailable", reason: str | None = "drained") -> Answer:
    backend = {"name": "web-1", "service": "web", "state": state, "reason": reason}
    return 200, {"backend": "web-1", "in_flight": in_flight, "backends": [backend]}


class AdminServer(ThreadingHTTPServer):
    """Gives `answers` in order, the last of them again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.address = f"127.0.0.1:{self.server_port}"
        self.answers: list[Answer] = []
        self.asked: list[str] = []
        self.tokens: list[str | None] = []


class _Answering(BaseHTTPRequestHandler):
    server: AdminServer

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.tokens.append(self.headers["Authorization"])
        answers = self.server.answers
        status, document = answers.pop(0) if len(answers) > 1 else answers[0]
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  # the name is the library's

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Iterator[AdminServer]:
    monkeypatch.setattr(module, "POLL", 0.01)
    with AdminServer() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        monkeypatch.setenv("SEAWALL_ADMIN", server.address)
        yield server
        server.shutdown()
        serving.join()


# draining


def test_empty_backend_is_drained_at_once(seawall: Seawall, admin: AdminServer) -> None:
    admin.answers = [standing(0)]
    ended = seawall("drain", "web-1")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("web-1: drained, nothing is in flight")
    assert admin.asked == ["POST /api/v1/backends/web-1/drain"]
    assert admin.tokens == [None]


def test_drain_waits_until_nothing_is_in_flight(seawall: Seawall, admin: AdminServer) -> None:
    admin.answers = [standing(2), standing(1), standing(0)]
    ended = seawall("drain", "web-1")
    assert ended.code == 0
    first, last = ended.out.splitlines()
    assert first == "web-1: draining, 2 in flight"
    assert last.startswith("web-1: drained, nothing is in flight")
    assert admin.asked[1:] == ["GET /api/v1/backends/web-1"] * 2


def test_backend_that_left_meanwhile_is_empty(seawall: Seawall, admin: AdminServer) -> None:
    admin.answers = [standing(2), (404, {"error": "there is no backend web-1", "hint": ""})]
    assert seawall("drain", "web-1").code == 0


def test_not_empty_in_time_is_exit_1(seawall: Seawall, admin: AdminServer) -> None:
    admin.answers = [standing(2)]
    ended = seawall("drain", "web-1", "--timeout", "800ms")
    assert ended.code == 1
    assert "web-1: still 2 in flight after 0.8 s; it gets no new requests" in ended.out
    assert len(admin.asked) > 2


def test_timeout_of_nothing_asks_once(seawall: Seawall, admin: AdminServer) -> None:
    admin.answers = [standing(2)]
    assert seawall("drain", "web-1", "--timeout", "0s").code == 1
    assert len(admin.asked) == 1


def test_name_is_one_segment_of_the_path(seawall: Seawall, admin: AdminServer) -> None:
    admin.answers = [standing(0)]
    seawall("drain", "[::1]:80/x?y")
    assert admin.asked == ["POST /api/v1/backends/%5B%3A%3A1%5D%3A80%2Fx%3Fy/drain"]


def test_undrain_says_how_it_stands_now(seawall: Seawall, admin: AdminServer) -> None:
    admin.answers = [standing(0, "available", None)]
    ended = seawall("undrain", "web-1")
    assert (ended.code, ended.out) == (0, "web-1: available in service web\n")
    assert admin.asked == ["POST /api/v1/backends/web-1/undrain"]


def test_undrain_says_what_else_keeps_it_out(seawall: Seawall, admin: AdminServer) -> None:
    admin.answers = [standing(0, "unavailable", "paused")]
    assert seawall("undrain", "web-1").out == "web-1: unavailable: paused in service web\n"


# whom and how


TOKENS = {
    "from an option": (("--admin-token", "s3cret-t0ken"), {}),
    "from a variable": ((), {"SEAWALL_ADMIN_TOKEN": "s3cret-t0ken"}),
}


@pytest.mark.parametrize(("options", "environment"), TOKENS.values(), ids=TOKENS)
def test_token_is_sent(
    seawall: Seawall, admin: AdminServer, options: tuple[str, ...], environment: dict[str, str]
) -> None:
    admin.answers = [standing(0)]
    assert seawall("drain", "web-1", *options, **environment).code == 0
    assert admin.tokens == ["Bearer s3cret-t0ken"]


def test_file_says_where_and_with_what(seawall: Seawall, admin: AdminServer, tmp_path: Path) -> None:
    admin.answers = [standing(0)]
    file = tmp_path / "seawall.toml"
    file.write_text(f'admin = "{admin.address}"\nadmin-token = "s3cret-t0ken"')
    assert seawall("drain", "web-1", "--config", str(file), SEAWALL_ADMIN="").code == 0
    assert admin.tokens == ["Bearer s3cret-t0ken"]


# what can go wrong

REFUSALS: dict[str, tuple[Answer, tuple[str, ...], str]] = {
    "no such backend, with what may have been meant": (
        (404, {"error": "there is no backend web-1", "hint": "did you mean web-2?"}),
        (),
        "error: there is no backend web-1 (did you mean web-2?)\n",
    ),
    "no token where one is needed": (
        (401, {"error": "changes need the admin token", "hint": "send Authorization"}),
        (),
        "error: changes need the admin token (give the one that run was given: --admin-token, SEAWALL_ADMIN_TOKEN or "
        "the file)\n",
    ),
    "a wrong token, with where it is from": (
        (401, {"error": "changes need the admin token", "hint": "send Authorization"}),
        ("--admin-token", "wr0ng-t0ken"),
        "error: changes need the admin token (the one that was sent is wrong, the admin token is from: command line "
        "--admin-token)\n",
    ),
    "changes from this machine only": (
        (403, {"error": "changes are allowed from this machine only", "hint": "set admin-token"}),
        (),
        "error: changes are allowed from this machine only (set admin-token)\n",
    ),
    "a server that fails": (
        (500, {"error": "the admin server failed", "hint": ""}),
        (),
        "error: the admin server failed\n",
    ),
}


@pytest.mark.parametrize("command", ["drain", "undrain"])
@pytest.mark.parametrize(("answer", "options", "message"), REFUSALS.values(), ids=REFUSALS)
def test_refusal_is_exit_2_and_says_why(
    seawall: Seawall, admin: AdminServer, command: str, answer: Answer, options: tuple[str, ...], message: str
) -> None:
    admin.answers = [answer]
    ended = seawall(command, "web-1", *options)
    assert (ended.code, ended.out, ended.err) == (2, "", message)


def test_something_else_at_the_address_is_exit_2(seawall: Seawall, admin: AdminServer) -> None:
    admin.answers = [(200, b"<html>")]
    ended = seawall("drain", "web-1")
    assert ended.code == 2
    assert ended.err == (
        f"error: http://{admin.address} answered 200, and not as Seawall does "
        "(the admin address is from: environment SEAWALL_ADMIN)\n"
    )


def test_nobody_there_is_exit_2_with_the_reason_and_the_origin(seawall: Seawall) -> None:
    with socket.socket() as bound:  # and never listening
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        ended = seawall("drain", "web-1", "--admin", f"127.0.0.1:{port}")
    assert ended.code == 2
    assert ended.err == (
        f"error: http://127.0.0.1:{port}: Connection refused (the admin address is from: command line --admin)\n"
    )


WRONG = {
    "no backend": ("drain",),
    "no duration": ("drain", "web-1", "--timeout", "soon"),
    "an address that is none": ("drain", "web-1", "--admin", "here"),
    "a port that cannot be asked": ("undrain", "web-1", "--admin", ":0"),
    "a timeout to undrain": ("undrain", "web-1", "--timeout", "1s"),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_wrong_usage_is_exit_2(seawall: Seawall, arguments: tuple[str, ...]) -> None:
    ended = seawall(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


# a real proxy


async def test_running_proxy_is_drained_while_a_request_is_under_way() -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(connection: BackendConnection) -> None:
        await connection.read_head()
        asked.set()
        await answer.wait()
        await connection.write(OK)

    async with ScriptedBackend(slow) as backend:
        name = f"127.0.0.1:{backend.port}"
        async with SeawallProcess("--no-docker", "--backend", f"http://{name}") as seawall:
            async with aiohttp.ClientSession() as session:
                request = asyncio.create_task(_status(session, seawall.url))
                await asked.wait()
                options = ("--admin", f"127.0.0.1:{seawall.admin_port}")
                draining = await start("drain", name, *options)
                await seawall.logged("backend", backend=name, after="drained by the operator")
                assert await _status(session, seawall.url) == 503
                answer.set()
                assert await request == 200
            drained = await end(draining)
            assert (drained.code, drained.err) == (0, "")
            given_back = await end(await start("undrain", name, *options))
            assert (given_back.code, given_back.out) == (0, f"{name}: available in service default\n")


async def _status(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as response:
        return response.status
