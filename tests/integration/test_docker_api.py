"""The docker SDK behind discovery, on an engine of HTTP answers: what is asked, translated, and given back."""

import asyncio
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.control.discovery import docker_api
from proxy.control.discovery.docker_api import DockerEngine, EventStream
from proxy.control.discovery.event import EngineEvent
from proxy.errors import EngineError
from tests.support.http_engine import HttpEngine

SOON = 5.0  # seconds in which anything here happens


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[HttpEngine]:
    server = HttpEngine(tmp_path / "docker.sock")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def engine(server: HttpEngine) -> AsyncIterator[DockerEngine]:
    """Afterwards none of its threads is left."""
    engine = DockerEngine(server.url)
    yield engine
    await engine.close()
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("engine-")]
    assert left == []


class Heard:
    """Events, and waiting for them."""

    def __init__(self) -> None:
        self.events: list[EngineEvent] = []
        self.threads: set[threading.Thread] = set()
        self._news = asyncio.Event()

    def __call__(self, event: EngineEvent) -> None:
        self.events.append(event)
        self.threads.add(threading.current_thread())
        self._news.set()

    async def wait_for(self, count: int) -> list[EngineEvent]:
        async with asyncio.timeout(SOON):
            while len(self.events) < count:
                self._news.clear()
                await self._news.wait()
        return self.events


def event(action: str = "start", nanoseconds: int = 7, **attributes: str) -> str:
    actor = {"ID": "c1", "Attributes": {"name": "web-1", **attributes}}
    return json.dumps({"Type": "container", "Action": action, "Actor": actor, "timeNano": nanoseconds}) + "\n"


# Questions


async def test_list_has_all_containers(server: HttpEngine, engine: DockerEngine) -> None:
    server.answers["/containers/json"] = (200, [{"Id": "c1"}])

    assert await engine.list_containers() == [{"Id": "c1"}]
    assert server.requests[-1].query["all"] == "1"


async def test_inspect_has_the_document(server: HttpEngine, engine: DockerEngine) -> None:
    server.answers["/containers/c1/json"] = (200, {"Id": "c1"})

    assert await engine.inspect("c1") == {"Id": "c1"}


async def test_inspect_of_a_container_that_is_no_more_is_none(engine: DockerEngine) -> None:
    assert await engine.inspect("c1") is None


async def test_engine_asked_by_many_at_once_answers_each(server: HttpEngine, engine: DockerEngine) -> None:
    for number in range(50):
        server.answers[f"/containers/c{number}/json"] = (200, {"Id": f"c{number}"})

    found = await asyncio.gather(*(engine.inspect(f"c{number}") for number in range(50)))

    assert [document and document["Id"] for document in found] == [f"c{number}" for number in range(50)]


async def test_only_reads_of_the_permitted_paths_are_ever_sent(server: HttpEngine, engine: DockerEngine) -> None:
    server.answers |= {"/containers/json": (200, []), "/containers/c1/json": (200, {})}

    stream = await engine.subscribe(Heard(), 0)
    await engine.ping()
    await engine.list_containers()
    await engine.inspect("c1")
    await stream.close()

    assert {request.method for request in server.requests} == {"GET"}
    assert {request.path for request in server.requests} == {
        "/version",
        "/_ping",
        "/containers/json",
        "/containers/c1/json",
        "/events",
    }


FAILURES: dict[str, tuple[dict[str, tuple[int, object]], str]] = {
    "an error of the engine": ({"/containers/json": (500, {"message": "out of sorts"})}, "out of sorts"),
    "a path that the socket proxy forbids": ({"/containers/json": (403, "Forbidden")}, "403"),
    "not there": ({}, "No such container"),
    "no JSON": ({"/containers/json": (200, "<html>")}, "Expecting value"),
    "not a list": ({"/containers/json": (200, {"a": 1})}, "the list of containers is none"),
    "no version": ({"/version": (200, {})}, "ApiVersion"),
    "a version that is no JSON": ({"/version": (200, "hello")}, "Expecting value"),
}


@pytest.mark.parametrize(("answers", "message"), FAILURES.values(), ids=FAILURES)
async def test_failure_is_an_engine_error(
    server: HttpEngine, engine: DockerEngine, answers: dict[str, Any], message: str
) -> None:
    server.answers |= answers

    with pytest.raises(EngineError, match=message):
        await engine.list_containers()


async def test_engine_that_gives_no_answer_is_an_engine_error(
    server: HttpEngine, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_api, "TIMEOUT", 0.2)
    server.silent.add("/_ping")

    with pytest.raises(EngineError, match=r"no answer within 0\.2 s"):
        await engine.ping()


async def test_connection_cut_in_the_middle_of_an_answer_is_an_engine_error(tmp_path: Path) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        writer.close()

    server = await asyncio.start_unix_server(cut, tmp_path / "s")
    engine = DockerEngine(f"unix://{tmp_path}/s")

    with pytest.raises(EngineError):
        await engine.ping()
    await engine.close()
    server.close()
    await server.wait_closed()


