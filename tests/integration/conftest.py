"""A data plane on a real loopback socket, which must be clean when a test is over."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
import uvloop

from proxy.dataplane.access_log import AccessLog
from proxy.dataplane.plane import ClientSettings, DataPlane
from proxy.dataplane.tracing import Tracer
from proxy.fleet.fleet import Fleet
from proxy.spec.container import Claim
from proxy.spec.desired import Desired
from proxy.spec.proxy import ListenAddress
from proxy.spec.route import RouteSpec
from proxy.spec.service import ServiceSpec

LOOPBACK = ListenAddress("127.0.0.1", 0)
DEADLINE = 10.0  # seconds in which everything must be back at zero, also on a busy machine


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What runs in production runs in these tests."""
    return {"uvloop": uvloop.new_event_loop}


class Proxy:
    """A running data plane and what to reach it by."""

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        self.fleet = plane.fleet
        self.port = plane.addresses[0][1]

    def reconcile(self, *claims: Claim, spec: ServiceSpec | None = None, routes: tuple[RouteSpec, ...] = ()) -> None:
        """Bring the fleet to these claims."""
        services = {claim.service.name: spec or claim.service for claim in claims}
        if spec is not None:
            services = {spec.name: spec}
        desired = Desired(
            services=tuple(services.values()),
            backends=tuple(claim.backend for claim in claims),
            routes=routes or tuple({claim.service.name: claim.routes[0] for claim in claims}.values()),
        )
        self.fleet.reconcile(desired, time.monotonic())


StartProxy = Callable[..., Awaitable[Proxy]]


@pytest.fixture
async def start_proxy() -> AsyncIterator[StartProxy]:
    """Call it with claims, and with settings by keyword."""
    running: list[Proxy] = []
    descriptors = _descriptors()
    tasks = asyncio.all_tasks()

    async def start(
        *claims: Claim,
        spec: ServiceSpec | None = None,
        access_log: AccessLog | None = None,
        tracer: Tracer | None = None,
        listen: ListenAddress = LOOPBACK,
        **settings: object,
    ) -> Proxy:
        limits = ClientSettings(**settings)  # type: ignore[arg-type]
        plane = DataPlane(Fleet(random.Random(7)), limits, access_log, tracer)
        await plane.start([listen])
        proxy = Proxy(plane)
        proxy.reconcile(*claims, spec=spec)
        running.append(proxy)
        return proxy

    yield start
    for proxy in running:
        await until(lambda proxy=proxy: not any(each.is_active for each in proxy.plane.downstreams))  # type: ignore[misc]
        in_flight = [backend for backend in proxy.fleet.backends() if backend.in_flight]
        assert not in_flight
        await proxy.plane.close()
        assert not proxy.plane.downstreams
        await until(lambda proxy=proxy: proxy.plane.pool.open == 0)  # type: ignore[misc]
        assert proxy.plane.pool.idle == 0
    await until(lambda: asyncio.all_tasks() <= tasks | {asyncio.current_task()})
    await until(lambda: _descriptors() <= descriptors)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds; fails when it does not in time."""
    ends = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < ends, "not back at zero in time"
        await asyncio.sleep(0)


def _descriptors() -> int:
    """Open sockets. The loop keeps other descriptors of its own, one of them from its first accept on."""
    return sum(_is_socket(name) for name in os.listdir("/proc/self/fd"))


def _is_socket(name: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    except FileNotFoundError:  # the descriptor that listed the folder
        return False
