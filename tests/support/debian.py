"""What the tests ask of a Debian machine: packages, and where its apt gets them from."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

PACKAGES = {  # command → package that brings it
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "mmdebstrap": "mmdebstrap",  # the base image: half of debootstrap's time, and it writes the tar itself
    "ip": "iproute2",
    "iptables": "iptables",
}
BUSYBOX = Path("/bin/busybox")  # busybox and busybox-static both put it here; only the second runs without a libc
LOCK_PATIENCE = "300"  # seconds to wait for another apt-get on the machine


class InstallError(Exception):
    """The packages could not be installed."""


def is_debian_root() -> bool:
    """Only there may the harness install what is missing."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and release()["ID"] == "debian"


def release() -> dict[str, str]:
    """The machine's os-release, `ID` always among it."""
    try:
        return {"ID": "", **platform.freedesktop_os_release()}
    except OSError:
        return {"ID": ""}


def missing_packages() -> list[str]:
    """Packages whose command is not there."""
    missing = {package for command, package in PACKAGES.items() if shutil.which(command) is None}
    if not has_busybox_static():
        missing.add("busybox-static")
    return sorted(missing)


def has_busybox_static() -> bool:
    """Whether a busybox that runs in an empty image is there."""
    if not BUSYBOX.exists():
        return False
    with BUSYBOX.open("rb") as executable:
        return b"ld-linux" not in executable.read(4096)  # a dynamic one names its loader in the first page


def install(packages: list[str]) -> None:
    """Install in one call; refresh the lists only if that fails, as it does where there are none or stale ones."""
    command = ["install", "-y", "-q", "--no-install-recommends", *packages]
    if _apt_get(*command).returncode == 0:
        return
    _apt_get("update", "-q")
    done = _apt_get(*command)
    if done.returncode:
        raise InstallError(f"apt-get install {' '.join(packages)}: {done.stdout[-2000:]}")


def mirror() -> str | None:
    """The mirror apt gets the release itself from, None where apt does not say."""
    codename = release().get("VERSION_CODENAME", "")
    targets = _output(
        "apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"
    )
    for line in targets.splitlines():
        match line.split():
            case [name, "main", uri] if name == codename:
                return uri
    return None


def transport_options() -> list[str]:
    """apt's own settings for reaching the mirror (proxies, date checks), as lines of apt.conf."""
    lines = _output("apt-config", "dump", "--no-empty", "Acquire").splitlines()
    return [line for line in lines if line.startswith(("Acquire::http", "Acquire::Check-"))]


def _apt_get(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_PATIENCE}", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
