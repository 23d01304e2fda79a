"""Watches calls while a simulation runs: what a pick may return, and what a reconcile must leave alone."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from proxy.fleet.backend import Backend, Tier, Unavailable
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Changes
from proxy.fleet.service import Service
from proxy.spec.desired import Desired
from tests.simulation.engine import SimulatedEngine
from tests.simulation.journal import Journal


@contextmanager
def watched(journal: Journal, engine: SimulatedEngine) -> Iterator[None]:
    """Every pick and every reconcile in here is held to its laws."""
    take, reconcile = Service.take, Fleet.reconcile

    def watched_take(service: Service, tried: Collection[Backend], *rest: Any, **more: Any) -> Backend | None:
        trying = {each for each in service.backends.values() if each.circuit.is_trying}
        chosen = take(service, tried, *rest, **more)
        if chosen is None:
            return None
        if journal.lines is not None:
            journal.note(f"picked {chosen!r}")
        if chosen.circuit.is_trying and chosen not in trying:
            journal.trials += 1
        pick = Pick(chosen, service, tried, trying, engine)
        for law in PICK_LAWS:
            how = law(pick)
            if how:
                journal.breaks(law.__name__.replace("_", " "), how)
        return chosen

    def watched_reconcile(fleet: Fleet, desired: Desired, now: float) -> Changes:
        before = _states(fleet)
        changes = reconcile(fleet, desired, now)
        after = _states(fleet)
        for key in before.keys() & after.keys():
            if before[key] != after[key]:
                journal.breaks("survivors keep their state", f"{before[key]} became {after[key]}")
        return changes

    Service.take, Fleet.reconcile = watched_take, watched_reconcile  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Service.take, Fleet.reconcile = take, reconcile  # type: ignore[method-assign]


@dataclass(slots=True)
class Pick:
    """`chosen` of a service for a request that has been to `tried`; `trying` had a trial under way before."""

    chosen: Backend
    service: Service
    tried: Collection[Backend]
    trying: set[Backend]
    engine: SimulatedEngine


def nobody_is_sent_to_who_is_down_hard(pick: Pick) -> str:
    """Hard down, draining or pending: never picked, not even as the last one (resilience.md, "Nobody available")."""
    return repr(pick.chosen) if pick.chosen.tier is Tier.NEVER else ""


def verdicts_follow_the_facts(pick: Pick) -> str:
    """What discovery has heard of is never picked: dead, paused or told to stop (resilience.md, "Availability")."""
    told = pick.engine.what_was_told(pick.chosen.key.container)
    return f"{pick.chosen!r} after {told}" if told else ""


def nobody_is_asked_twice(pick: Pick) -> str:
    """A backend tried is excluded (resilience.md, "Retry")."""
    return repr(pick.chosen) if pick.chosen in pick.tried else ""


def the_available_go_first(pick: Pick) -> str:
    """Suspects and the softly down are asked only when nobody is available, but for one trial of a half-open circuit.

    Never two trials at once on one circuit (resilience.md, "Circuit per backend").
    """
    chosen = pick.chosen
    if chosen.unavailable is None:
        return ""
    if chosen.unavailable is Unavailable.ON_TRIAL and chosen.circuit.is_trying and chosen not in pick.trying:
        return ""
    better = [
        each
        for each in pick.service.backends.values()
        if each.unavailable is None and each not in pick.tried and (each.full is None or each.in_flight < each.limit)
    ]
    return f"{chosen!r} {chosen.circuit!r} before {better}" if better else ""


PICK_LAWS: Final[tuple[Callable[[Pick], str], ...]] = (
    nobody_is_sent_to_who_is_down_hard,
    verdicts_follow_the_facts,
    nobody_is_asked_twice,
    the_available_go_first,
)


def _states(fleet: Fleet) -> dict[Any, tuple[Any, ...]]:
    """What must survive, of each backend by its address and when its container was started."""
    return {
        (backend.key, backend.spec.service, backend.spec.started): (
            id(backend),
            backend.in_flight,
            backend.verdict,
            backend.drained,
            backend.circuit.opened.total(),
            backend.suspect_until,
            backend.is_confirmed_down,
            backend.failed_at,
            backend.statistics.successes,
        )
        for backend in fleet.backends()
    }
