"""A running admin server and a client for it, on loopback."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from proxy.admin.server import AdminServer
from tests.admin.builders import Scene, backend_spec
from tests.support import prometheus

TOKEN = "s3cret-t0ken"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(prometheus.HOW_TO_RUN in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.section("Prometheus tests NOT run", sep="!", red=True, bold=True)
        terminalreporter.line(f"{count} tests need Prometheus. To run them: {prometheus.HOW_TO_RUN}")


@pytest.fixture
def scene() -> Scene:
    """Two backends of one service."""
    scene = Scene()
    scene.reconcile(backend_spec("web-1"), backend_spec("web-2", weight=3, backup=True))
    return scene


@pytest.fixture
async def client(scene: Scene) -> AsyncIterator[ClientSession]:
    server = AdminServer(scene.views, token=TOKEN)
    await server.start("127.0.0.1", 0)
    async with ClientSession(f"http://127.0.0.1:{server.address[1]}") as session:
        yield session
    await server.stop()
