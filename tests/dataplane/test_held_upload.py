"""An upload that was held until there was a connection, which then does not take it all."""

import random
import time

import pytest

from proxy.dataplane.downstream import Downstream
from proxy.dataplane.plane import ClientSettings, DataPlane
from proxy.dataplane.upstream import Upstream
from proxy.fleet.fleet import Fleet
from proxy.spec.desired import Desired
from proxy.spec.route import EVERYTHING, RouteSpec
from proxy.spec.service import BackendKey, BackendSpec, ServiceSpec
from tests.support.fake_transport import FakeTransport


class FullTransport(FakeTransport):
    """Every write is more than its limit."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        protocol = self.protocol
        assert isinstance(protocol, Upstream)
        protocol.pause_writing()


def plane_with_a_backend() -> DataPlane:
    fleet = Fleet(random.Random(1))
    key = BackendKey(container="a", host="127.0.0.1", port=1)
    fleet.reconcile(
        Desired(
            services=(ServiceSpec(name="web"),),
            backends=(BackendSpec(key=key, name="a", service="web"),),
            routes=(RouteSpec(rule=EVERYTHING, service="web"),),
        ),
        time.monotonic(),
    )
    return DataPlane(fleet, ClientSettings())


@pytest.mark.http(35)
async def test_client_stays_paused_when_the_backend_does_not_take_what_was_held() -> None:
    plane = plane_with_a_backend()
    downstream = Downstream(plane)
    client = FakeTransport(downstream)
    downstream.connection_made(client)
    downstream.data_received(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n")
    downstream.data_received(bytes(200_000))
    assert not client.is_reading_now  # more than may be held, and nobody to send it to yet
    exchange = downstream._exchange
    assert exchange is not None
    assert exchange.backend is not None
    upstream = Upstream(plane, exchange.backend)
    upstream.connection_made(FullTransport(upstream))
    exchange.on_connected(upstream)
    stays_paused = not client.is_reading_now
    downstream.connection_lost(None)
    await plane.close()
    assert stays_paused
