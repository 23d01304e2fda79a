"""One probe against real sockets: what passes, what does not and in which words, and what it leaves behind."""

import asyncio
import errno
import os
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.control.probes.http import LIMIT
from proxy.control.probes.probe import probe
from proxy.control.probes.question import Question, question_of
from proxy.health.verdict import Outcome
from proxy.spec.service import HealthSpec
from tests.integration.conftest import until
from tests.support.scripted_backend import OK, BackendConnection, Script, ScriptedBackend

HEALTH = HealthSpec(path="/healthz")
WITHIN = 1.0  # seconds
SOON = 0.05


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    tasks = asyncio.all_tasks()
    yield
    await until(lambda: asyncio.all_tasks() <= tasks | {asyncio.current_task()})


def question(backend: ScriptedBackend, health: HealthSpec = HEALTH, scheme: str = "http") -> Question:
    return question_of(backend.claim(scheme=scheme).backend, health)


def answering(*pieces: bytes) -> Script:
    """Answers with these pieces, each in a write of its own, and closes."""

    async def script(connection: BackendConnection) -> None:
        await connection.read_head()
        for piece in pieces:
            await connection.write(piece)
            await asyncio.sleep(0.01)  # or the next piece would be in the same packet

    return script


async def answered(script: Script, health: HealthSpec = HEALTH) -> Outcome:
    async with ScriptedBackend(script) as backend:
        outcome = await probe(question(backend, health), WITHIN)
    assert outcome is not None
    return outcome


# what is asked


async def test_every_probe_is_a_connection_of_its_own() -> None:
    async with ScriptedBackend() as backend:
        for _ in range(3):
            outcome = await probe(question(backend), WITHIN)
            assert outcome is not None
            assert outcome.passed
    assert backend.accepted == 3
    assert all(head.startswith(b"GET /healthz HTTP/1.1\r\n") for head in backend.heads)


async def test_connect_alone_passes_where_somebody_listens() -> None:
    async with ScriptedBackend() as backend:
        outcome = await probe(question(backend, HealthSpec()), WITHIN)
        assert outcome is not None
        assert (outcome.passed, outcome.hard, outcome.error) == (True, False, "")
        assert 0 < outcome.seconds < WITHIN
    assert backend.heads == []


# what passes


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
READY = HealthSpec(path="/", body="ready")

