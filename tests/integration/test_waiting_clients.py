"""A client that comes between bind and serve waits in the backlog; it is neither refused nor answered too early."""

import asyncio
import random
import time

from proxy.dataplane.plane import ClientSettings, DataPlane
from proxy.fleet.fleet import Fleet
from proxy.spec.desired import Desired
from tests.integration.conftest import LOOPBACK
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend


async def test_client_that_comes_early_is_answered_by_a_backend() -> None:
    plane = DataPlane(Fleet(random.Random(7)), ClientSettings())
    await plane.bind([LOOPBACK])
    async with ScriptedBackend() as backend, RawClient(plane.addresses[0][1]) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)  # enough for an answer, if there were one
        assert not plane.downstreams
        claim = backend.claim()
        desired = Desired(services=(claim.service,), backends=(claim.backend,), routes=claim.routes)
        plane.fleet.reconcile(desired, time.monotonic())
        await plane.serve()
        assert (await client.read_response()).body == b"ok"
    await plane.close()


async def test_plane_that_never_served_closes() -> None:
    plane = DataPlane(Fleet(random.Random(7)), ClientSettings())
    await plane.bind([LOOPBACK])
    await plane.close()
    assert plane.addresses == []
