"""Prometheus and promtool as Debian packages them: where they are missing tests are skipped, in CI they fail."""

import asyncio
import re
import shutil
import subprocess
from collections import deque
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest

from tests.support.engine import is_required
from tests.support.waiting import wait_until_async

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = ROOT / "config"
HOW_TO_RUN = "apt-get install --no-install-recommends prometheus"
START_DEADLINE = 20.0  # seconds
STOP_DEADLINE = 10.0  # seconds
_LISTENING = re.compile(r'msg="Listening on" address=127\.0\.0\.1:(\d+)')
_LAST_LINES = 20


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`; skips the test where there is none."""
    path = shutil.which(name)
    if path is not None:
        return path
    message = f"{name} is not installed: {HOW_TO_RUN}"
    if is_required():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def promtool(*arguments: str, standard_input: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool to its end; what it said is in `stdout`."""
    return subprocess.run(
        [program("promtool"), *arguments],
        input=standard_input,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


class PrometheusProcess:
    """A Prometheus with the shipped configuration while entered, on a free port of 127.0.0.1.

    All that differs: it scrapes `target`, and every second. Its files are in `directory`.
    """

    def __init__(self, target: str, directory: Path) -> None:
        self._directory = directory
        configuration = (CONFIG / "prometheus.yml").read_text()
        for shipped, here in (("seawall:9900", target), ("scrape_interval: 5s", "scrape_interval: 1s")):
            assert configuration.count(shipped) == 1
            configuration = configuration.replace(shipped, here)
        configuration = configuration.replace("evaluation_interval: 15s", "evaluation_interval: 1s")
        (directory / "prometheus.yml").write_text(configuration)
        shutil.copy(CONFIG / "alerts.yml", directory)
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            program("prometheus"),
            f"--config.file={self._directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            self._url = f"http://127.0.0.1:{await asyncio.wait_for(self._port(), START_DEADLINE)}"
            self._reading = asyncio.create_task(self._read())
            self._session = aiohttp.ClientSession()
            await wait_until_async(self._is_ready, "Prometheus to be ready", START_DEADLINE)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_DEADLINE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await self._reading
            await self._session.close()

    async def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of the API; AssertionError with what it says for one that is an error."""
        async with self._session.get(f"{self._url}/api/v1/{path}", params=parameters) as response:
            document = await response.json()
        assert document["status"] == "success", f"{path} {parameters}: {document.get('error')}"
        return document["data"]

    async def query(self, expression: str) -> list[float]:
        """The values of the series that an expression has now."""
        data = await self.get("query", query=expression)
        return [float(series["value"][1]) for series in data["result"]]

    async def wait_for(self, expression: str, value: float, seconds: float = 15.0) -> None:
        """Until the one series of an expression has this value."""

        async def is_so() -> bool:
            return await self.query(expression) == [value]

        await wait_until_async(is_so, f"{expression} to be {value:g}", seconds)

    async def _port(self) -> int:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._last_lines.append(line.decode(errors="replace"))
            found = _LISTENING.search(self._last_lines[-1])
            if found:
                return int(found[1])
        raise AssertionError(f"Prometheus did not start: {''.join(self._last_lines)}")

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._last_lines.append(line.decode(errors="replace"))

    async def _is_ready(self) -> bool:
        async with self._session.get(f"{self._url}/-/ready") as response:
            return response.status == 200