def _no_file(path: Path) -> None: ...


def _no_socket(path: Path) -> None:
    path.write_text("")


UNREACHABLE: dict[str, tuple[Callable[[Path], None], str, type[OSError]]] = {
    "no file": (_no_file, "No such file or directory", FileNotFoundError),
    "a file that nobody listens at": (_no_socket, "Connection refused", ConnectionRefusedError),
}


@pytest.mark.parametrize(("prepare", "message", "cause"), UNREACHABLE.values(), ids=UNREACHABLE)
async def test_engine_that_cannot_be_reached_is_an_error_that_says_why(
    tmp_path: Path, prepare: Callable[[Path], None], message: str, cause: type[OSError]
) -> None:
    prepare(tmp_path / "docker.sock")
    engine = DockerEngine(f"unix://{tmp_path}/docker.sock")

    with pytest.raises(EngineError, match=message) as caught:
        await engine.subscribe(Heard(), 0)

    assert isinstance(caught.value.__cause__, cause)
    await engine.close()


async def test_tcp_engine_that_refuses_is_an_error_that_says_why(unused_tcp_port: int) -> None:
    engine = DockerEngine(f"tcp://127.0.0.1:{unused_tcp_port}", {})

    with pytest.raises(EngineError, match="refused") as caught:
        await engine.ping()

    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    await engine.close()


# Events


async def test_event_is_handed_over_in_the_loop(server: HttpEngine, engine: DockerEngine) -> None:
    heard = Heard()
    stream = await engine.subscribe(heard, 0)
    server.tell(event("kill", signal="15"))

    (happened,) = await heard.wait_for(1)

    assert (happened.action, happened.container, happened.signal) == ("kill", "c1", 15)
    assert heard.threads == {threading.main_thread()}
    await stream.close()


async def test_engine_is_asked_for_the_events_of_concern_only(server: HttpEngine, engine: DockerEngine) -> None:
    stream = await engine.subscribe(Heard(), 1_700_000_000_000_000_042)
    await stream.close()

    query = server.requests[-1].query
    filters = json.loads(query["filters"])
    assert query["since"] == "1700000000.000000042"
    assert filters["type"] == ["container", "network"]
    assert {"kill", "die", "health_status", "disconnect"} <= set(filters["event"])
    assert "exec_start" not in filters["event"]


async def test_first_subscription_is_from_now_on(server: HttpEngine, engine: DockerEngine) -> None:
    stream = await engine.subscribe(Heard(), 0)
    await stream.close()

    assert "since" not in server.requests[-1].query


@pytest.mark.parametrize("is_chunked", [True, False], ids=["chunked", "until the connection closes"])
async def test_events_are_read_however_they_are_cut(server: HttpEngine, engine: DockerEngine, is_chunked: bool) -> None:
    server.is_chunked = is_chunked
    heard = Heard()
    stream = await engine.subscribe(heard, 0)
    two = event("start") + event("die")
    server.tell(two[:20])
    await asyncio.sleep(0.05)  # so that the pieces are not read as one
    assert heard.events == []
    server.tell(two[20:])

    assert [happened.action for happened in await heard.wait_for(2)] == ["start", "die"]
    await stream.close()


async def test_line_that_cannot_be_read_is_passed_by(server: HttpEngine, engine: DockerEngine) -> None:
    heard = Heard()
    stream = await engine.subscribe(heard, 0)
    server.tell("{nonsense\n\xff\n[]\n\n" + event("start"))

    assert [happened.action for happened in await heard.wait_for(1)] == ["start"]
    await stream.close()


async def test_line_without_end_is_cut(
    server: HttpEngine, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_api, "LONGEST_EVENT", 1000)
    heard = Heard()
    stream = await engine.subscribe(heard, 0)
    server.tell("x" * 50_000 + "\n" + event("start"))

    assert [happened.action for happened in await heard.wait_for(1)] == ["start"]
    await stream.close()


