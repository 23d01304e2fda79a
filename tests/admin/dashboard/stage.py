"""A scene, the server that shows it, and a real browser that looks at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Error, Page, Request, expect

from proxy.admin.server import AdminServer
from proxy.admin.views import Condition
from proxy.control.transitions import AnnouncedFleet
from proxy.spec.service import Lifecycle
from tests.admin.builders import Scene, backend_spec
from tests.admin.conftest import TOKEN

DISTURBED = "ERR_NETWORK_CHANGED"  # what becomes of a request when any network of the machine comes or goes
TRIES = 5
ELSEWHERE = "seawall.test"  # a name that the browser takes to this machine, but that is none of this machine's own


@dataclass
class Stage:
    """What a test changes, and what the page asked for and complained of."""

    scene: Scene
    browser: Browser
    server: AdminServer
    page: Page
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where the server listens."""
        return self.server.address[1]

    async def open(self, host: str = "127.0.0.1", source: str = "as they happen") -> Page:
        """Open the page and wait for the first documents, and until it says where it has transitions from."""
        for _ in range(TRIES):
            self.complaints.clear()
            if await self._goes_to(f"http://{host}:{self.port}/"):
                break
        await expect(self.page.locator("#link-text")).to_have_text("Live")
        await expect(self.page.locator("#timeline-source")).to_have_text(source)
        return self.page

    async def _goes_to(self, url: str) -> bool:
        try:
            await self.page.goto(url)
        except Error as failure:
            if DISTURBED not in failure.message:
                raise
            return False
        return not self.was_disturbed

    @property
    def was_disturbed(self) -> bool:
        """Whether the browser has given up a request because of the machine's networks."""
        return any(DISTURBED in complaint for complaint in self.complaints)

    def tick(self, seconds: float = 1.0, **requests: int) -> None:
        """Let time pass, and backends answer so many requests with 200 after 3 ms each."""
        self.scene.now += seconds
        for name, count in requests.items():
            backend = self.scene.backend(name.replace("_", "-"))
            service = self.scene.service(backend.spec.service)
            for _ in range(count):
                backend.statistics.responses[2] += 1
                backend.statistics.first_byte.observe(0.003)
                service.statistics.count_request(b"GET", 200, 0.003)

    def observe(self, name: str, lifecycle: Lifecycle) -> None:
        """The container of a backend was seen to change."""
        changes = self.scene.fleet.observe(f"id-{name}", lifecycle, self.scene.now)
        self.scene.events.add(changes.transitions)

    def note_request(self, request: Request) -> None:
        """Called by the page."""
        self.requested.append(request.url)

    def note_console(self, message: ConsoleMessage) -> None:
        """Called by the page."""
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


def serve(scene: Scene) -> AdminServer:
    """A server of the scene, which as in the app hears of every change made by the API."""
    calls = AnnouncedFleet(scene.fleet, lambda changes: scene.events.add(changes.transitions))
    views = replace(scene.views, calls=calls)
    return AdminServer(views, token=TOKEN)


@asynccontextmanager
async def staged(browser: Browser, **context: Any) -> AsyncIterator[Stage]:
    """Two backends of one service behind a page of its own; it must have complained of nothing at the end."""
    scene = Scene()
    scene.reconcile(backend_spec("web-1"), backend_spec("web-2", weight=3, backup=True))
    scene.readiness.hold(Condition.LISTENING)
    scene.readiness.hold(Condition.SERVED)
    scene.readiness.hold(Condition.DISCOVERED)
    server = serve(scene)
    await server.start("127.0.0.1", 0)
    page = await (await browser.new_context(**context)).new_page()
    stage = Stage(scene=scene, browser=browser, server=server, page=page)
    page.on("request", stage.note_request)
    page.on("console", stage.note_console)
    page.on("pageerror", lambda error: stage.complaints.append(str(error)))
    try:
        yield stage
        assert [complaint for complaint in stage.complaints if DISTURBED not in complaint] == []
    finally:
        await page.context.close()
        await stage.server.stop()
