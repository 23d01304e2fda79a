"""Five containers of one service, at addresses that a static list can have.

Law: a container that replaces another has its address, so that those who cannot follow addresses need not.
"""

import asyncio
import ipaddress
import itertools
import threading
import time
from collections.abc import Awaitable, Mapping
from typing import Any, Final

from docker.errors import APIError
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from tests.support.containers import Backend, Scope
from tests.support.waiting import wait_until_async

SIZE: Final = 5
TRIES: Final = 5  # to claim a block of addresses
FIRST_ADDRESS: Final = 11  # in the network
LINGER_SECONDS: Final = 1  # from the closed listener to the end of the process
GO: Final = "/go"
# The container runs, and its app does not listen until it is told to.
BOOTS_WHEN_TOLD: Final = ["sh", "-c", f"while [ ! -e {GO} ]; do sleep 0.02; done; exec python3 -u /app.py"]
_choosing_a_subnet = threading.Lock()


class Scene:
    """What a fault happens to. `<Scene of web-0 web-1 …>`; the first backend is the one things happen to."""

    def __init__(self, scope: Scope, labels: Mapping[str, str]) -> None:
        self.scope = scope
        self.addresses: list[str] = []
        self.backends: list[Backend] = []  # the living, by place
        self.gone: list[Backend] = []  # those that were replaced
        self._labels = labels
        self._network: Network | None = None
        self._names = itertools.count()

    def __repr__(self) -> str:
        return f"<Scene of {' '.join(backend.name for backend in self.backends)}>"

    @property
    def bad(self) -> Backend:
        return self.backends[0]

    async def open(self, newcomer_env: Mapping[str, str | float] | None = None) -> None:
        """Start all five. A newcomer, of this environment, is the first; it does not listen before it is told to."""
        self._network, self.addresses = await asyncio.to_thread(_make_network, self.scope)
        if newcomer_env is None:
            first = self._run(0)
        else:
            first = self._run(0, env=newcomer_env, ready=False, entrypoint=BOOTS_WHEN_TOLD)
        self.backends = list(await asyncio.gather(first, *(self._run(place) for place in range(1, SIZE))))

    async def close(self) -> None:
        """Remove all that was made, also after an `open` that failed."""
        await asyncio.to_thread(self.scope.close)

    async def replace(self, place: int) -> None:
        """`docker stop`, then a new container at the same address; returns when it answers."""
        old = self.backends[place]
        await old.stop()
        self.gone.append(old)
        self.backends[place] = await self._run(place)

    async def let_newcomer_boot(self) -> float:
        """Returns when it listens: the wall-clock time of that, in seconds."""
        await asyncio.to_thread(self.bad.container.exec_run, ["touch", GO])
        listening: list[float] = []

        async def listens() -> bool:
            listening[:] = [entry["at"] for entry in await self.bad.log() if entry["event"] == "listening"]
            return bool(listening)

        await wait_until_async(listens, f"{self.bad!r} to listen", 10)
        return listening[0]

    async def become(self, backend: Backend, **manners: int) -> float:
        """From now on it misbehaves like this, see Manners in the test backend; the wall-clock time of that."""
        await backend.get("/become?" + "&".join(f"{name}={value}" for name, value in manners.items()))
        return time.time()

    async def logs(self) -> dict[str, list[dict[str, object]]]:
        """What each container has logged, by its name."""
        everybody = [*self.gone, *self.backends]
        logs = await asyncio.gather(*(each.whole_log() for each in everybody))
        return {each.name: log for each, log in zip(everybody, logs, strict=True)}

    def _run(self, place: int, *, env: Mapping[str, str | float] | None = None, **options: Any) -> Awaitable[Backend]:
        assert self._network is not None
        endpoint = self.scope.client.api.create_endpoint_config(ipv4_address=self.addresses[place])
        return self.scope.run_backend(
            f"web-{next(self._names)}",
            labels=self._labels,
            env={"LOG_REQUESTS": 1, "LINGER": LINGER_SECONDS, **(env or {})},
            network=self._network,
            networking_config={self._network.name: endpoint},
            **options,
        )


def _make_network(scope: Scope) -> tuple[Network, list[str]]:
    """A network in which one may choose addresses, and the five that are chosen.

    The engine lets nobody choose in a network whose block it chose itself: so it is asked for one, which is given back
    and then claimed by name. APIError when others were quicker each time.
    """
    for tries_left in reversed(range(TRIES)):
        with _choosing_a_subnet:
            subnet = _free_subnet(scope)
            block = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
            try:
                network = scope.client.networks.create(
                    scope.unique("net"), driver="bridge", ipam=block, labels=scope.labels
                )
            except APIError:  # another process has been given the block in between
                if not tries_left:
                    raise
                continue
        first = ipaddress.IPv4Network(subnet)[FIRST_ADDRESS]
        return network, [str(first + place) for place in range(SIZE)]
    raise AssertionError("the last try returns or raises")


def _free_subnet(scope: Scope) -> str:
    draft = scope.client.networks.create(scope.unique("draft"), driver="bridge", labels=scope.labels)
    draft.reload()
    subnet = str(draft.attrs["IPAM"]["Config"][0]["Subnet"])
    draft.remove()
    return subnet
