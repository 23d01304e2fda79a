"""`seawall run` as a process: what a user meets, at the sizes they have."""

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import sys

import pytest

from tests.integration.conftest import until
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, Holding, ScriptedBackend, serve_ok
from tests.support.seawall_process import SeawallProcess

GIGABYTE = 1 << 30
MEGABYTE = 1 << 20
PIECE = bytes(256 * 1024)
MOST_MEMORY = 120 * MEGABYTE


def static(backend: ScriptedBackend) -> tuple[str, ...]:
    return ("--no-docker", "--backend", f"http://127.0.0.1:{backend.port}")


async def count_bytes(reader: asyncio.StreamReader, size: int, seawall: SeawallProcess) -> int:
    """The most memory the proxy had while these bytes went through it."""
    most = 0
    while size:
        data = await reader.read(MEGABYTE)
        assert data, "cut short"
        size -= len(data)
        most = max(most, seawall.rss)
    return most


@pytest.mark.timeout(300)
async def test_a_gigabyte_down_and_up_with_memory_flat() -> None:
    received = 0

    async def bulk(connection: BackendConnection) -> None:
        nonlocal received
        while True:
            head = await connection.read_head()
            if head.startswith(b"GET"):
                await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIGABYTE)
                for _ in range(GIGABYTE // len(PIECE)):
                    await connection.write(PIECE)
                continue
            while received < GIGABYTE:
                received += len(await connection.reader.read(MEGABYTE))
            await connection.write(OK)

    async with ScriptedBackend(bulk) as backend, SeawallProcess(*static(backend)) as seawall:
        async with RawClient(seawall.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.read_head()
            assert await count_bytes(client.reader, GIGABYTE, seawall) < MOST_MEMORY
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % GIGABYTE)
            for _ in range(GIGABYTE // len(PIECE)):
                await client.send(PIECE)
            assert (await client.read_response()).status == 200
            assert seawall.rss < MOST_MEMORY
        assert received == GIGABYTE


@pytest.mark.http(74)
async def test_proxy_without_descriptors_lives_and_serves_when_it_has_some_again() -> None:
    async with (
        ScriptedBackend() as backend,
        SeawallProcess(*static(backend), "--max-connections", "100000") as seawall,
    ):
        async with RawClient(seawall.port) as client:
            assert (await client.get()).status == 200
        few = seawall.descriptors + 10
        resource.prlimit(seawall.workers[0], resource.RLIMIT_NOFILE, (few, few))
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(RawClient(seawall.port)) for _ in range(50)]
            statuses = [await status_or_nothing(client) for client in clients]
        assert 200 in statuses
        assert set(statuses) <= {200, 503, None}
        await until(lambda: seawall.descriptors <= few - 8)
        async with RawClient(seawall.port) as client:
            assert (await client.get()).status == 200


async def status_or_nothing(client: RawClient) -> int | None:
    """What a client gets, None when it is not served."""
    try:
        return (await client.get()).status
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


@pytest.mark.timeout(180)
async def test_ten_thousand_keep_alive_connections_are_served() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 11_000:
        pytest.skip(f"the limit of open files is {hard} here, and 11 000 are needed: ulimit -Hn 11000")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sockets: list[socket.socket] = []
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    loop = asyncio.get_running_loop()
    async with ScriptedBackend() as backend, SeawallProcess(*static(backend), "--max-connections", "10100") as seawall:
        try:
            for number in range(10_000):
                one = socket.socket()
                one.setblocking(False)
                sockets.append(one)
                await loop.sock_connect(one, ("127.0.0.1", seawall.port))
                if number % 100 == 0:
                    await loop.sock_sendall(one, request)
                    assert (await loop.sock_recv(one, 4096)).startswith(b"HTTP/1.1 200")
            for one in sockets[::50]:  # the oldest as well as the newest still work with all the others open
                await loop.sock_sendall(one, request)
                assert (await loop.sock_recv(one, 4096)).startswith(b"HTTP/1.1 200")
            assert seawall.descriptors > 10_000
        finally:
            for one in sockets:
                one.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def run(*command: str, within: float = 60) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), within)
    assert process.returncode is not None
    return process.returncode, output.decode()


CLIENTS = {
    "curl": (["curl", "-sS", "--fail", "-d", "x=1", "{url}"], "ok"),
    "curl HTTP/1.0": (["curl", "-sS", "--fail", "-0", "{url}"], "ok"),
    "curl with a large header": (["curl", "-sS", "--fail", "-H", "X-Large: " + "x" * 8000, "{url}"], "ok"),
    "curl as a browser": (
        [
            *("curl", "-sS", "--fail", "--compressed", "-A", "Mozilla/5.0 (X11; Linux x86_64) Chrome/143.0"),
            *("-H", "Accept-Language: en-US,en;q=0.5", "-H", "Cookie: a=b; session=0123456789abcdef", "-H", "DNT: 1"),
            *("-H", "Sec-Fetch-Dest: document", "-H", "Sec-Fetch-Mode: navigate", "-H", "Sec-Fetch-Site: none"),
            *(
                "-H",
                "Sec-Fetch-User: ?1",
                "-H",
                "Cache-Control: max-age=0",
                "-e",
                "http://example.com/",
                "{url}/?q=%20",
            ),
        ],
        "ok",
    ),
    "hey": (["hey", "-n", "2000", "-c", "50", "{url}"], "[200]\t2000 responses"),
    "hey with POST": (["hey", "-n", "500", "-c", "20", "-m", "POST", "-d", "hello", "{url}"], "[200]\t500 responses"),
    "ab with keep-alive": (["ab", "-q", "-k", "-n", "1000", "-c", "20", "{url}/"], "Failed requests:        0"),
    "ab without keep-alive": (["ab", "-q", "-n", "500", "-c", "20", "{url}/"], "Failed requests:        0"),
    "wrk": (["wrk", "-t1", "-c20", "-d1", "{url}"], "requests in"),
}


