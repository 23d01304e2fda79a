"""A sweep that comes late because the whole process stood still: nobody is late while nobody can be heard."""

import random
import time
from typing import cast

import pytest

from proxy.dataplane import plane as module
from proxy.dataplane.downstream import Downstream
from proxy.dataplane.plane import STANDSTILL, SWEEP_INTERVAL, ClientSettings, DataPlane
from proxy.fleet.fleet import Fleet


class Late:
    """A client whose time has been over for long; `told` is when it was told."""

    deadline = 0.0

    def __init__(self) -> None:
        self.told: list[float] = []

    def on_deadline(self, now: float) -> None:
        self.told.append(now)


class Clock:
    """A clock that is set, beside one that goes."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    time = staticmethod(time.time)


SWEEPS = {
    "each in time": ((0.0, SWEEP_INTERVAL, SWEEP_INTERVAL), 3),
    "a busy loop is a little late": ((0.0, SWEEP_INTERVAL + 0.9 * STANDSTILL), 2),
    "the one after a standstill tells nobody": ((0.0, SWEEP_INTERVAL + 1.1 * STANDSTILL), 1),
    "the next one does": ((0.0, 60.0, SWEEP_INTERVAL), 2),
    "also when that is late again": ((0.0, 60.0, 60.0), 2),
    "two standstills apart": ((0.0, 60.0, SWEEP_INTERVAL, 60.0), 2),
}


@pytest.mark.source
@pytest.mark.parametrize(("pauses", "told"), SWEEPS.values(), ids=SWEEPS)
async def test_deadlines_are_looked_at(pauses: tuple[float, ...], told: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, late = Clock(), Late()
    monkeypatch.setattr(module, "time", clock)
    plane = DataPlane(Fleet(random.Random(1)), ClientSettings())
    plane.downstreams.add(cast(Downstream, late))
    for pause in pauses:
        clock.now += pause
        plane.sweep()
        assert plane._timer is not None
        plane._timer.cancel()
    assert len(late.told) == told
    plane.downstreams.clear()
    await plane.close()
