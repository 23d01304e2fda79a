"""The process that the demo's backends run in, seen from the demo."""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Final, Self

from proxy.errors import SeawallError

PATIENCE: Final = 10.0  # seconds for it to start, and again to end


class EmbeddedBackends:
    """Running while entered; `ports` by name. They end with this process, however it ends: their stdin closes."""

    def __init__(self) -> None:
        self.ports: Mapping[str, int] = {}
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "proxy.demo.backends"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # or Ctrl-C would end them before the proxy
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                line = await process.stdout.readline()
            self.ports = json.loads(line)
        except (TimeoutError, ValueError) as error:
            await self.__aexit__()
            raise SeawallError("the demo's backends did not start") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def __repr__(self) -> str:
        return f"<EmbeddedBackends {dict(self.ports)}>"
