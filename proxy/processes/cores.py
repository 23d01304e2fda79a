"""How many workers `auto` stands for: the cores this process may run on, but no more than its container's quota."""

import math
import os
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")


def usable_cores(root: Path = _ROOT, own: Path = _OWN) -> int:
    """At least one. Quotas are those of cgroup v2 or v1, of this process's group or any that it is in."""
    cores = len(os.sched_getaffinity(0))
    quotas = [quota for folder in _folders(root, _read(own)) if (quota := _quota(folder)) is not None]
    return max(1, min([cores, *(math.ceil(quota) for quota in quotas)]))


def quota_v2(text: str) -> float | None:
    """Cores by the content of `cpu.max`, QUOTA PERIOD in microseconds; None for no limit, or nothing to be read."""
    quota, _, period = text.strip().partition(" ")
    return _share(quota, period)


def quota_v1(quota: str, period: str) -> float | None:
    """Cores by `cpu.cfs_quota_us`, -1 for no limit, and `cpu.cfs_period_us`."""
    return _share(quota.strip(), period.strip())


def _share(quota: str, period: str) -> float | None:
    if not quota.isdecimal() or not period.isdecimal() or not int(period):
        return None
    return int(quota) / int(period) or None


def _folders(root: Path, own: str) -> list[Path]:
    """Where limits of this process may stand. In a container its own group is often the root of what it sees."""
    folders = [root, root / "cpu", root / "cpu,cpuacct"]
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        names = [""] if not controllers else ["cpu", "cpu,cpuacct"] if "cpu" in controllers.split(",") else []
        for name in names:
            group = root / name / path.lstrip("/")
            folders += [group, *(parent for parent in group.parents if parent.is_relative_to(root))]
    return folders


def _quota(folder: Path) -> float | None:
    found = quota_v2(_read(folder / "cpu.max"))
    if found is not None:
        return found
    return quota_v1(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _read(path: Path) -> str:
    """Empty where there is nothing to be read."""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
