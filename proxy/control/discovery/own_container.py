"""The container that the proxy itself runs in, found among those of the engine; None for a process of the host."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proxy.control.discovery.engine import Engine
from proxy.errors import EngineError
from proxy.spec.container import Container
from proxy.spec.inspect import read_container

# Docker and Podman mount these three files from the container's own folder. The host's mountinfo has such folders too,
# as mount points: what counts is that the folder is the root of the mount.
_FILES: Final = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})
_FOLDER: Final = re.compile(r"containers/([0-9a-f]{64})/")
_CGROUP: Final = re.compile(r"(?:/|-)([0-9a-f]{64})(?:\.scope)?$")
_SHORT_ID: Final = re.compile(r"[0-9a-f]{12}")
_JOINED: Final = "container:"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnContainer:
    """`networks` holds the ids of those it is in, None for the host's; `network_owner` is the id of the container
    whose network it uses, its own in the common case.
    """

    id: str
    labels: Mapping[str, str]
    network_owner: str
    networks: frozenset[str] | None


def possible_own_ids(proc: Path = Path("/proc/self"), hostname: str | None = None) -> tuple[str, ...]:
    """Ids, or the start of one, that may be that of the container this process is in; the surest first."""
    ids = [*_from_mounts(_text(proc / "mountinfo")), *_from_cgroups(_text(proc / "cgroup"))]
    hostname = socket.gethostname() if hostname is None else hostname
    if _SHORT_ID.fullmatch(hostname):
        ids.append(hostname)
    return tuple(dict.fromkeys(ids))


async def find_own_container(engine: Engine, possible_ids: tuple[str, ...]) -> OwnContainer | None:
    """The first of them that the engine knows; EngineError when it does not answer, or in no known format."""
    for possible in possible_ids:
        document = await engine.inspect(possible)
        # A name may look like an id, and the engine answers to both.
        if document is not None and str(document.get("Id")).startswith(possible):
            return await _read(engine, document)
    return None


async def own_labels(engine: Engine) -> Mapping[str, str]:
    """The labels of the container this process is in, for the configuration; none on the host."""
    own = await find_own_container(engine, possible_own_ids())
    return {} if own is None else own.labels


def networks_of(container: Container) -> frozenset[str] | None:
    """The ids of the networks a container is in; None for that of the host, from where every bridge is reached."""
    if container.host_network:
        return None
    return frozenset(attachment.network_id for attachment in container.attachments if attachment.network_id)


async def _read(engine: Engine, document: Mapping[str, Any]) -> OwnContainer:
    own = _container(document)
    owner = own
    mode = str((document.get("HostConfig") or {}).get("NetworkMode") or "")
    if mode.startswith(_JOINED):
        joined = await engine.inspect(mode.removeprefix(_JOINED))
        owner = own if joined is None else _container(joined)
    return OwnContainer(id=own.id, labels=own.labels, network_owner=owner.id, networks=networks_of(owner))


def _container(document: Mapping[str, Any]) -> Container:
    try:
        return read_container(document)
    except ValueError as error:
        raise EngineError(f"the proxy's own container cannot be read: {error}") from error


def _from_mounts(mountinfo: str) -> list[str]:
    """proc(5): the fourth field is the root of the mount, the fifth the mount point."""
    rows = [line.split(" ") for line in mountinfo.splitlines()]
    found = [_FOLDER.search(row[3]) for row in rows if len(row) > 4 and row[4] in _FILES]
    return [match[1] for match in found if match]


def _from_cgroups(cgroups: str) -> list[str]:
    found = [_CGROUP.search(line) for line in cgroups.splitlines()]
    return [match[1] for match in found if match]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
