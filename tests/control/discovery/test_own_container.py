"""Finding the container that the proxy is in."""

from pathlib import Path

import pytest

from proxy.control.discovery.own_container import find_own_container, possible_own_ids
from proxy.errors import EngineError
from tests.support.fake_engine import FakeEngine, identity
from tests.support.virtual_time import in_virtual_time

ID = "3f4e" * 16
OTHER = "9a8b" * 16

IN_CONTAINER = f"""\
612 570 0:52 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/AAAA
620 612 254:1 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw
621 612 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw
622 612 254:1 /var/lib/docker/containers/{ID}/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw
"""
ON_HOST = f"""\
25 30 0:23 / /sys rw,nosuid - sysfs sysfs rw
612 30 0:60 / /var/lib/docker/containers/{OTHER}/mounts/shm rw,nosuid - tmpfs shm rw
"""
PODMAN = f"1 2 0:3 /containers/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n"

SIGNS = {
    "mounts of a Docker container": (IN_CONTAINER, "0::/\n", "web", (ID,)),
    "mounts of a Podman container": (PODMAN, "0::/\n", "web", (ID,)),
    "mounts of a host with containers": (ON_HOST, "0::/user.slice/session-1.scope\n", "host", ()),
    "control group v1": ("", f"12:pids:/docker/{ID}\n", "web", (ID,)),
    "control group of systemd": ("", f"0::/system.slice/docker-{ID}.scope\n", "web", (ID,)),
    "host name that is a short id": ("", "", ID[:12], (ID[:12],)),
    "several that agree": (IN_CONTAINER, f"1:name=systemd:/docker/{ID}\n", ID[:12], (ID, ID[:12])),
    "nothing": ("", "", "my-machine", ()),
}


@pytest.mark.parametrize(("mountinfo", "cgroup", "hostname", "expected"), SIGNS.values(), ids=SIGNS)
def test_possible_ids(tmp_path: Path, mountinfo: str, cgroup: str, hostname: str, expected: tuple[str, ...]) -> None:
    (tmp_path / "mountinfo").write_text(mountinfo)
    (tmp_path / "cgroup").write_text(cgroup)

    assert possible_own_ids(tmp_path, hostname) == expected


def test_no_proc_is_no_sign(tmp_path: Path) -> None:
    assert possible_own_ids(tmp_path / "none", "host") == ()


@in_virtual_time
async def test_first_id_that_the_engine_knows_is_it() -> None:
    engine = FakeEngine()
    engine.run("proxy", labels={"seawall.proxy.admin": ":1"}, networks={"front": "10.1.0.9"})

    own = await find_own_container(engine, (OTHER, identity("proxy")[:12]))

    assert own is not None
    assert (own.id, own.network_owner) == (identity("proxy"), identity("proxy"))
    assert own.networks == frozenset({identity("front")})
    assert own.labels == {"seawall.proxy.admin": ":1"}


@in_virtual_time
async def test_process_in_a_container_of_another_engine_is_in_none_of_this_one() -> None:
    engine = FakeEngine()
    engine.run("a")

    assert await find_own_container(engine, (ID,)) is None


@in_virtual_time
async def test_proxy_in_the_hosts_network_reaches_every_network() -> None:
    engine = FakeEngine()
    engine.run("proxy", networks={"host": ""}, network_mode="host")

    own = await find_own_container(engine, (identity("proxy"),))

    assert own is not None
    assert own.networks is None


@in_virtual_time
async def test_proxy_in_another_containers_network_is_in_the_networks_of_that() -> None:
    engine = FakeEngine()
    engine.run("pod", networks={"front": "10.1.0.9"})
    engine.run("proxy", networks={}, network_mode=f"container:{identity('pod')}")

    own = await find_own_container(engine, (identity("proxy"),))

    assert own is not None
    assert (own.id, own.network_owner) == (identity("proxy"), identity("pod"))
    assert own.networks == frozenset({identity("front")})


@in_virtual_time
async def test_own_container_that_cannot_be_read_is_an_error() -> None:
    engine = FakeEngine(garbled={"proxy"})
    engine.run("proxy")

    with pytest.raises(EngineError, match="own container cannot be read: State is missing"):
        await find_own_container(engine, (identity("proxy"),))
