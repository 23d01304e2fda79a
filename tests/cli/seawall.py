"""`seawall` called in this process, and as a process of its own."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from proxy.cli import app

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str


class Seawall:
    def __call__(self, *arguments: str, **environment: str) -> Ended:
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "80", **environment}, prog_name="seawall")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ended(code=result.exit_code, out=result.stdout, err=result.stderr)


async def start(*arguments: str, environment: dict[str, str] | None = None) -> asyncio.subprocess.Process:
    """A process that is `python -m proxy` with these arguments."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "proxy", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        cwd=ROOT,
    )


async def end(process: asyncio.subprocess.Process, within: float = 30) -> Ended:
    """Wait for its end; kill it when that does not come in time."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), within)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())
