"""Each law can fail: with a bug planted into the proxy, some story breaks it."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest

from proxy.control.discovery.roster import Roster
from proxy.dataplane import retries
from proxy.dataplane.admission import Admissions
from proxy.dataplane.attempts import Attempts, Phase
from proxy.dataplane.downstream import Downstream
from proxy.dataplane.plane import DataPlane
from proxy.dataplane.retries import Retries
from proxy.failure import Failure
from proxy.fleet import service
from proxy.fleet.backend import Backend, Tier
from proxy.fleet.circuits import Circuits
from proxy.fleet.crowd import Crowd
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Changes
from proxy.fleet.service import Service
from proxy.fleet.tries import Tries
from proxy.fleet.waiting import WaitingLine
from proxy.health.circuit import Circuit, State
from proxy.retry.decision import Again, Happened, Kind, Progress, decide
from proxy.spec.desired import Desired
from tests.simulation.world import BrokenLawError, simulate, tell

pytestmark = pytest.mark.source  # compiled modules take no bugs
STORIES = 200
Plant = Callable[[pytest.MonkeyPatch], None]


def nothing_is_released(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Service, "release", staticmethod(lambda backend: None))


def circuits_open_without_asking(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Circuits, "_may_take_out", lambda self, backend: True)


def suspicions_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Fleet, "confirmed", lambda self, key, passed, now: Changes())
    patch.setattr(Fleet, "sweep", lambda self, now: None)


def answers_are_given_twice(patch: pytest.MonkeyPatch) -> None:
    write = Downstream.write

    def write_twice(downstream: Downstream, data: bytes) -> None:
        write(downstream, data)
        write(downstream, data)

    patch.setattr(Downstream, "write", write_twice)


def cuts_are_not_shown(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Downstream, "cut", lambda self: None)


def connections_of_failed_attempts_are_used_again(patch: pytest.MonkeyPatch) -> None:
    def drop_upstream(self: Attempts) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.exchange = None
            self.plane.pool.release(upstream, self.started)

    patch.setattr(Attempts, "_drop_upstream", drop_upstream)


def every_method_is_taken_for_idempotent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retries, "kind_of", lambda method, **_: Kind.IDEMPOTENT)


def tries_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    def decide_always(happened: Happened, kind: Kind, progress: Progress) -> Again:
        return decide(happened, kind, replace(progress, tries=0, resends=0))

    patch.setattr(retries, "decide", decide_always)


def nothing_is_tried_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retries, "decide", lambda happened, kind, progress: Again.NO)


def answers_that_break_off_are_tried_again(patch: pytest.MonkeyPatch) -> None:
    on_failure = Retries.on_failure

    def on_failure_of_any_phase(self: Retries, failure: Failure) -> None:
        if self.phase is Phase.STREAMING:
            self.phase = Phase.WAITING
            failure = Failure.RESET
        on_failure(self, failure)

    patch.setattr(Retries, "on_failure", on_failure_of_any_phase)


def patience_has_no_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Attempts, "_allowed", lambda self: 60.0)


def retries_cost_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tries, "may_go_again", lambda self, happened, kind, now: True)


def hedges_cost_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tries, "may_hedge", lambda self, now: True)


def lines_have_no_end(patch: pytest.MonkeyPatch) -> None:
    join = WaitingLine.join

    def join_always(self: WaitingLine[Any], who: Any, now: float) -> bool:
        self.limit, limit = len(self) + 1, self.limit
        try:
            return join(self, who, now)
        finally:
            self.limit = limit

    patch.setattr(WaitingLine, "join", join_always)


def nobody_is_ever_full(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Crowd, "is_limited", False)
    patch.setattr(Crowd, "gather", lambda self, backends: None)


def nobody_is_rescued(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Retries, "on_backend_down", lambda self, backend, now: None)
    patch.setattr(Attempts, "_allowed", lambda self: 60.0)


def circuits_stay_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Circuit, "cool", lambda self, now: False)


def clients_that_go_are_counted_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Admissions, "leave", lambda self, client: None)


def nobody_leaves_a_line(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Attempts, "_leave_line", lambda self, now: None)
    patch.setattr(WaitingLine, "outwait", lambda self, who: None)


def nothing_is_closed(patch: pytest.MonkeyPatch) -> None:
    async def close(plane: DataPlane) -> None:
        await asyncio.sleep(0)

    patch.setattr(DataPlane, "close", close)


def those_down_hard_are_a_last_resort(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(service, "_LAST_RESORTS", (Tier.SUSPECT, Tier.UNHEALTHY, Tier.NEVER))


def events_are_not_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Roster, "hear", lambda self, event, now, is_replayed: None)


def those_tried_are_asked_again(patch: pytest.MonkeyPatch) -> None:
    take = Service.take

    def take_any(self: Service, tried: Collection[Backend], *rest: Any, **more: Any) -> Backend | None:
        return take(self, (), *rest, **more)

    patch.setattr(Service, "take", take_any)


def suspects_go_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(service, "_WILLING", (Tier.SUSPECT, Tier.PRIMARY, Tier.BACKUP))


def trials_go_in_crowds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Circuit, "may_try", property(lambda self: self.state is State.HALF_OPEN))


def reconciling_begins_anew(patch: pytest.MonkeyPatch) -> None:
    reconcile = Fleet.reconcile

    def reconcile_from_nothing(self: Fleet, desired: Desired, now: float) -> Changes:
        reconcile(self, Desired(), now)
        return reconcile(self, desired, now)

    patch.setattr(Fleet, "reconcile", reconcile_from_nothing)


def something_is_raised(patch: pytest.MonkeyPatch) -> None:
    def eof_received(self: Downstream) -> bool:
        raise ValueError("planted")

    patch.setattr(Downstream, "eof_received", eof_received)


PLANTED: list[tuple[str, Plant]] = [
    ("in flight counts are true", nothing_is_released),
    ("circuits take out no more than their share", circuits_open_without_asking),
    ("suspicions end", suspicions_are_forgotten),
    ("each request ends once", answers_are_given_twice),
    ("each request ends once", cuts_are_not_shown),
    ("each request ends once", connections_of_failed_attempts_are_used_again),
    ("non idempotent requests are sent once", every_method_is_taken_for_idempotent),
    ("tries are bounded", tries_are_not_counted),
    ("nothing is sent after an answer has begun", answers_that_break_off_are_tried_again),
    ("where one backend is well nobody notices", nothing_is_tried_again),
    ("nobody waits longer than limits", patience_has_no_end),
    ("retries are within budget", retries_cost_nothing),
    ("hedges are few", hedges_cost_nothing),
    ("lines are no longer than their limit", lines_have_no_end),
    ("nobody has more in flight than its limit", nobody_is_ever_full),
    ("nobody waits in vain", nobody_is_rescued),
    ("there is always a way back", circuits_stay_open),
    ("all is given back", clients_that_go_are_counted_on),
    ("all is given back", nobody_leaves_a_line),
    ("nothing is left", nothing_is_closed),
    ("nobody is sent to who is down hard", those_down_hard_are_a_last_resort),
    ("verdicts follow the facts", events_are_not_believed),
    ("nobody is asked twice", those_tried_are_asked_again),
    ("the available go first", suspects_go_first),
    ("the available go first", trials_go_in_crowds),
    ("survivors keep their state", reconciling_begins_anew),
    ("nothing is raised", something_is_raised),
]


@pytest.mark.parametrize(
    ("law", "plant"), PLANTED, ids=[f"{law}, unless {plant.__name__.replace('_', ' ')}" for law, plant in PLANTED]
)
def test_planted_bug_breaks_its_law(law: str, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert any(broken.law == law for seed in range(STORIES) for broken in tell(seed).broken)


def test_broken_story_says_how_to_see_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_is_released(monkeypatch)
    with pytest.raises(BrokenLawError, match=r"python -m tests\.simulation --seed 3 --trace"):
        simulate(3)


def test_same_seed_tells_the_same_story() -> None:
    assert tell(7, traced=True).lines == tell(7, traced=True).lines


def test_other_seed_tells_another_story() -> None:
    assert tell(7, traced=True).lines != tell(8, traced=True).lines