@pytest.mark.parametrize(("command", "expected"), CLIENTS.values(), ids=CLIENTS)
async def test_real_client_gets_right_answers(command: list[str], expected: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: apt-get install hey wrk apache2-utils curl")
    async with ScriptedBackend() as backend, SeawallProcess(*static(backend)) as seawall:
        code, output = await run(*(part.format(url=seawall.url) for part in command))
        assert code == 0, output
        assert expected in output
        assert "Non-2xx" not in output


async def test_sigterm_lets_requests_finish_and_exits_zero() -> None:
    holding = Holding()
    async with ScriptedBackend(holding) as backend, SeawallProcess(*static(backend)) as seawall:
        async with RawClient(seawall.port) as busy, RawClient(seawall.port) as idle:
            await busy.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await holding.asked.wait()
            seawall.process.send_signal(signal.SIGTERM)
            assert await idle.is_closed()
            await seawall.logged("draining")
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", seawall.port)
            assert (await seawall.admin("/readyz"))["ready"] is False
            holding.release.set()
            response = await busy.read_response()
            assert (response.body, response.field("connection")) == (b"ok", "close")
        assert await seawall.process.wait() == 0


async def test_second_signal_ends_it_at_once() -> None:
    async def hang(connection: BackendConnection) -> None:
        await connection.read_request()
        asked.set()
        await connection.read_to_end()

    asked = asyncio.Event()
    async with (
        ScriptedBackend(hang) as backend,
        SeawallProcess(*static(backend)) as seawall,
        RawClient(seawall.port) as client,
    ):
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asked.wait()
        seawall.process.send_signal(signal.SIGTERM)
        await seawall.logged("draining")
        seawall.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(seawall.process.wait(), 3)


async def test_drain_ends_when_its_time_is_over() -> None:
    async def hang(connection: BackendConnection) -> None:
        await connection.read_request()
        asked.set()
        await connection.read_to_end()

    asked = asyncio.Event()
    async with (
        ScriptedBackend(hang) as backend,
        SeawallProcess(*static(backend), "--drain", "300ms") as seawall,
        RawClient(seawall.port) as client,
    ):
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asked.wait()
        seawall.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(seawall.process.wait(), 3)


async def test_busy_address_is_exit_3_and_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for option in ("--listen", "--admin"):
            other = "--admin" if option == "--listen" else "--listen"
            command = (sys.executable, "-m", "proxy", "run", "--no-docker", option, address, other, "127.0.0.1:0")
            code, output = await run(*command)
            assert code == 3, output
            assert address in output


async def test_no_engine_at_start_serves_static_backends_and_says_so() -> None:
    async with ScriptedBackend() as backend:
        arguments = ("--docker", "unix:///nowhere/docker.sock", "--backend", f"http://127.0.0.1:{backend.port}")
        async with SeawallProcess(*arguments) as seawall, RawClient(seawall.port) as client:
            assert (await client.get()).status == 200
            metrics = await run("curl", "-sS", seawall.admin_url + "/metrics")
            assert "seawall_discovery_connected 0.0" in metrics[1]
            assert any("nowhere" in json.dumps(line) for line in seawall.log)


async def test_access_log_says_why_a_502_is_a_502() -> None:
    async with ScriptedBackend() as backend, SeawallProcess(*static(backend), "--access-log", "json") as seawall:
        async with RawClient(seawall.port) as client:
            assert (await client.get("/a?b", "X: \x01")).status == 400
        await backend.stop_listening()
        async with RawClient(seawall.port) as client:
            assert (await client.get("/a?b")).status == 502
        assert seawall.process.stdout is not None
        bad = json.loads(await seawall.process.stdout.readline())
        entry = json.loads(await seawall.process.stdout.readline())
    assert (bad["status"], bad["failure"]) == (400, "bad-field")
    assert (entry["status"], entry["failure"], entry["path"], entry["method"]) == (502, "refused", "/a", "GET")
    assert [attempt["failure"] for attempt in entry["attempts"]] == ["refused"]


async def test_everything_is_back_at_zero_after_load() -> None:
    async with ScriptedBackend(serve_ok) as backend, SeawallProcess(*static(backend)) as seawall:
        before = seawall.descriptors
        for _ in range(20):
            async with RawClient(seawall.port) as client:
                await client.get()
        (service,) = (await seawall.admin("/api/v1/services"))["services"]
        assert sum(backend["in_flight"] for backend in service["backends"]) == 0
        await until(lambda: seawall.descriptors <= before + 2)  # one idle upstream, and the admin request that asks
        assert os.path.exists(f"/proc/{seawall.process.pid}")
