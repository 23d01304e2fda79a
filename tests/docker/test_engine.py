"""The harness itself: what it promises to the tests that stand on it."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import ImageNotFound, NotFound
from docker.models.networks import Network

from tests.docker.conftest import AnsweringEngine
from tests.support.containers import Backend, RunBackend, Scope
from tests.support.images import ImageBuilder
from tests.support.load import Connection, Load
from tests.support.private_engine import Engine
from tests.support.waiting import wait_until_async

# The engine


async def test_backend_runs_and_answers_at_its_own_address(run_backend: RunBackend) -> None:
    backend = await run_backend("a", labels={"seawall.enable": "true"})

    answer = await backend.get("/hello?x=1")

    assert answer["name"] == "a"
    assert (answer["method"], answer["path"], answer["body_bytes"]) == ("GET", "/hello?x=1", 0)
    assert backend.container.labels["seawall.enable"] == "true"


async def test_containers_life_comes_as_events(engine: AnsweringEngine, scope: Scope, run_backend: RunBackend) -> None:
    with _events(engine.client, scope.constraint) as events:
        backend = await run_backend("a", env={"LINGER": 0})
        await backend.kill("SIGHUP")
        await backend.stop()
        await backend.remove()
        seen = await asyncio.to_thread(_take_until, events, "destroy")

    assert seen == ["create", "start", "kill", "kill", "die", "stop", "destroy"]


async def test_networks_are_kept_apart(scope: Scope, run_backend: RunBackend) -> None:
    here, there = scope.create_network("here"), scope.create_network("there")
    near = await run_backend("near", network=here)
    far = await run_backend("far", network=there)
    reach = (
        "import socket, sys\n"
        "for host in sys.argv[1:]:\n"
        "    try: socket.create_connection((host, 8000), 1).close(); print('reached')\n"
        "    except OSError: print('not reached')\n"
    )

    output = await asyncio.to_thread(
        scope.client.containers.run,
        scope.image,
        ["-c", reach, scope.unique("near"), near.ip, far.ip],
        entrypoint="python3",
        network=here.name,
        labels=scope.labels,
        remove=True,
    )

    assert output.decode().split("\n") == ["reached", "reached", "not reached", ""]


async def test_scope_closed_leaves_nothing(engine: AnsweringEngine, backend_image: str) -> None:
    scope = Scope(engine.client, backend_image)
    backend = await scope.run_backend("a")
    network = scope.network
    assert network is not None

    scope.close()

    with pytest.raises(NotFound):
        engine.client.containers.get(backend.id)
    with pytest.raises(NotFound):
        engine.client.networks.get(str(network.id))


async def test_container_that_ends_before_it_is_ready_fails_with_its_log(run_backend: RunBackend) -> None:
    with pytest.raises(RuntimeError, match=r"ValueError.*'soon'"):
        await run_backend("a", env={"BOOT_SECONDS": "soon"})


async def test_many_small_containers_start_quickly(scope: Scope, busybox_image: str) -> None:
    start = time.monotonic()
    await asyncio.gather(
        *(scope.run_backend(ready=False, image=busybox_image, command=["sleep", "60"]) for _ in range(10))
    )

    assert time.monotonic() - start < 20
    assert len(scope.client.containers.list(filters={"label": scope.constraint})) == 10


async def test_restartable_engine_stopped_and_started_keeps_its_containers(
    restartable_engine: Engine, restartable_scope: Scope
) -> None:
    backend = await restartable_scope.run_backend("a")
    before = await backend.get()

    await asyncio.to_thread(restartable_engine.stop)

    with pytest.raises(OSError, match="No such file"):
        await asyncio.open_unix_connection(restartable_engine.url.removeprefix("unix://"))
    assert (await backend.get())["pid"] == before["pid"]

    await asyncio.to_thread(restartable_engine.start)

    assert await backend.state() == "running"
    assert (await backend.get())["requests"] == before["requests"] + 2


def test_restartable_engine_closed_leaves_nothing(restartable_engine: Engine) -> None:
    folder = restartable_engine.folder
    restartable_engine.close()

    assert not folder.exists()
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()


async def test_image_is_built_with_packages_from_the_index(
    engine: AnsweringEngine, image_builder: ImageBuilder, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(
        "ARG BASE=python:3.13-slim\n"
        "FROM ${BASE} AS build\n"
        "RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir h11\n"
        "FROM ${BASE}\n"
        "COPY --from=build /venv /venv\n"
        'CMD ["/venv/bin/python", "-c", "import asyncio, http.server, ssl, json, h11; print(h11.__name__)"]\n'
    )

    tag = await asyncio.to_thread(image_builder.build, tmp_path)

    output = await asyncio.to_thread(engine.client.containers.run, tag, remove=True)
    assert output == b"h11\n"


def test_images_go_with_the_last_builder_of_their_run(engine: AnsweringEngine, base_image: str) -> None:
    run = uuid.uuid4().hex[:10]
    first, last = (ImageBuilder(engine.client, base_image, run) for _ in range(2))

    first.close()
    assert engine.client.images.get(last.base)
    last.close()

    with pytest.raises(ImageNotFound):
        engine.client.images.get(last.base)


# The backend


async def test_backend_asked_for_status_and_bytes_gives_them(run_backend: RunBackend) -> None:
    connection = await _connection(await run_backend("a"))

    refused = await connection.exchange(b"GET /?status=503 HTTP/1.1\r\n\r\n")
    large = await connection.exchange(b"GET /?bytes=200000 HTTP/1.1\r\n\r\n")
    connection.close()

    assert refused.status == 503
    assert (large.status, len(large.body)) == (200, 200_000)


async def test_backend_counts_the_bytes_of_a_chunked_body(run_backend: RunBackend) -> None:
    connection = await _connection(await run_backend("a"))

    answer = await connection.exchange(
        b"POST /?id=7 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"
    )
    connection.close()

    assert (answer.json["method"], answer.json["body_bytes"]) == ("POST", 15)


async def test_backend_logs_the_id_of_every_post(run_backend: RunBackend) -> None:
    backend = await run_backend("a")
    connection = await _connection(backend)
    post = b"POST / HTTP/1.1\r\nX-Request-Id: %d\r\nContent-Length: 2\r\n\r\nok"

    for number in (1, 2, 2):
        await connection.exchange(post % number)
    connection.close()

    assert await backend.request_ids() == ["1", "2", "2"]


async def test_backend_fails_every_nth_request(run_backend: RunBackend) -> None:
    # The fixture's own question whether it is ready is the first request.
    connection = await _connection(await run_backend("a", env={"FAIL_EVERY": 3}))

    statuses = [(await connection.exchange(b"GET / HTTP/1.1\r\n\r\n")).status for _ in range(5)]
    connection.close()

    assert statuses == [200, 500, 200, 200, 500]


async def test_backend_that_boots_slowly_refuses_meanwhile(run_backend: RunBackend) -> None:
    backend = await run_backend("a", env={"BOOT_SECONDS": 3}, ready=False)
    with pytest.raises(ConnectionRefusedError):
        await backend.get()

    await wait_until_async(lambda: _answers(backend), "the backend to boot", 20)


async def test_backend_told_to_stop_serves_its_connections_and_takes_no_more(run_backend: RunBackend) -> None:
    backend = await run_backend("a", env={"LINGER": 3})
    connection = await _connection(backend)
    await connection.exchange(b"GET / HTTP/1.1\r\n\r\n")

    await backend.kill("SIGTERM")
    await wait_until_async(lambda: _refuses(backend), "the listener to close", 5)
    answer = await connection.exchange(b"GET /?delay=100 HTTP/1.1\r\n\r\n")
    await wait_until_async(lambda: _has_exited(backend), "the backend to end", 10)
    connection.close()

    assert answer.status == 200
    assert [entry["event"] for entry in await backend.log()] == ["listening", "terminating", "exit"]
    backend.container.reload()
    assert backend.container.attrs["State"]["ExitCode"] == 0


async def test_backend_sent_hup_goes_on(run_backend: RunBackend) -> None:
    backend = await run_backend("a")

    await backend.kill("SIGHUP")

    assert (await backend.get())["requests"] == 2
    assert await backend.state() == "running"


# The load


async def test_load_on_a_sound_backend_loses_nothing(run_backend: RunBackend) -> None:
    backend = await run_backend("a")

    async with Load(backend.url, rate=100, max_seconds=1) as load:
        report = await load.finish()

    assert not report.failed, report
    assert report.by_backend == {"a": 100}
    assert len(report.of("POST").records) == 50
    # Sorted: two that are under way at once, on connections of their own, arrive in any order.
    assert sorted(await backend.request_ids()) == sorted(record.id for record in report.of("POST").records)


async def test_load_on_a_slow_backend_keeps_its_rate(run_backend: RunBackend) -> None:
    backend = await run_backend("a")

    async with Load(f"{backend.url}/?delay=500", rate=40, max_seconds=1) as load:
        report = await load.finish()

    assert (len(report.records), len(report.failed)) == (40, 0)
    assert report.p99 >= 0.5
    starts = [record.due for record in report.records]
    assert starts[-1] - starts[0] == pytest.approx(39 / 40)


async def test_load_on_a_killed_backend_reports_each_loss(run_backend: RunBackend) -> None:
    backend = await run_backend("a")

    async with Load(f"{backend.url}/?delay=100", rate=50, max_seconds=30, patience=1) as load:
        await wait_until_async(lambda: _has_answers(load, 10), "the load to run", 10)
        await backend.kill()
        await wait_until_async(lambda: _has_failures(load, 10), "the load to fail", 10)

    assert 10 <= load.report.by_backend["a"] < len(load.report.records)
    assert {error.split(" ")[0] for error in load.report.errors} == {"GET", "POST"}


async def test_load_to_another_machine_is_refused(network: Network) -> None:
    with pytest.raises(ValueError, match="only to this machine"):
        Load("http://203.0.113.7/", rate=1)


async def _connection(backend: Backend) -> Connection:
    return await Connection.open(backend.ip, backend.port)


async def _answers(backend: Backend) -> bool:
    try:
        return bool(await backend.get())
    except OSError:
        return False


async def _refuses(backend: Backend) -> bool:
    return not await _answers(backend)


async def _has_exited(backend: Backend) -> bool:
    return await backend.state() == "exited"


async def _has_answers(load: Load, count: int) -> bool:
    return len(load.report.records) >= count


async def _has_failures(load: Load, count: int) -> bool:
    return len(load.report.failed) >= count


@contextmanager
def _events(client: docker.DockerClient, label: str) -> Iterator[Any]:
    """The engine's event stream: the subscription exists when this is entered, or the first events would be lost."""
    events = client.events(decode=True, filters={"type": "container", "label": label})
    try:
        yield events
    finally:
        events.close()


def _take_until(events: Any, action: str) -> list[str]:
    seen: list[str] = []
    for event in events:
        seen.append(event["Action"])
        if event["Action"] == action:
            break
    return seen