PASSING: dict[str, tuple[HealthSpec, tuple[bytes, ...]]] = {
    "a whole answer": (HEALTH, (OK,)),
    "no content": (HEALTH, (b"HTTP/1.1 204 No Content\r\n\r\n",)),
    "a redirect": (HEALTH, (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",)),
    "a status of the list": (replace(HEALTH, status=((401, 401),)), (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",)),
    "HTTP/1.0 until close": (HEALTH, (b"HTTP/1.0 200 OK\r\n\r\nfine",)),
    "a head byte by byte": (HEALTH, (*(bytes((byte,)) for byte in HEAD[:6]), OK[6:])),
    "an interim answer before it": (HEALTH, (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK,)),
    "an interim answer in a packet of its own": (HEALTH, (b"HTTP/1.1 100 Continue\r\n\r\n", OK)),
    "an answer to HEAD, whose length has no body": (
        replace(HEALTH, method="HEAD"),
        (HEAD + b"Content-Length: 9\r\n\r\n",),
    ),
    "a body of the given length": (READY, (HEAD + b"Content-Length: 5\r\n\r\n", b"re", b"ady")),
    "a body in chunks": (READY, (CHUNKED + b"2\r\nre\r\n", b"3\r\nady\r\n0\r\n\r\n")),
    "a body until close": (READY, (HEAD + b"\r\nre", b"ady")),
    "a match at the end of what is read": (READY, (HEAD + b"\r\n" + b"x" * (LIMIT - 30) + b"ready",)),
    "a cut body that nobody asked for": (HEALTH, (HEAD + b"Content-Length: 5\r\n\r\nre",)),
}


@pytest.mark.parametrize(("health", "pieces"), PASSING.values(), ids=PASSING)
async def test_answer_passes(health: HealthSpec, pieces: tuple[bytes, ...]) -> None:
    outcome = await answered(answering(*pieces), health)
    assert (outcome.passed, outcome.hard, outcome.error) == (True, False, "")


# what does not

FAILING: dict[str, tuple[HealthSpec, tuple[bytes, ...], str]] = {
    "a server error": (HEALTH, (b"HTTP/1.1 503 Busy\r\n\r\n",), "status 503, expected 200-399"),
    "a body that says no": (READY, (HEAD + b"Content-Length: 2\r\n\r\nno",), "body does not match 'ready'"),
    "a match behind the body's end": (
        READY,
        (HEAD + b"Content-Length: 2\r\n\r\nnoready",),
        "body does not match 'ready'",
    ),
    "a match behind what is read": (
        READY,
        (HEAD + b"\r\n" + b"x" * (2 * LIMIT), b"ready"),
        "body does not match 'ready'",
    ),
    "another protocol": (HEALTH, (b"SSH-2.0-OpenSSH_9.6\r\n\r\n",), "the answer is not valid HTTP/1.1"),
    "another protocol without line ends": (HEALTH, (b"\x00\x01\x02",), "the answer is not valid HTTP/1.1"),
    "two lengths": (
        HEALTH,
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nok",),
        "the answer is not valid HTTP/1.1",
    ),
    "a length and chunks": (
        HEALTH,
        (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",),
        "the answer is not valid HTTP/1.1",
    ),
    "protocols switched unasked": (
        HEALTH,
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",),
        "the answer is not valid HTTP/1.1",
    ),
    "interim answers without end": (
        HEALTH,
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 40,),
        "the answer is not valid HTTP/1.1",
    ),
    "a head without end": (HEALTH, (HEAD + b"X: " + b"x" * LIMIT,), "the head of the answer is longer than 32 KiB"),
    "bad chunks": (READY, (CHUNKED + b"zz\r\n",), "the body of the answer is not validly chunked"),
    "nothing": (HEALTH, (), "closed before an answer"),
    "half a head": (HEALTH, (HEAD,), "closed before an answer"),
    "half a body that was asked for": (
        READY,
        (HEAD + b"Content-Length: 9\r\n\r\nready",),
        "closed in the middle of the answer",
    ),
    "chunks without the last": (READY, (CHUNKED + b"5\r\nready\r\n",), "closed in the middle of the answer"),
}


@pytest.mark.parametrize(("health", "pieces", "error"), FAILING.values(), ids=FAILING)
async def test_answer_fails_softly(health: HealthSpec, pieces: tuple[bytes, ...], error: str) -> None:
    outcome = await answered(answering(*pieces), health)
    assert (outcome.passed, outcome.hard, outcome.error) == (False, False, error)


async def test_reset_is_soft() -> None:
    async def reset(connection: BackendConnection) -> None:
        await connection.read_head()
        connection.reset()

    outcome = await answered(reset)
    assert (outcome.passed, outcome.hard, outcome.error) == (False, False, "connection reset")


@pytest.mark.parametrize("health", [HealthSpec(), HEALTH], ids=["connect", "http"])
async def test_refusal_is_hard(health: HealthSpec) -> None:
    async with ScriptedBackend() as backend:
        asked = question(backend, health)
    outcome = await probe(asked, WITHIN)
    assert outcome is not None
    assert (outcome.passed, outcome.hard, outcome.error) == (False, True, "connection refused")


async def test_name_that_does_not_resolve_is_soft(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio, "get_running_loop", lambda: _LoopThat(unresolved))
    outcome = await probe(Question(host="nowhere.invalid", port=80), WITHIN)
    assert outcome is not None
    assert (outcome.hard, outcome.error) == (False, "the host name does not resolve")


OURS = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL)


@pytest.mark.parametrize("number", OURS, ids=[errno.errorcode[number] for number in OURS])
async def test_own_shortage_is_no_outcome(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    async def short(*_: object, **__: object) -> None:
        raise OSError(number, "short")

    monkeypatch.setattr(asyncio, "get_running_loop", lambda: _LoopThat(short))
    assert await probe(Question(host="127.0.0.1", port=80), WITHIN) is None


class _LoopThat:
    """The running loop, but for how it connects."""

    def __init__(self, create_connection: object) -> None:
        self._loop = asyncio.get_event_loop()
        self.create_connection = create_connection

    def __getattr__(self, name: str) -> object:
        return getattr(self._loop, name)


# time


async def silent(connection: BackendConnection) -> None:
    await connection.read_to_end()
    connection.gone.set()


async def test_silence_ends_in_time_and_the_connection_with_it() -> None:
    gone: list[BackendConnection] = []

    async def script(connection: BackendConnection) -> None:
        gone.append(connection)
        await silent(connection)

    async with ScriptedBackend(script) as backend:
        begun = time.monotonic()
        outcome = await probe(question(backend), SOON)
        assert time.monotonic() - begun < 1
        assert outcome is not None
        assert (outcome.passed, outcome.hard, outcome.error) == (False, False, "no answer within 0.05s")
        assert outcome.seconds >= 0.9 * SOON  # the loop counts in milliseconds
        await until(lambda: bool(gone) and gone[0].gone.is_set())


@pytest.mark.parametrize(
    ("answer", "outcome"), [(OK, True), (b"", None)], ids=["has its answer", "has none and says nothing of others"]
)
async def test_probe_during_which_this_process_stood_still(answer: bytes, outcome: bool | None) -> None:
    def stand_still() -> None:
        time.sleep(1.5)

    async def answer_at_once(connection: BackendConnection) -> None:
        await connection.read_head()
        os.write(connection.writer.get_extra_info("socket").fileno(), answer)  # before this turn of the loop is over
        stand_still()
        await connection.read_to_end()

    async with ScriptedBackend(answer_at_once) as backend:
        got = await probe(question(backend), 0.3)
    assert (got and got.passed) == outcome


async def test_connection_that_is_not_taken_ends_in_time() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), socket.socket() as second:  # fill the backlog
            second.setblocking(False)
            second.connect_ex(("127.0.0.1", port))
            outcome = await probe(Question(host="127.0.0.1", port=port), SOON)
    assert outcome is not None
    assert (outcome.hard, outcome.error) == (False, "no connection within 0.05s")


async def test_body_without_end_does_not_matter_when_the_status_is_all_that_was_asked() -> None:
    async def endless(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(CHUNKED + b"2\r\nok\r\n")
        await connection.read_to_end()

    outcome = await answered(endless)
    assert (outcome.passed, outcome.error) == (True, "")
    assert outcome.seconds < WITHIN  # to the head


async def test_body_without_end_is_cut_at_the_limit() -> None:
    sent = 0

    async def flood(connection: BackendConnection) -> None:
        nonlocal sent
        await connection.read_head()
        await connection.write(HEAD + b"\r\n")
        while sent < 64 * LIMIT:
            await connection.write(b"x" * 1024)
            sent += 1024
            await asyncio.sleep(0)  # writing does not wait as long as buffers take it: the probe has its turn

    outcome = await answered(flood, READY)
    assert outcome.error == "body does not match 'ready'"
    assert sent < 64 * LIMIT


async def test_backend_that_writes_head_and_body_apart_is_not_reset() -> None:
    rests: list[bytes] = []

    async def apart(connection: BackendConnection) -> None:
        await connection.read_head()
        await connection.write(HEAD + b"Content-Length: 5\r\n\r\n")
        await asyncio.sleep(0.02)
        await connection.write(b"hello")
        rests.append(await connection.read_to_end())  # raises when reset

    async with ScriptedBackend(apart) as backend:
        outcome = await probe(question(backend), WITHIN)
        assert outcome is not None
        assert outcome.passed
        await until(lambda: rests == [b""])


async def test_cancelled_probe_leaves_no_connection() -> None:
    gone: list[BackendConnection] = []

    async def script(connection: BackendConnection) -> None:
        gone.append(connection)
        await silent(connection)

    async with ScriptedBackend(script) as backend:
        probing = asyncio.create_task(probe(question(backend), WITHIN))
        await until(lambda: bool(gone))
        probing.cancel()
        await asyncio.wait([probing])
        assert probing.cancelled()
        await until(lambda: gone[0].gone.is_set())


# https


_MAKE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=nobody"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of nobody's, in one file."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    made = subprocess.run([*_MAKE.split(), "-keyout", "-", "-out", "-"], capture_output=True, check=True)
    file.write_bytes(made.stdout)
    return file


async def test_https_is_asked_by_tls_whatever_the_certificate_says(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        async with ScriptedBackend() as backend:
            asked = replace(question(backend, scheme="https"), port=port)
        outcome = await probe(asked, WITHIN)
    assert outcome is not None
    assert (outcome.passed, outcome.error) == (True, "")
    assert heads[0].startswith(b"GET /healthz ")


async def test_https_where_plain_http_is_spoken_is_soft() -> None:
    async with ScriptedBackend(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as backend:
        backend.script = _refusing_tls
        outcome = await probe(question(backend, scheme="https"), WITHIN)
    assert outcome is not None
    assert not outcome.passed
    assert not outcome.hard
    assert outcome.error.startswith("TLS handshake failed")


async def _refusing_tls(connection: BackendConnection) -> None:
    await connection.reader.read(1)
    await connection.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
