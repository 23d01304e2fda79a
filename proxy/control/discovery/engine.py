"""What discovery asks of a container engine. An I/O edge: docker_api.py speaks to a real one, tests have a fake."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from proxy.control.discovery.event import EngineEvent


class Subscription(Protocol):
    """An event stream that is being read."""

    async def wait(self) -> None:
        """Wait until the stream ends, which it does by an EngineError only."""

    async def close(self) -> None:
        """End it; no event comes after this was called."""


class Engine(Protocol):
    """The calls. Each raises EngineError when there is no usable answer."""

    @property
    def url(self) -> str:
        """Where it is, for people."""

    async def ping(self) -> None:
        """Ask whether it answers."""

    async def list_containers(self) -> Sequence[Mapping[str, Any]]:
        """All containers, running or not, as `GET /containers/json` has them."""

    async def inspect(self, container: str) -> Mapping[str, Any] | None:
        """One container as `GET /containers/{id}/json` has it; None when there is none."""

    async def subscribe(self, on_event: Callable[[EngineEvent], None], since: int) -> Subscription:
        """Connect anew and read events, each handed over in the loop; those from `since` on first.

        `since` is in nanoseconds since the epoch, 0: only what happens from now on. When this returns nothing that
        happens is missed.
        """

    async def close(self) -> None:
        """Give back connections and threads."""
