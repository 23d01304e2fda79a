"""A relay in front of a Unix socket that writes down the requests that pass."""

import asyncio
import re
from pathlib import Path
from types import TracebackType
from typing import Self

_REQUEST_LINE = re.compile(rb"^([A-Z]+) (\S+) HTTP/1\.1\r$", re.MULTILINE)


class Relay:
    """`async with Relay(at, to) as relay`; `requests` has method and target of each."""

    def __init__(self, at: Path, to: str) -> None:
        self.requests: list[tuple[str, str]] = []
        self._at = at
        self._to = to
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._accept, self._at)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        below_reader, below_writer = await asyncio.open_unix_connection(self._to)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, below_writer, keep=True))
                tasks.create_task(self._pump(below_reader, writer, keep=False))
        finally:
            for one in (writer, below_writer):
                one.close()
            await asyncio.gather(writer.wait_closed(), below_writer.wait_closed(), return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, keep: bool) -> None:
        try:
            while data := await reader.read(65536):
                if keep:
                    found = _REQUEST_LINE.findall(data)
                    self.requests.extend((method.decode(), target.decode()) for method, target in found)
                writer.write(data)
            writer.write_eof()
        except (ConnectionError, OSError):
            pass
