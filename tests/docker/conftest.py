"""Fixtures for tests on a real Docker engine: where there is none the tests are skipped, in CI they fail."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Never

import docker
import pytest
from docker.models.networks import Network

from tests.support import engine as engines
from tests.support import images
from tests.support.containers import RunBackend, Scope
from tests.support.images import ImageBuilder
from tests.support.private_engine import Engine


@dataclass(frozen=True)
class AnsweringEngine:
    """The engine that the tests share."""

    client: docker.DockerClient
    url: str


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.docker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if engines.HOW_TO_RUN in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.section("Docker tests NOT run", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} tests need a Docker engine. To run them: {engines.HOW_TO_RUN}")


@pytest.fixture(scope="session")
def engine() -> Iterator[AnsweringEngine]:
    """The engine at DOCKER_HOST, else at the default socket. Other tests use it at the same time."""
    client = engines.answering()
    if client is None:
        _refuse(os.environ.get(engines.REASON) or "no Docker engine answers")
    yield AnsweringEngine(client, os.environ.get("DOCKER_HOST") or engines.DEFAULT_URL)
    client.close()


@pytest.fixture(scope="session")
def base_image(engine: AnsweringEngine) -> str:
    """Tag of an image with python3 ≥ 3.11, venv and pip."""
    # A private engine runs where no registry was configured: do not wait for one to time out.
    return images.base(engine.client, pull=os.environ.get(engines.KIND) != "private")


@pytest.fixture(scope="session")
def backend_image(engine: AnsweringEngine, base_image: str) -> str:
    """Tag of the test backend's image (backend_app/)."""
    return images.backend(engine.client, base_image)


@pytest.fixture(scope="session")
def busybox_image(engine: AnsweringEngine) -> str:
    """Tag of a tiny image, for tests with many containers."""
    return images.busybox(engine.client)


@pytest.fixture(scope="session")
def image_builder(engine: AnsweringEngine, base_image: str, testrun_uid: str) -> Iterator[ImageBuilder]:
    """Builds a Dockerfile whose build argument BASE is a Python image; what was built goes with the run."""
    builder = ImageBuilder(engine.client, base_image, testrun_uid[:10])
    yield builder
    builder.close()


@pytest.fixture
def scope(engine: AnsweringEngine, backend_image: str) -> Iterator[Scope]:
    """What this test makes in the engine; afterwards nothing of it is left."""
    scope = Scope(engine.client, backend_image)
    yield scope
    scope.close()


@pytest.fixture
def network(scope: Scope) -> Network:
    """The network the test's backends are in."""
    return scope.create_network()


@pytest.fixture
def run_backend(scope: Scope, network: Network) -> RunBackend:
    """`await run_backend(name, labels=…, env=…)`: see Scope.run_backend."""
    return scope.run_backend


@pytest.fixture
def restartable_engine() -> Iterator[Engine]:
    """An engine of this test's own, to stop and start again; its containers live on meanwhile."""
    try:
        engine = engines.start_private()
    except engines.UnavailableError as error:
        _refuse(str(error))
    yield engine
    engine.close()


@pytest.fixture
def restartable_scope(restartable_engine: Engine) -> Scope:
    """For containers in the restartable engine; they go with it."""
    base = images.base(restartable_engine.client, pull=False)
    return Scope(restartable_engine.client, images.backend(restartable_engine.client, base))


def _refuse(reason: str) -> Never:
    message = f"{reason}. To run the Docker tests: {engines.HOW_TO_RUN}"
    if engines.is_required():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
