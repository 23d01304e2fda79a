"""How much CPU and memory has a process with all its threads and children used, and how busy is a core?

From /proc: utime and stime of /proc/PID/stat cover every thread, ended ones too. They advance in ticks of 10 ms, which
is 0.5 % of a window of 2 s. On a kernel without CONFIG_IRQ_TIME_ACCOUNTING the loopback's softirq work is in the stime
of the process that was sending; with it, it is in none, and system time reads too low for every proxy alike.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
IDLE_COLUMNS = (4, 5)  # of /proc/stat: idle, iowait


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Seconds of CPU."""

    user: float
    system: float

    def since(self, earlier: "CpuTime") -> "CpuTime":
        """The difference to an earlier reading."""
        return CpuTime(self.user - earlier.user, self.system - earlier.system)


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Ticks that some cores have been busy, of all that have passed."""

    busy: int
    total: int

    def share_since(self, earlier: "CoreTime") -> float:
        """0..1: how busy the cores have been since the earlier reading."""
        return (self.busy - earlier.busy) / max(1, self.total - earlier.total)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. Resident counts pages shared between processes once for each of them, proportional only once."""

    resident: int
    proportional: int


def family(pid: int) -> list[int]:
    """The process and all its living descendants."""
    members = [pid]
    for member in members:
        for thread in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                members.extend(map(int, thread.read_text().split()))
            except OSError:
                continue  # the thread ended meanwhile
    return members


def cpu_time(pid: int) -> CpuTime:
    """User and system time of a process family so far. Raises FileNotFoundError when the process is gone."""
    user = system = 0
    for member in family(pid):
        # The command name, in brackets, may hold blanks; the fields after it do not.
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        user += int(fields[11])
        system += int(fields[12])
    return CpuTime(user / TICKS_PER_SECOND, system / TICKS_PER_SECOND)


def precise_cpu_time(pid: int) -> float:
    """Seconds of user and system time of a process family, in nanoseconds' steps; threads that ended are left out."""
    nanoseconds = 0
    for member in family(pid):
        for thread in Path(f"/proc/{member}/task").iterdir():
            try:
                nanoseconds += int((thread / "schedstat").read_text().split()[0])
            except OSError:
                continue  # it ended meanwhile
    return nanoseconds / 1e9


def core_time(cores: Iterable[int]) -> CoreTime:
    """How busy these cores have been since boot, whoever used them."""
    names = {f"cpu{core}" for core in cores}
    busy = total = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *columns = line.split()
        if name in names:
            ticks = [int(column) for column in columns[:8]]  # guest time is in user time already
            total += sum(ticks)
            busy += sum(ticks) - sum(ticks[column - 1] for column in IDLE_COLUMNS)
    return CoreTime(busy, total)


def memory(pid: int) -> Memory:
    """Resident and proportional memory of a process family."""
    resident = proportional = 0
    for member in family(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            key, _, value = line.partition(":")
            if key == "Rss":
                resident += int(value.split()[0]) * 1024
            elif key == "Pss":
                proportional += int(value.split()[0]) * 1024
    return Memory(resident, proportional)
