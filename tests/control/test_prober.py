"""Whom the prober asks and when, and what it tells the fleet: on answers that a test gives, in virtual time."""

import asyncio
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from proxy.control.prober import LIMIT, Prober
from proxy.control.probes.question import Question
from proxy.health.verdict import Outcome, Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import HealthSpec, Lifecycle, ServiceSpec
from tests.control.probing import A_MOMENT, BUSY, HANGS, PASSED, REFUSED, Backends, now, probing, spec
from tests.support.fake_fleet import FakeFleet
from tests.support.virtual_time import in_virtual_time

# whom


@in_virtual_time
async def test_newcomer_is_asked_at_once_and_told_when_it_passes() -> None:
    async with probing() as scene:
        scene.follow(spec("a"))
        await asyncio.sleep(A_MOMENT)
        assert scene.told == [("a", Verdict.PASSING, "")]
        assert scene.backends.within == [1.0]


@in_virtual_time
async def test_leaver_is_asked_no_more() -> None:
    async with probing() as scene:
        scene.follow(spec("a"), spec("b"))
        await asyncio.sleep(5)
        scene.follow(spec("b"))
        before = len(scene.backends.times("a"))
        await asyncio.sleep(20)
        assert len(scene.backends.times("a")) == before
        assert len(scene.backends.times("b")) > 8
        assert scene.prober.subject(spec("a").key) is None


@in_virtual_time
async def test_answer_of_one_that_left_meanwhile_is_not_told() -> None:
    async with probing() as scene:
        scene.backends.outcomes["a"] = replace(PASSED, seconds=0.5)
        scene.follow(spec("a"))
        await asyncio.sleep(0.2)
        scene.follow(spec("b"))
        await asyncio.sleep(5)
        assert [name for name, _, _ in scene.told] == ["b"]


@pytest.mark.parametrize("lifecycle", [Lifecycle.PAUSED, Lifecycle.DRAINING, Lifecycle.GONE])
def test_container_that_cannot_answer_is_not_asked(lifecycle: Lifecycle) -> None:
    @in_virtual_time
    async def run() -> None:
        async with probing() as scene:
            scene.follow(spec("a", lifecycle=lifecycle), spec("b"))
            await asyncio.sleep(5)
            assert scene.backends.times("b")
            assert not any(host == "a" for _, host in scene.backends.asked)
            scene.follow(spec("a"), spec("b"))  # it is back
            await asyncio.sleep(A_MOMENT)
            asked = scene.backends.times("a")
            assert asked
            scene.follow(spec("a", lifecycle=lifecycle), spec("b"))
            await asyncio.sleep(10)
            assert scene.backends.times("a") == asked

    run()


@in_virtual_time
async def test_container_with_a_healthcheck_is_left_to_the_engine_unless_a_path_is_set() -> None:
    async with probing() as scene:
        checked = spec("a", has_healthcheck=True)
        scene.follow(checked)
        await asyncio.sleep(60)
        assert scene.backends.asked == []
        scene.follow(checked, health=HealthSpec(path="/healthz"))
        await asyncio.sleep(A_MOMENT)
        assert scene.backends.times("a") == [0.0]


@in_virtual_time
async def test_services_that_share_an_address_share_its_probes_and_a_path_goes_first() -> None:
    async with probing() as scene:
        with_path = HealthSpec(path="/healthz", timeout=0.7)
        scene.follow(spec("a", "one"), spec("a", "two"), one=HealthSpec(), two=with_path)
        await asyncio.sleep(A_MOMENT)
        assert scene.backends.within == [0.7]
        subject = scene.prober.subject(spec("a").key)
        assert subject is not None
        assert sorted(backend.service for backend in subject.backends) == ["one", "two"]


# when


@in_virtual_time
async def test_passing_one_is_asked_every_interval_give_or_take_a_fifth() -> None:
    async with probing() as scene:
        scene.follow(spec("a"))
        await asyncio.sleep(120)
        times = scene.backends.times("a")
        gaps = [later - earlier for earlier, later in pairwise(times[1:])]
        assert all(1.6 <= gap <= 2.43 for gap in gaps)
        assert max(gaps) - min(gaps) > 0.4


@in_virtual_time
async def test_backends_that_came_together_are_spread_over_the_interval() -> None:
    async with probing() as scene:
        scene.follow(*[spec(f"b{number}") for number in range(200)])
        await asyncio.sleep(2.5)
        second = [scene.backends.times(f"b{number}")[1] for number in range(200)]
        tenths = [sum(tenth <= time * 10 < tenth + 1 for time in second) for tenth in range(16)]
        assert min(tenths) > 0
        assert max(tenths) < 40


@in_virtual_time
async def test_new_one_that_refuses_is_asked_every_250_ms_and_nothing_is_said() -> None:
    async with probing() as scene:
        scene.backends.outcomes["a"] = REFUSED
        scene.follow(spec("a"))
        await asyncio.sleep(30)
        times = scene.backends.times("a")
        gaps = [later - earlier for earlier, later in pairwise(times[1:])]
        assert all(0.24 <= gap <= 0.29 for gap in gaps)
        assert scene.told == []
        scene.backends.outcomes["a"] = PASSED
        await asyncio.sleep(0.3)
        assert scene.told == [("a", Verdict.PASSING, "")]


