"""What machine is this, and which of its cores does what?"""

import os
import platform
import resource
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

OPEN_FILES_WANTED = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """The core of the proxy under test, and the ones wrk and the backends share."""

    proxy: int
    load: tuple[int, ...]


def split_cores() -> Cores:
    """Give the proxy the last core: the first ones tend to get the machine's interrupts.

    Raises SystemExit on a machine with a single core: there is nothing to compare when load and proxy share it.
    """
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise SystemExit("the benchmarks need two cores: one for the proxy, one for the load")
    return Cores(proxy=available[-1], load=tuple(available[:-1]))


def describe() -> dict[str, str]:
    """What a reader needs to judge the figures."""
    return {
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "uvloop": version("uvloop"),
        "load average before": f"{os.getloadavg()[0]:.2f}",
    }


def raise_open_files() -> None:
    """Let this process and its children have as many open files as the hard limit allows, up to what is useful."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_WANTED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
