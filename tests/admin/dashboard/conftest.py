"""One browser for all tests of a module: it takes longer to start than a test."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.admin.dashboard.stage import ELSEWHERE, Stage, staged
from tests.support import chromium

expect.set_options(timeout=20_000)  # milliseconds: on a machine that has other things to do too


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if chromium.HOW_TO_RUN in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.section("Dashboard tests NOT run", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} tests need a Chromium. To run them: {chromium.HOW_TO_RUN}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    path = chromium.find()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path,
            chromium_sandbox=os.geteuid() != 0,  # it refuses to have one as root
            args=[f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"],
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def stage(browser: Browser) -> AsyncIterator[Stage]:
    async with staged(browser, viewport={"width": 1400, "height": 1000}) as stage:
        yield stage
