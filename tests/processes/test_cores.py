"""How many workers `auto` is, by what the kernel says of quotas."""

import os
from pathlib import Path

import pytest

from proxy.processes.cores import quota_v1, quota_v2, usable_cores

V2 = {
    "no limit": ("max 100000", None),
    "one and a half cores": ("150000 100000", 1.5),
    "a tenth": ("10000 100000", 0.1),
    "an empty file": ("", None),
    "no period": ("100000", None),
    "a period of nothing": ("100000 0", None),
    "nonsense": ("many some", None),
}
V1 = {
    "no limit": ("-1\n", "100000\n", None),
    "two cores": ("200000\n", "100000\n", 2.0),
    "no files": ("", "", None),
}


@pytest.mark.parametrize(("text", "quota"), V2.values(), ids=V2)
def test_quota_of_cgroup_v2_is_read(text: str, quota: float | None) -> None:
    assert quota_v2(text) == quota


@pytest.mark.parametrize(("text", "period", "quota"), V1.values(), ids=V1)
def test_quota_of_cgroup_v1_is_read(text: str, period: str, quota: float | None) -> None:
    assert quota_v1(text, period) == quota


GROUPS = {
    "v2, in a container": ("0::/\n", {"cpu.max": "50000 100000"}),
    "v2, on a host": ("0::/a/b\n", {"a/b/cpu.max": "100000 100000"}),
    "v2, limited further up": ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "100000 100000"}),
    "v1": (
        "3:cpu,cpuacct:/a\n2:memory:/b\n",
        {"cpu,cpuacct/a/cpu.cfs_quota_us": "60000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
    ),
    "v1, in a container": (
        "3:cpu,cpuacct:/docker/1\n",
        {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"},
    ),
}


@pytest.mark.parametrize(("own", "files"), GROUPS.values(), ids=GROUPS)
def test_quota_of_one_core_makes_one_worker(tmp_path: Path, own: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "own").write_text(own)
    assert usable_cores(tmp_path, tmp_path / "own") == 1


def test_without_a_quota_there_is_one_for_each_core(tmp_path: Path) -> None:
    assert usable_cores(tmp_path, tmp_path / "none") == len(os.sched_getaffinity(0))
