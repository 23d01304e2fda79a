"""Driving wrk: one script per case, one run per call, its figures as an object.

wrk is a closed loop: each connection asks again when it has its answer. Latencies are therefore those at the full
rate the proxy can do. They show the tail, not the wait at a given load.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig.cases import Case
from benchmarks.rig.process import pinned

EXTRA_SECONDS = 30  # after which a wrk that does not end is stopped
RESULT = "RESULT "

DONE = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, ' ..
    '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one wrk run saw. Errors: by kind, only kinds that occurred."""

    requests: int
    seconds: float
    p50_us: int
    p99_us: int
    errors: dict[str, int]


def write_script(case: Case, folder: Path) -> Path:
    """The Lua script of a case: the request is built once by wrk, nothing in Lua runs per request."""
    lines = [f"wrk.headers[{lua_string(name)}] = {lua_string(value)}" for name, value in case.fields]
    if case.is_closing:
        lines.append('wrk.headers["Connection"] = "close"')
    if case.upload_bytes:
        lines.append('wrk.method = "POST"')
        lines.append('wrk.headers["Content-Type"] = "application/octet-stream"')
        lines.append(f'wrk.body = string.rep("x", {case.upload_bytes})')
    script = folder / f"{case.name}.lua"
    script.write_text("\n".join(lines) + DONE)
    return script


def drive(case: Case, script: Path, *, port: int, seconds: int, cores: Sequence[int]) -> Load:
    """Load the port for some seconds. Raises RuntimeError when wrk itself fails."""
    threads = min(len(cores), case.connections)
    command = [
        *("wrk", "--threads", str(threads), "--connections", str(case.connections), "--duration", f"{seconds}s"),
        *("--timeout", "10s", "--script", str(script), f"http://127.0.0.1:{port}{case.path}"),
    ]
    wrk = subprocess.run(
        pinned(command, cores), capture_output=True, text=True, timeout=seconds + EXTRA_SECONDS, check=False
    )
    for line in wrk.stdout.splitlines():
        if line.startswith(RESULT):
            return parse_result(line, case)
    raise RuntimeError(f"wrk failed with {wrk.returncode}: {wrk.stdout}{wrk.stderr}")


def parse_result(line: str, case: Case) -> Load:
    """Read the line the script's `done` wrote."""
    figures = json.loads(line.removeprefix(RESULT))
    errors = {kind: figures[kind] for kind in ("connect", "read", "write", "status", "timeout") if figures[kind]}
    requests = figures["requests"]
    # wrk counts a status above 399 only; an answer that is not the whole body shows in the bytes.
    if figures["bytes"] < requests * case.answer_bytes:
        errors["short"] = requests - figures["bytes"] // case.answer_bytes
    if not requests:
        errors["silent"] = 1
    return Load(
        requests=requests,
        seconds=figures["microseconds"] / 1e6,
        p50_us=figures["p50"],
        p99_us=figures["p99"],
        errors=errors,
    )


def lua_string(text: str) -> str:
    """A Lua literal of plain ASCII text."""
    return json.dumps(text)