ENDS: dict[str, Callable[[HttpEngine], None]] = {
    "ended": HttpEngine.end_streams,
    "broken off": HttpEngine.break_streams,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_stream_that_ends_is_an_engine_error(
    server: HttpEngine, engine: DockerEngine, end: Callable[[HttpEngine], None]
) -> None:
    stream = await engine.subscribe(Heard(), 0)
    waiting = asyncio.create_task(stream.wait())
    end(server)

    with pytest.raises(EngineError):
        await asyncio.wait_for(waiting, SOON)
    await stream.close()


async def test_stream_that_is_silent_for_longer_than_any_answer_may_take_goes_on(
    server: HttpEngine, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_api, "TIMEOUT", 0.5)
    heard = Heard()
    stream = await engine.subscribe(heard, 0)
    await asyncio.sleep(0.8)
    server.tell(event())

    assert len(await heard.wait_for(1)) == 1
    await stream.close()


async def test_closing_a_silent_stream_takes_no_time_and_leaves_no_thread(
    server: HttpEngine, engine: DockerEngine
) -> None:
    stream = await engine.subscribe(Heard(), 0)
    loop = asyncio.get_running_loop()
    start = loop.time()

    await stream.close()

    assert loop.time() - start < 0.5
    assert not [thread for thread in threading.enumerate() if thread.name == "engine-events"]


async def test_stream_closed_twice_is_closed(server: HttpEngine, engine: DockerEngine) -> None:
    stream = await engine.subscribe(Heard(), 0)
    await stream.close()
    await stream.close()


async def test_engine_that_gives_no_head_of_the_stream_is_an_engine_error(
    server: HttpEngine, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_api, "TIMEOUT", 0.2)
    server.silent.add("/events")

    with pytest.raises(EngineError, match="no answer"):
        await engine.subscribe(Heard(), 0)


async def test_events_that_the_socket_proxy_forbids_are_an_engine_error(
    server: HttpEngine, engine: DockerEngine
) -> None:
    server.answers["/events"] = (403, "Forbidden")

    with pytest.raises(EngineError, match="403"):
        await engine.subscribe(Heard(), 0)


async def test_empty_answer_instead_of_a_stream_is_its_end(server: HttpEngine, engine: DockerEngine) -> None:
    server.answers["/events"] = (200, "")

    with pytest.raises(EngineError, match="closed the event stream"):
        await (await engine.subscribe(Heard(), 0)).wait()


async def test_subscription_given_up_while_it_is_made_leaves_nothing(
    server: HttpEngine, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_api, "TIMEOUT", 0.5)
    server.silent.add("/events")
    subscribing: asyncio.Task[EventStream] = asyncio.create_task(engine.subscribe(Heard(), 0))
    async with asyncio.timeout(SOON):
        while not any(request.path == "/events" for request in server.requests):
            await server.asked.wait()
            server.asked.clear()

    subscribing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await subscribing


async def test_engine_whose_socket_is_another_file_now_is_found_again(server: HttpEngine, engine: DockerEngine) -> None:
    first = await engine.subscribe(Heard(), 0)
    await server.stop()
    with pytest.raises(EngineError):
        await asyncio.wait_for(first.wait(), SOON)
    await first.close()
    with pytest.raises(EngineError, match="No such file"):
        await engine.subscribe(Heard(), 0)
    await server.start()

    heard = Heard()
    second = await engine.subscribe(heard, 0)
    server.tell(event())

    assert len(await heard.wait_for(1)) == 1
    await engine.ping()
    await second.close()


async def test_hanging_call_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """A process whose engine hangs ends at once: no thread is waited for."""
    server = HttpEngine(tmp_path / "s", silent={"/version"})
    await server.start()
    program = (
        "import asyncio, sys\n"
        "from proxy.control.discovery.docker_api import DockerEngine\n"
        "async def main():\n"
        "    engine = DockerEngine(sys.argv[1])\n"
        "    task = asyncio.create_task(engine.ping())\n"
        "    await asyncio.sleep(0.2)\n"
        "    task.cancel()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, server.url)

    async with asyncio.timeout(docker_api.TIMEOUT / 2):
        assert await process.wait() == 0
    await server.stop()


# TLS


@pytest.fixture
async def tls_server(tmp_path: Path) -> AsyncIterator[HttpEngine]:
    """It demands the certificate that is also its own, in `tmp_path`."""
    _certify(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = HttpEngine(tmp_path / "docker.sock", tls=context)
    await server.start()
    yield server
    await server.stop()


async def test_tcp_with_tls_as_the_environment_says(
    tls_server: HttpEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")  # of the web, not of this engine
    engine = DockerEngine(tls_server.url, {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)})
    heard = Heard()

    stream = await engine.subscribe(heard, 0)
    await engine.ping()
    tls_server.tell(event())
    assert len(await heard.wait_for(1)) == 1
    await stream.close()
    await engine.close()

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("engine-")]


async def test_tls_engine_asked_without_certificates_is_an_engine_error(tls_server: HttpEngine) -> None:
    engine = DockerEngine(tls_server.url, {})

    with pytest.raises(EngineError):
        await engine.ping()
    await engine.close()


async def test_certificates_that_are_not_there_are_an_engine_error(tmp_path: Path) -> None:
    environment = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    engine = DockerEngine("tcp://127.0.0.1:1", environment)

    with pytest.raises(EngineError, match="TLS"):
        await engine.ping()
    await engine.close()


def _certify(folder: Path) -> None:
    """One self-signed certificate that is authority, server and client at once."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
    (folder / "ca.pem").write_bytes((folder / "cert.pem").read_bytes())


# The question of the Makefile


async def test_module_as_a_command_says_whether_an_engine_answers(server: HttpEngine, tmp_path: Path) -> None:
    async def run(url: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy.control.discovery.docker_api", url, stderr=subprocess.PIPE
        )
        _, errors = await process.communicate()
        return process.returncode, errors.decode()

    assert await run(server.url) == (0, "")
    code, errors = await run(f"unix://{tmp_path}/none")
    assert code == 1
    assert errors.endswith("No such file or directory\n")
