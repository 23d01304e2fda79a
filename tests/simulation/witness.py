"""Watches calls while a simulation runs: what a pick may return, and what a reconcile must leave alone."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from proxy.fleet.backend import Backend, Tier, Unavailable
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Changes
from proxy.fleet.service import Service
from proxy.spec.desired import Desired
from tests.simulation.journal import Journal


@contextmanager
def watched(journal: Journal) -> Iterator[None]:
    """Every pick and every reconcile in here is held to its laws."""
    take, reconcile = Service.take, Fleet.reconcile

    def watched_take(service: Service, tried: Collection[Backend], *rest: Any, **more: Any) -> Backend | None:
        trying = {each for each in service.backends.values() if each.circuit.is_trying}
        chosen = take(service, tried, *rest, **more)
        if chosen is not None:
            if journal.lines is not None:
                journal.note(f"picked {chosen!r}")
            for law in PICK_LAWS:
                how = law(service, chosen, tried, trying)
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


PickLaw = Callable[[Service, Backend, Collection[Backend], set[Backend]], str]


def nobody_is_sent_to_who_is_down_hard(_: Service, chosen: Backend, __: Collection[Backend], ___: set[Backend]) -> str:
    """Hard down, draining or pending: never picked, not even as the last one (resilience.md, "Nobody available")."""
    return repr(chosen) if chosen.tier is Tier.NEVER else ""


def nobody_is_asked_twice(_: Service, chosen: Backend, tried: Collection[Backend], __: set[Backend]) -> str:
    """A backend tried is excluded (resilience.md, "Retry")."""
    return repr(chosen) if chosen in tried else ""


def the_available_go_first(service: Service, chosen: Backend, tried: Collection[Backend], trying: set[Backend]) -> str:
    """Suspects and the softly down are asked only when nobody is available, but for one trial of a half-open circuit.

    Never two trials at once on one circuit (resilience.md, "Circuit per backend").
    """
    if chosen.unavailable is None:
        return ""
    if chosen.unavailable is Unavailable.ON_TRIAL and chosen.circuit.is_trying and chosen not in trying:
        return ""
    better = [each for each in service.backends.values() if each.unavailable is None and each not in tried]
    return f"{chosen!r} {chosen.circuit!r} before {better}" if better else ""


PICK_LAWS: tuple[PickLaw, ...] = (nobody_is_sent_to_who_is_down_hard, nobody_is_asked_twice, the_available_go_first)


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
