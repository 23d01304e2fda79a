"""The image as users get it: built from the Dockerfile, run beside its backends, found by labels, scraped."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from docker.models.containers import Container
from docker.models.networks import Network

from tests.docker.conftest import AnsweringEngine
from tests.support.containers import RunBackend, Scope
from tests.support.images import ImageBuilder
from tests.support.waiting import wait_until_async

ROOT = Path(__file__).resolve().parent.parent.parent
LABELS = {"seawall.enable": "true", "seawall.service": "web", "seawall.port": "8000"}


@pytest.fixture(scope="session")
def seawall_image(image_builder: ImageBuilder) -> str:
    return image_builder.build(ROOT, name="seawall")


@pytest.fixture(scope="session")
def socket_proxy_image(image_builder: ImageBuilder) -> str:
    return image_builder.build(Path(__file__).parent / "socket_proxy", name="socket-proxy")


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

        async def all_known() -> bool:
            async with session.get(f"http://{host}:9900/api/v1/backends") as response:
                known = (await response.json())["backends"]
            return {backend["name"] for backend in known} == {backend.container.name for backend in backends}

        await wait_until_async(all_known, "all backends to be found by their labels", 10)
        names = set()
        for _ in range(12):
            async with session.get(f"http://{host}:8080/") as response:
                assert response.status == 200
                names.add((await response.json())["name"])
        assert names == {backend.name for backend in backends}
        async with session.get(f"http://{host}:9900/metrics") as response:
            text = await response.text()
        assert 'seawall_requests_total{code="200",method="GET",service="web"} 12.0' in text
        assert "seawall_discovery_connected 1.0" in text
        assert 'wire="compiled"' in text
    user = container.exec_run(["python3", "-c", "import os; print(os.getuid())"]).output
    assert isinstance(user, bytes)
    assert int(user) != 0
    await asyncio.to_thread(container.stop, timeout=20)
    await asyncio.to_thread(container.reload)
    assert container.attrs["State"]["ExitCode"] == 0, container.logs().decode()


# without Prometheus and Grafana, whose images are not to be had everywhere; the file's own comment shows this call
SERVICES = {"compose.yaml": ("seawall", "web-1", "web-2", "web-3"), "compose.socket-proxy.yaml": ()}


@pytest.mark.parametrize("file", SERVICES)
async def test_compose_file_brings_up_proxy_and_backends(
    engine: AnsweringEngine,
    scope: Scope,
    seawall_image: str,
    socket_proxy_image: str,
    backend_image: str,
    image_builder: ImageBuilder,
    file: str,
) -> None:
    path = socket_of(engine)
    project = scope.unique("compose").replace("-", "")
    environment = {
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
    # the image is built above, with what this machine needs to reach its package index; compose would build the same
    engine.client.images.get(seawall_image).tag(f"{project}_seawall")
    try:
        await compose(project, file, environment, "up", "-d", "--no-build", *SERVICES[file])
        network = engine.client.networks.get(f"{project}_default")
        of_project: dict[str, str | list[str] | bool] = {
            "label": [f"com.docker.compose.project={project}", "com.docker.compose.service=seawall"]
        }
        (seawall,) = engine.client.containers.list(filters=of_project)
        host = await asyncio.to_thread(address_of, seawall, network)
        names: set[str] = set()

        async def answered_by_all() -> bool:
            async with aiohttp.ClientSession() as session:
                try:
                    async with session.get(f"http://{host}:8080/") as response:
                        if response.status == 200:
                            names.add((await response.json())["name"])
                except aiohttp.ClientConnectionError:
                    return False
            return len(names) == 3

        await wait_until_async(answered_by_all, "three backends to answer through the proxy", 20)
    finally:
        await compose(project, file, environment, "down", "--timeout", "5")
        engine.client.images.remove(f"{project}_seawall")


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