@in_virtual_time
async def test_one_that_never_starts_is_told_after_a_minute_and_asked_ever_more_rarely() -> None:
    async with probing() as scene:
        scene.backends.outcomes["a"] = REFUSED
        scene.follow(spec("a"))
        await asyncio.sleep(200)
        assert scene.told == [("a", Verdict.FAILING_HARD, "connection refused")]
        times = scene.backends.times("a")
        assert times[-1] - times[-2] >= 8
        scene.backends.outcomes["a"] = PASSED
        await asyncio.sleep(20)
        assert scene.told[1:] == [("a", Verdict.PASSING, "")]


@in_virtual_time
async def test_one_that_fails_is_asked_faster_and_told_at_the_third() -> None:
    async with probing() as scene:
        scene.follow(spec("a"), health=HealthSpec(path="/"))
        await asyncio.sleep(5)
        scene.backends.outcomes["a"] = BUSY
        await asyncio.sleep(4)
        assert scene.told[1:] == [("a", Verdict.FAILING_SOFT, BUSY.error)]


@in_virtual_time
async def test_hanging_one_delays_nobody() -> None:
    async with probing() as scene:
        scene.backends.outcomes["a"] = HANGS
        scene.follow(spec("a"), spec("b"))
        await asyncio.sleep(60)
        times = scene.backends.times("b")
        assert all(later - earlier <= 2.43 for earlier, later in pairwise(times))


@in_virtual_time
async def test_no_more_than_the_limit_are_asked_at_once_and_all_in_the_end() -> None:
    async with probing() as scene:
        names = [f"b{number}" for number in range(3 * LIMIT)]
        scene.backends.outcomes = dict.fromkeys(names, HANGS)
        scene.follow(*map(spec, names))
        await asyncio.sleep(2.5)
        assert scene.backends.most_at_once == LIMIT
        assert {host for _, host in scene.backends.asked} == set(names)


@in_virtual_time
async def test_own_shortage_says_nothing_of_a_backend() -> None:
    async with probing() as scene:
        scene.follow(spec("a"))
        await asyncio.sleep(5)
        scene.backends.can_ask = False
        await asyncio.sleep(60)
        assert scene.told == [("a", Verdict.PASSING, "")]
        assert len(scene.backends.times("a")) > 20


# what is kept


@in_virtual_time
async def test_what_was_learned_stays_through_a_change_of_settings() -> None:
    async with probing() as scene:
        scene.follow(spec("a"))
        await asyncio.sleep(5)
        scene.follow(spec("a", weight=7), health=HealthSpec(interval=10.0))
        await asyncio.sleep(100)
        assert scene.told == [("a", Verdict.PASSING, "")]
        assert len(scene.backends.times("a")) < 20


@in_virtual_time
async def test_container_started_anew_is_a_newcomer_again() -> None:
    async with probing() as scene:
        scene.follow(spec("a", started=1.0))
        await asyncio.sleep(5)
        scene.backends.outcomes["a"] = REFUSED
        scene.follow(spec("a", started=2.0))
        await asyncio.sleep(5)
        assert scene.told == [("a", Verdict.PASSING, "")]  # of the first start; the fleet knows that it is over
        scene.backends.outcomes["a"] = PASSED
        await asyncio.sleep(0.3)
        assert scene.told == 2 * [("a", Verdict.PASSING, "")]


@in_virtual_time
async def test_answer_of_before_the_restart_does_not_count_after_it() -> None:
    async with probing() as scene:
        scene.backends.outcomes["a"] = replace(PASSED, seconds=0.5)
        scene.follow(spec("a", started=1.0))
        await asyncio.sleep(0.2)
        scene.backends.outcomes["a"] = REFUSED
        scene.follow(spec("a", started=2.0))
        await asyncio.sleep(5)
        assert scene.told == []


# the first round


@in_virtual_time
async def test_first_round_is_heard_when_every_backend_gave_an_answer_good_or_bad() -> None:
    async with probing() as scene:
        scene.backends.outcomes |= {"a": REFUSED, "b": replace(PASSED, seconds=0.4)}
        scene.follow(spec("a"), spec("b"), spec("c", lifecycle=Lifecycle.PAUSED))
        await asyncio.sleep(0.3)
        assert not scene.prober.heard.is_set()
        await asyncio.sleep(0.2)
        assert scene.prober.heard.is_set()


@in_virtual_time
async def test_first_round_without_backends_is_heard_at_once_and_later_ones_are_not_waited_for() -> None:
    async with probing() as scene:
        scene.follow()
        assert scene.prober.heard.is_set()


@in_virtual_time
async def test_first_round_does_not_wait_for_who_left() -> None:
    async with probing() as scene:
        scene.backends.outcomes["a"] = HANGS
        scene.follow(spec("a"))
        scene.follow(spec("b"))
        assert scene.prober.heard.is_set()


# breaking


@in_virtual_time
async def test_prober_that_broke_goes_on_when_it_is_run_again() -> None:
    fleet, backends = FakeFleet(), Backends()
    broken = RuntimeError("broken")

    async def ask(question: Question, within: float) -> Outcome | None:
        if not backends.asked:
            backends.asked.append((now(), question.host))
            raise broken
        return await backends(question, within)

    prober = Prober(fleet, random.Random(3), ask, asyncio.get_running_loop().time)
    prober.follow(Desired(services=(ServiceSpec(name="web"),), backends=(spec("a"), spec("b"))))
    prober.confirm(spec("b").key)
    with pytest.raises(ExceptionGroup) as raised:
        await prober.run()
    assert raised.value.exceptions == (broken,)
    task = asyncio.create_task(prober.run())
    await asyncio.sleep(A_MOMENT)
    assert sorted(key.container for key, _, _ in fleet.verdicts) == ["a", "b"]
    task.cancel()
    await asyncio.wait([task])
