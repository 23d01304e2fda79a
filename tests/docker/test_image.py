"""The image as users get it: built from the Dockerfile, run beside its backends, found by labels, scraped."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from docker.models.containers import Container
from docker.models.networks import Network

from tests.docker.conftest import AnsweringEngine
from tests.support.containers import RunBackend, Scope
from tests.support.images import ImageBuilder
from tests.support.prometheus import program
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.timeout(400)  # the first of them builds the image, which compiles: minutes on a busy machine

ROOT = Path(__file__).resolve().parent.parent.parent
PROXY_AND_BACKENDS = ("seawall", "web-1", "web-2", "web-3")  # of compose.yaml; the others' images are for a registry
LABELS = {"seawall.enable": "true", "seawall.service": "web", "seawall.port": "8000"}


@pytest.fixture(scope="session")
def seawall_image(image_builder: ImageBuilder) -> str:
    return image_builder.build(ROOT, name="seawall")


@pytest.fixture(scope="session")
def socket_proxy_image(image_builder: ImageBuilder) -> str:
    return image_builder.build(Path(__file__).parent / "socket_proxy", name="socket-proxy")


@pytest.fixture(scope="session")
def prometheus_image(image_builder: ImageBuilder, tmp_path_factory: pytest.TempPathFactory) -> str:
    context = tmp_path_factory.mktemp("prometheus")
    shutil.copy(program("prometheus"), context / "prometheus")
    shutil.copy(Path(__file__).parent / "prometheus" / "Dockerfile", context)
    return image_builder.build(context, name="prometheus")


def socket_of(engine: AnsweringEngine) -> Path:
    if not engine.url.startswith("unix://"):
        pytest.skip(f"the engine is at {engine.url}; a socket file is what gets mounted: run with a local engine")
    return Path(engine.url.removeprefix("unix://"))


def run_seawall(engine: AnsweringEngine, scope: Scope, network: Network, image: str, **options: Any) -> Container:
    """The container as compose.yaml runs it: not root, nothing writable, no capabilities, the socket read-only."""
    path = socket_of(engine)
    return engine.client.containers.run(
        image,
        ["run", "--constraint", scope.constraint, "--log-format", "json"],
        detach=True,
        name=scope.unique("seawall"),
        labels=scope.labels,
        network=network.name,
        volumes={str(path): {"bind": "/var/run/docker.sock", "mode": "ro"}},
        group_add=[str(path.stat().st_gid)],
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        **options,
    )


def address_of(container: Container, network: Network) -> str:
    container.reload()
    address: str = container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
    return address


async def test_image_serves_its_neighbours_and_is_scraped(
    engine: AnsweringEngine, scope: Scope, network: Network, run_backend: RunBackend, seawall_image: str
) -> None:
    backends = [await run_backend(f"web-{number}", labels=LABELS) for number in range(3)]
    container = run_seawall(engine, scope, network, seawall_image)
    host = await asyncio.to_thread(address_of, container, network)

    async def is_healthy() -> bool:
        await asyncio.to_thread(container.reload)
        assert container.status in ("created", "running"), container.logs().decode()
        return bool(container.attrs["State"]["Health"]["Status"] == "healthy")

    await wait_until_async(is_healthy, "the image's HEALTHCHECK to pass", 40)
    async with aiohttp.ClientSession() as session:

        async def all_serve() -> bool:
            async with session.get(f"http://{host}:9900/api/v1/backends") as response:
                known = (await response.json())["backends"]
            available = {backend["name"] for backend in known if backend["reason"] is None}
            return available == {backend.container.name for backend in backends}

        await wait_until_async(all_serve, "all backends to be found by their labels", 30)
        names: list[str] = []
        while len(set(names)) < len(backends) and len(names) < 100:
            async with session.get(f"http://{host}:8080/") as response:
                assert response.status == 200
                names.append((await response.json())["name"])
        assert set(names) == {backend.name for backend in backends}
        async with session.get(f"http://{host}:9900/metrics") as response:
            text = await response.text()
        assert f'seawall_requests_total{{code="200",method="GET",service="web"}} {len(names)}.0' in text
        assert "seawall_discovery_connected 1.0" in text
        assert 'wire="compiled"' in text
    user = container.exec_run(["python3", "-c", "import os; print(os.getuid())"]).output
    assert isinstance(user, bytes)
    assert int(user) != 0
    await asyncio.to_thread(container.stop, timeout=20)
    await asyncio.to_thread(container.reload)
    assert container.attrs["State"]["ExitCode"] == 0, container.logs().decode()


@dataclass(frozen=True, kw_only=True)
class Project:
    """A compose project that is up."""

    name: str
    engine: AnsweringEngine

    async def host(self, service: str) -> str:
        """The address of the one container of a service."""
        of_service: dict[str, str | list[str] | bool] = {
            "label": [f"com.docker.compose.project={self.name}", f"com.docker.compose.service={service}"]
        }
        (container,) = self.engine.client.containers.list(filters=of_service)
        return await asyncio.to_thread(address_of, container, self.engine.client.networks.get(f"{self.name}_default"))


RunCompose = Callable[..., AbstractAsyncContextManager[Project]]


@pytest.fixture
def environment(
    engine: AnsweringEngine, image_builder: ImageBuilder, socket_proxy_image: str, backend_image: str
) -> dict[str, str]:
    """What the compose files are told on a machine that cannot pull."""
    path = socket_of(engine)
    return {
        **os.environ,
        "DOCKER_HOST": engine.url,
        "DOCKER_SOCKET": str(path),
        "DOCKER_GID": str(path.stat().st_gid),
        "SEAWALL_BASE": image_builder.base,
        "SEAWALL_PORT": "0",
        "SEAWALL_ADMIN_PORT": "0",
        "SOCKET_PROXY_IMAGE": socket_proxy_image,
        "BACKEND_IMAGE": backend_image,
        "BACKEND_PORT": "8000",
    }


@pytest.fixture
def run_compose(engine: AnsweringEngine, scope: Scope, seawall_image: str, environment: dict[str, str]) -> RunCompose:
    """`async with run_compose(file, *services, **variables)`: up while entered; all services where none are named."""

    @asynccontextmanager
    async def run(file: str, *services: str, **variables: str) -> AsyncIterator[Project]:
        name = scope.unique("compose").replace("-", "")
        # built before, with what this machine needs to reach its package index; compose would build the same
        engine.client.images.get(seawall_image).tag(f"{name}_seawall")
        try:
            await compose(name, file, {**environment, **variables}, "up", "-d", "--no-build", *services)
            yield Project(name=name, engine=engine)
        finally:
            await compose(name, file, {**environment, **variables}, "down", "--volumes", "--timeout", "5")
            engine.client.images.remove(f"{name}_seawall")

    return run


@pytest.mark.parametrize(
    ("file", "services"),
    [("compose.yaml", PROXY_AND_BACKENDS), ("compose.socket-proxy.yaml", ())],
    ids=["compose.yaml", "compose.socket-proxy.yaml"],
)
async def test_compose_file_brings_up_proxy_and_backends(
    run_compose: RunCompose, file: str, services: tuple[str, ...]
) -> None:
    async with run_compose(file, *services) as project, aiohttp.ClientSession() as session:
        host = await project.host("seawall")
        names: set[str] = set()

        async def answered_by_all() -> bool:
            try:
                async with session.get(f"http://{host}:8080/") as response:
                    if response.status == 200:
                        names.add((await response.json())["name"])
            except aiohttp.ClientConnectionError:
                return False
            return len(names) == 3

        await wait_until_async(answered_by_all, "three backends to answer through the proxy", 60)


async def test_prometheus_of_the_compose_file_scrapes_the_proxy(run_compose: RunCompose, prometheus_image: str) -> None:
    services = (*PROXY_AND_BACKENDS, "prometheus")
    async with (
        run_compose("compose.yaml", *services, PROMETHEUS_IMAGE=prometheus_image) as project,
        aiohttp.ClientSession() as session,
    ):
        api = f"http://{await project.host('prometheus')}:9090/api/v1"

        async def sees_all_backends() -> bool:
            query = {"query": "sum(seawall_backend_available)"}
            try:
                async with session.get(f"{api}/query", params=query) as response:
                    found = (await response.json())["data"]["result"]
            except aiohttp.ClientError:  # not there yet, or "Service Unavailable" in plain text
                return False
            return [series["value"][1] for series in found] == ["3"]

        await wait_until_async(sees_all_backends, "Prometheus to see three backends available", 60)
        async with session.get(f"{api}/rules") as response:
            groups = (await response.json())["data"]["groups"]
        assert {group["file"] for group in groups} == {"/etc/prometheus/alerts.yml"}


async def compose(project: str, file: str, environment: dict[str, str], *arguments: str) -> None:
    """Run docker-compose for one of the files in config/."""
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed: apt-get install docker-compose")
    command = [program, "-p", project, "-f", str(ROOT / "config" / file), *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
