"""A share of a core for each process, by a cgroup of its own (version 1 or 2): what leaves the load generator room.

Periods are short, so that a process that has used up its share is not away for long.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PERIOD_US: Final = 10_000
_UNIFIED: Final = Path("/sys/fs/cgroup")
_SEPARATE: Final = Path("/sys/fs/cgroup/cpu")


def require_quotas() -> None:
    """Raises SystemExit where this process may not make cgroups."""
    probe = _root() / "seawall-bench"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise SystemExit(f"a share of a core for each worker needs root and a cgroup file system: {error}") from None


@contextmanager
def limited(pids: Sequence[int], share: float, name: str) -> Iterator[None]:
    """Let each of the processes have `share` of a core, 0..1, while entered. Raises OSError where that may not be."""
    made: list[Path] = []
    try:
        for pid in pids:
            folder = _root() / f"{name}-{pid}"
            folder.mkdir()
            made.append(folder)
            _limit(folder, int(share * PERIOD_US))
            (folder / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for folder in made:
            _dissolve(folder)


def _root() -> Path:
    return _SEPARATE if (_SEPARATE / "cgroup.procs").exists() else _UNIFIED


def _limit(folder: Path, quota_us: int) -> None:
    if (folder / "cpu.max").exists():
        (folder / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        return
    (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
    (folder / "cpu.cfs_quota_us").write_text(str(quota_us))


def _dissolve(folder: Path) -> None:
    """Give its processes back to the root, which has no limit."""
    for pid in (folder / "cgroup.procs").read_text().split():
        try:
            (_root() / "cgroup.procs").write_text(pid)
        except ProcessLookupError:
            continue  # it has just ended
    folder.rmdir()
