"""A container engine in a few lines: what it has, what it tells, and how it fails. It keeps the loop's time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from proxy.control.discovery.event import EngineEvent, read_event
from proxy.errors import EngineError

_FIRST_ADDRESS = IPv4Address("10.0.0.2")
EPOCH = 1_700_000_000.0  # what the loop's time 0 is by the wall clock


def wall_clock() -> float:
    """Seconds since the epoch, by the loop's time."""
    return EPOCH + asyncio.get_running_loop().time()


def identity(name: str) -> str:
    """The id of the fake container, or network, of this name."""
    return name.encode().hex().ljust(64, "0")[:64]


@dataclass
class FakeContainer:
    name: str
    labels: dict[str, str]
    networks: dict[str, str]  # name → address
    status: str = "running"
    health: str = ""
    started: float = 0.0
    starts: int = 1
    stop_signal: str = ""
    stop_timeout: int | None = None
    network_mode: str = "default"
    keeps_address: bool = False  # when it is dead: it died while the engine was away
    id: str = ""

    def __post_init__(self) -> None:
        self.id = self.id or identity(self.name)

    @property
    def is_up(self) -> bool:
        return self.status in ("running", "paused")

    def listed(self) -> dict[str, Any]:
        detail = "(Paused)" if self.status == "paused" else f"({self.health})" if self.health else ""
        return {
            "Id": self.id,
            "Names": [f"/{self.name}"],
            "Labels": self.labels,
            "State": self.status,
            "Status": f"Up {wall_clock() - self.started:.0f} seconds {detail}" if self.is_up else "Exited (0) just now",
            "NetworkSettings": {"Networks": self._networks()},
        }

    def inspected(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "Status": self.status,
            "StartedAt": datetime.fromtimestamp(self.started, UTC).isoformat(),
        }
        if self.health:
            state["Health"] = {"Status": self.health}
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "State": state,
            "Config": {
                "Labels": self.labels,
                "ExposedPorts": {"80/tcp": {}},
                "StopSignal": self.stop_signal,
                "StopTimeout": self.stop_timeout,
            },
            "HostConfig": {"NetworkMode": self.network_mode},
            "NetworkSettings": {"Networks": self._networks()},
        }

    def _networks(self) -> dict[str, Any]:
        return {
            network: {
                "NetworkID": identity(network),
                "EndpointID": f"{network} {self.starts}" if self.is_up else "",
                "IPAddress": address if self.is_up or self.keeps_address else "",
            }
            for network, address in self.networks.items()
        }


class FakeSubscription:
    def __init__(self, on_event: Callable[[EngineEvent], None]) -> None:
        self.on_event = on_event
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait(self) -> None:
        await asyncio.shield(self.ended)
        raise EngineError("the engine has closed the event stream")

    async def close(self) -> None:
        self.end()

    def end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


@dataclass
class FakeEngine:
    """`calls` are those made; `gates` hold the inspect of a container up; `broken` and `garbled` fail it."""

    url: str = "unix:///fake.sock"
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    garbled: set[str] = field(default_factory=set)
    is_up: bool = True
    hangs: bool = False
    is_deaf: bool = False  # events are lost
    history: list[EngineEvent] = field(default_factory=list)
    subscriptions: list[FakeSubscription] = field(default_factory=list)
    during_list: Callable[[], object] | None = None  # happens once, after the engine has made its next list

    # called by discovery

    async def ping(self) -> None:
        await self._answer("ping")

    async def list_containers(self) -> Sequence[Mapping[str, Any]]:
        await self._answer("list")
        answer = [container.listed() for container in self.containers.values()]
        if self.during_list is not None:
            happen, self.during_list = self.during_list, None
            happen()
            await asyncio.sleep(0)
        return answer

    async def inspect(self, container: str) -> Mapping[str, Any] | None:
        found = next((one for one in self.containers.values() if one.id.startswith(container)), None)
        name = found.name if found is not None else container
        await self._answer(f"inspect {name}")
        answer = None if found is None else found.inspected()
        if name in self.gates:
            await self.gates[name].wait()
        if name in self.broken:
            raise EngineError("500 Server Error")
        return {"Id": container} if name in self.garbled else answer

    async def subscribe(self, on_event: Callable[[EngineEvent], None], since: int) -> FakeSubscription:
        await self._answer("subscribe")
        subscription = FakeSubscription(on_event)
        self.subscriptions = [subscription]
        for event in self.history:
            if since and event.nanoseconds >= since:
                self._tell(subscription, event)
        return subscription

    async def close(self) -> None:
        self.calls.append("close")

    # called by tests

    def run(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        networks: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> FakeContainer:
        """A new container, enabled and in one network of its own address, has started."""
        address = str(_FIRST_ADDRESS + len(self.containers))
        container = FakeContainer(
            name,
            dict({"seawall.enable": "true", "seawall.service": "web"} if labels is None else labels),
            dict({"net": address} if networks is None else networks),
            **{"started": wall_clock(), **facts},
        )
        self.containers[name] = container
        self.emit("start", name)
        return container

    def kill(self, name: str, signal: int = 15) -> None:
        self.emit("kill", name, signal=str(signal))

    def die(self, name: str) -> None:
        self.containers[name].status = "exited"
        self.emit("die", name)

    def start(self, name: str) -> None:
        container = self.containers[name]
        container.status, container.started = "running", wall_clock()
        container.starts += 1
        self.emit("start", name)

    def pause(self, name: str) -> None:
        self.containers[name].status = "paused"
        self.emit("pause", name)

    def unpause(self, name: str) -> None:
        self.containers[name].status = "running"
        self.emit("unpause", name)

    def turn(self, name: str, health: str) -> None:
        self.containers[name].health = health
        self.emit(f"health_status: {health}", name)

    def rename(self, name: str, new: str) -> None:
        container = self.containers.pop(name)
        container.name = new
        self.containers[new] = container
        self.emit("rename", new)

    def remove(self, name: str) -> None:
        self.emit("destroy", name)
        del self.containers[name]

    def connect(self, name: str, network: str, address: str) -> None:
        self.containers[name].networks[network] = address
        self.emit_network("connect", name, network)

    def disconnect(self, name: str, network: str) -> None:
        self.containers[name].networks.pop(network, None)
        self.emit_network("disconnect", name, network)

    def go_down(self) -> None:
        self.is_up = False
        for subscription in self.subscriptions:
            subscription.end()

    def come_up(self) -> None:
        self.is_up = True

    def emit(self, action: str, name: str, **attributes: str) -> None:
        known = self.containers.get(name)
        subject = known.id if known is not None else identity(name)
        self._emit("container", action, subject, {"name": name, **attributes})

    def emit_network(self, action: str, name: str, network: str) -> None:
        self._emit("network", action, identity(network), {"container": identity(name), "name": network})

    def _emit(self, kind: str, action: str, subject: str, attributes: dict[str, str]) -> None:
        actor = {"ID": subject, "Attributes": attributes}
        event = read_event(
            {"Type": kind, "Action": action, "Actor": actor, "timeNano": round(wall_clock() * 1_000_000_000)}
        )
        if event is None or self.is_deaf:
            return
        self.history.append(event)
        for subscription in self.subscriptions:
            self._tell(subscription, event)

    def _tell(self, subscription: FakeSubscription, event: EngineEvent) -> None:
        if not subscription.ended.done():
            asyncio.get_running_loop().call_soon(subscription.on_event, event)

    async def _answer(self, call: str) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if not self.is_up:
            raise EngineError("Connection refused") from ConnectionRefusedError()
