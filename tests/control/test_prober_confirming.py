"""A suspicion is asked about at once, and what becomes of it."""

import asyncio
import random
from dataclasses import replace

import pytest

from proxy.control.prober import LIMIT, Prober, confirmation_time
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import Lifecycle, ServiceSpec
from tests.control.probing import A_MOMENT, HANGS, PASSED, REFUSED, Backends, probing, spec
from tests.support.fake_fleet import FakeFleet
from tests.support.virtual_time import in_virtual_time


@in_virtual_time
async def test_suspicion_is_confirmed_at_once_and_in_four_times_the_usual_time() -> None:
    async with probing() as scene:
        scene.backends.outcomes["a"] = replace(PASSED, seconds=0.05)
        scene.follow(spec("a"))
        await asyncio.sleep(1)
        asked = len(scene.backends.asked)
        scene.prober.confirm(spec("a").key)
        await asyncio.sleep(0.001)
        assert len(scene.backends.asked) == asked + 1
        assert scene.backends.within[-1] == pytest.approx(0.2)
        await asyncio.sleep(0.06)
        assert scene.confirmed == [("a", True)]
        assert scene.told == [("a", Verdict.PASSING, "")]


@in_virtual_time
async def test_confirmed_failure_is_down_until_probes_pass_again() -> None:
    async with probing() as scene:
        scene.follow(spec("a"))
        await asyncio.sleep(1)
        scene.backends.outcomes["a"] = REFUSED
        scene.prober.confirm(spec("a").key)
        await asyncio.sleep(A_MOMENT)
        assert scene.confirmed == [("a", False)]
        assert scene.told[1:] == [("a", Verdict.FAILING_HARD, "connection refused")]
        scene.backends.outcomes["a"] = PASSED
        await asyncio.sleep(2)
        assert scene.told[2:] == [("a", Verdict.PASSING, "")]


@in_virtual_time
async def test_confirmed_failure_of_one_that_the_engine_checks_is_probed_until_it_passes() -> None:
    async with probing() as scene:
        scene.follow(spec("a", has_healthcheck=True))
        scene.backends.outcomes["a"] = REFUSED
        scene.prober.confirm(spec("a").key)
        await asyncio.sleep(5)
        assert scene.confirmed == [("a", False)]
        assert len(scene.backends.asked) > 2
        scene.backends.outcomes["a"] = PASSED
        await asyncio.sleep(15)
        assert scene.told[-1] == ("a", Verdict.PASSING, "")
        asked = len(scene.backends.asked)
        await asyncio.sleep(60)
        assert len(scene.backends.asked) == asked


@in_virtual_time
async def test_one_suspicion_is_one_confirming_probe() -> None:
    async with probing() as scene:
        scene.follow(spec("a"))
        await asyncio.sleep(1)
        scene.backends.outcomes["a"] = HANGS
        for _ in range(10):
            scene.prober.confirm(spec("a").key)
        await asyncio.sleep(0.15)
        assert scene.confirmed == [("a", False)]


@in_virtual_time
async def test_confirming_probe_waits_for_no_other() -> None:
    async with probing() as scene:
        names = [f"b{number}" for number in range(LIMIT)]
        scene.follow(*map(spec, names))
        await asyncio.sleep(1)
        scene.backends.outcomes = dict.fromkeys(names, HANGS)
        await asyncio.sleep(2)
        scene.backends.outcomes["b0"] = PASSED
        scene.prober.confirm(spec("b0").key)
        await asyncio.sleep(A_MOMENT)
        assert ("b0", True) in scene.confirmed


@in_virtual_time
async def test_suspect_that_could_not_be_asked_is_cleared() -> None:
    async with probing() as scene:
        scene.follow(spec("a"))
        await asyncio.sleep(1)
        scene.backends.can_ask = False
        scene.prober.confirm(spec("a").key)
        await asyncio.sleep(A_MOMENT)
        assert scene.confirmed == [("a", True)]


@in_virtual_time
async def test_suspicion_of_nobody_known_is_ignored() -> None:
    async with probing() as scene:
        scene.prober.confirm(spec("a").key)
        scene.follow(spec("b", lifecycle=Lifecycle.PAUSED))
        scene.prober.confirm(spec("b").key)
        await asyncio.sleep(5)
        assert scene.backends.asked == []


TIMES = {"at least 100 ms": (0.001, 0.1), "four times the usual": (0.1, 0.4), "at most a second": (5.0, 1.0)}


@pytest.mark.parametrize(("usual", "seconds"), TIMES.values(), ids=TIMES)
def test_confirming_probe_may_take(usual: float, seconds: float) -> None:
    assert confirmation_time(usual) == pytest.approx(seconds)


@in_virtual_time
async def test_suspicion_while_the_prober_is_down_is_asked_about_when_it_is_back() -> None:
    fleet, backends = FakeFleet(), Backends()
    prober = Prober(fleet, random.Random(3), backends, asyncio.get_running_loop().time)
    prober.follow(Desired(services=(ServiceSpec(name="web"),), backends=(spec("a", has_healthcheck=True),)))
    prober.confirm(spec("a").key)
    task = asyncio.create_task(prober.run())
    await asyncio.sleep(A_MOMENT)
    assert [passed for _, passed in fleet.confirmations] == [True]
    task.cancel()
    await asyncio.wait([task])
