"""Containers of one test: named for it, labelled for it, reached at their own address, removed with it."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import NotFound
from docker.models.containers import Container
from docker.models.networks import Network

from tests.support.waiting import wait_until_async

LABEL = "seawall-tests.scope"
PORT = 8000
READY_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A running container of the test backend. The coroutines leave the loop free while the engine works."""

    name: str
    container: Container
    ip: str
    port: int = PORT

    def __repr__(self) -> str:
        return f"<Backend {self.name} {self.url} {self.container.short_id}>"

    @property
    def id(self) -> str:
        return str(self.container.id)

    @property
    def address(self) -> str:
        return f"{self.ip}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    async def stop(self, seconds: int = 10) -> None:
        """`docker stop`: SIGTERM, and SIGKILL after `seconds`. Returns when it has ended."""
        await asyncio.to_thread(self.container.stop, timeout=seconds)

    async def kill(self, signal: str = "SIGKILL") -> None:
        await asyncio.to_thread(self.container.kill, signal=signal)

    async def pause(self) -> None:
        await asyncio.to_thread(self.container.pause)

    async def unpause(self) -> None:
        await asyncio.to_thread(self.container.unpause)

    async def remove(self) -> None:
        """`docker rm --force`."""
        await asyncio.to_thread(self.container.remove, force=True, v=True)

    async def state(self) -> str:
        """`running`, `paused`, `exited`, …"""
        await asyncio.to_thread(self.container.reload)
        return str(self.container.status)

    async def log(self) -> list[dict[str, Any]]:
        """What the app logged: event, at (seconds since the epoch) and more; see backend_app/app.py."""
        text = await asyncio.to_thread(self.container.logs, stdout=True, stderr=False)
        return [json.loads(line) for line in text.decode().splitlines()]

    async def whole_log(self) -> list[dict[str, Any]]:
        """As `log`, with all that was logged before. The app must answer, or have ended.

        The engine keeps a line a moment after the app has written it: the app is asked for one more, to wait for.
        """
        if await self.state() != "running":
            return await self.log()
        mark = uuid.uuid4().hex
        await self.get(f"/mark?id={mark}")
        entries: list[dict[str, Any]] = []

        async def has_mark() -> bool:
            entries[:] = await self.log()
            return any(entry["event"] == "mark" and entry["id"] == mark for entry in entries)

        await wait_until_async(has_mark, f"the engine to keep what {self!r} has logged", READY_SECONDS)
        return [entry for entry in entries if entry["event"] != "mark"]

    async def request_ids(self) -> list[str]:
        """Ids of the POSTs it was sent, in order, duplicates included. Of one as `whole_log` wants it."""
        entries = await self.whole_log()
        return [entry["id"] for entry in entries if entry["event"] == "request" and entry["method"] == "POST"]

    async def get(self, target: str = "/") -> dict[str, Any]:
        """The JSON of one request on a connection of its own; OSError while nobody answers."""
        reader, writer = await asyncio.open_connection(self.ip, self.port)
        try:
            writer.write(f"GET {target} HTTP/1.1\r\nHost: {self.address}\r\nConnection: close\r\n\r\n".encode())
            _, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        answer: dict[str, Any] = json.loads(body)
        return answer


RunBackend = Callable[..., Awaitable[Backend]]  # Scope.run_backend, as tests declare the fixture


class Scope:
    """Everything a test makes in an engine carries the scope's label; closing removes all that does."""

    def __init__(self, client: docker.DockerClient, image: str) -> None:
        self.client = client
        self.image = image
        self.id = uuid.uuid4().hex[:10]
        self.network: Network | None = None
        self._made = 0

    def __repr__(self) -> str:
        return f"<Scope {self.constraint}>"

    @property
    def labels(self) -> dict[str, str]:
        """To put on whatever the test makes with the client itself."""
        return {LABEL: self.id}

    @property
    def constraint(self) -> str:
        """For the proxy's --constraint: other tests' containers are in the same engine."""
        return f"{LABEL}={self.id}"

    def unique(self, name: str) -> str:
        """The name with the scope's id: names are unique in an engine, and tests run side by side."""
        return f"{name}-{self.id}"

    def create_network(self, name: str = "net") -> Network:
        """A bridge network; the first one is where backends go by default."""
        network = self.client.networks.create(self.unique(name), driver="bridge", labels=self.labels)
        self.network = self.network or network
        return network

    async def run_backend(
        self,
        name: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        env: Mapping[str, str | float] | None = None,
        network: Network | None = None,
        more_networks: Iterable[Network] = (),
        ready: bool = True,
        **options: Any,
    ) -> Backend:
        """Start a backend and wait until it answers (unless `ready=False`); its address is the one in `network`.

        `options` go to the SDK's `containers.create`: healthcheck, ports, stop_signal, image, command, …
        """
        self._made += 1
        name = name or f"backend{self._made}"
        network = network or self.network or self.create_network()  # not in the thread: several would make one each
        backend = await asyncio.to_thread(
            self._start, name, dict(labels or {}), dict(env or {}), network, list(more_networks), options
        )
        if ready:
            await _wait_until_ready(backend)
        return backend

    def close(self) -> None:
        """Remove the scope's containers, then its networks; AssertionError when one is left."""
        for container in self._containers():
            _remove(container)
        for network in self._networks():
            network.remove()
        left = [*self._containers(), *self._networks()]
        assert not left, f"left behind by {self!r}: {left}"

    def _start(
        self,
        name: str,
        labels: dict[str, str],
        env: dict[str, str | float],
        network: Network,
        more_networks: list[Network],
        options: dict[str, Any],
    ) -> Backend:
        settings: dict[str, Any] = {
            "image": self.image,
            "name": self.unique(name),
            "labels": {**labels, **self.labels},
            "environment": {"NAME": name, **{key: str(value) for key, value in env.items()}},
            "network": network.name,
            **options,
        }
        container = self.client.containers.create(**settings)
        for other in more_networks:
            other.connect(container)
        container.start()
        container.reload()
        ip = container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
        return Backend(name=name, container=container, ip=ip, port=int(settings["environment"].get("PORT", PORT)))

    def _containers(self) -> list[Container]:
        # sparse: no inspect of each, which fails for one that is just going.
        return self.client.containers.list(all=True, sparse=True, filters={"label": self.constraint})

    def _networks(self) -> list[Network]:
        return self.client.networks.list(filters={"label": self.constraint})


def _remove(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except NotFound:
        pass  # it went by itself, as containers with auto_remove do


async def _wait_until_ready(backend: Backend) -> None:
    async def answers() -> bool:
        try:
            return bool(await backend.get())
        except (OSError, ValueError):
            state = await backend.state()
        if state in ("exited", "dead"):
            log = await asyncio.to_thread(backend.container.logs)
            raise RuntimeError(f"{backend!r} ended before it was ready:\n{log.decode()}")
        return False

    await wait_until_async(answers, f"{backend!r} to answer", READY_SECONDS)
