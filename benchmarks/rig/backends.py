"""The backends behind every peer, on the load core(s): three ports that answer faster than a proxy can ask."""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rig.cases import CASES, Case
from benchmarks.rig.peers import site_values, write_configuration
from benchmarks.rig.process import Running, start, take_ports

COUNT = 3


def start_backends(
    case: Case, folder: Path, cores: Sequence[int], address: str = "127.0.0.1"
) -> tuple[Running, list[int]]:
    """Start what the case asks for, and give the ports. `address` is where nginx listens."""
    folder.mkdir()
    ports = take_ports(COUNT)
    backends = _start_sink(ports, folder, cores) if case.needs_sink else _start_nginx(ports, folder, cores, address)
    try:
        backends.wait_answer("/small")
    except BaseException:
        backends.stop()
        raise
    return backends, ports


def _start_sink(ports: list[int], folder: Path, cores: Sequence[int]) -> Running:
    command = [sys.executable, "-m", "benchmarks.rig.sink", *map(str, ports)]
    return start("sink", command, folder=folder, cores=cores, port=ports[0])


def _start_nginx(ports: list[int], folder: Path, cores: Sequence[int], address: str) -> Running:
    files = folder / "files"
    files.mkdir()
    for case in CASES:
        if case.path != "/small" and not case.upload_bytes:
            (files / case.path.lstrip("/")).write_bytes(b"x" * case.answer_bytes)
    values = site_values(folder, ports) | {"WORKERS": len(cores), "ADDRESS": address}
    configuration = write_configuration("backend.conf", folder, values)
    command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    return start("backends", command, folder=folder, cores=cores, port=ports[0])
