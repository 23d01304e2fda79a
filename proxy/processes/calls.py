"""The calls of FleetInterface as messages: made of calls on one side, made to calls on the other. Pure."""

from dataclasses import replace

from proxy.fleet.fleet import Fleet
from proxy.health.verdict import Verdict
from proxy.processes.messages import Call, Confirmed, Drain, Observe, Plan, Probed, Reconcile, Whole, desired, plan
from proxy.spec.desired import Desired


def apply(call: Call, fleet: Fleet, now: float) -> None:
    """Make the call to a worker's fleet."""
    match call:
        case Reconcile():
            _reconcile(call.plan, fleet, now)
        case Observe():
            fleet.observe(call.container, call.lifecycle, now)
        case Probed():
            fleet.probed(call.key, call.verdict, call.error, now)
        case Confirmed():
            fleet.confirmed(call.key, call.passed, now)
        case Drain():
            (fleet.drain if call.drained else fleet.undrain)(call.backend, now)
        case Whole():
            _apply_whole(call, fleet, now)


def whole(fleet: Fleet, last: Desired, slots: tuple[int, ...]) -> Whole:
    """All that calls have brought about in `fleet`, whose last reconcile was with `last`; `slots` as in Plan."""
    backends = tuple(
        replace(spec, lifecycle=fleet.services[spec.service].backends[spec.key].lifecycle) for spec in last.backends
    )
    everybody = list(fleet.backends())
    verdicts = {each.key: each.verdict for each in everybody if each.verdict is not Verdict.UNKNOWN}
    return Whole(
        fleet.version,
        plan(replace(last, backends=backends), slots),
        tuple(verdicts.items()),
        tuple({each.key for each in everybody if each.is_confirmed_down}),
        tuple({each.name for each in everybody if each.drained}),
    )


def _reconcile(plan: Plan, fleet: Fleet, now: float) -> None:
    wanted = desired(plan)
    if fleet.shared is not None:
        backends = zip(wanted.backends, plan.slots, strict=True)
        fleet.shared.assign({(spec.service, spec.key): slot for spec, slot in backends})
    fleet.reconcile(wanted, now)


def _apply_whole(call: Whole, fleet: Fleet, now: float) -> None:
    """Bring a fleet of whatever state to it. Verdicts that hold already are not told again: that would be a flip."""
    _reconcile(call.plan, fleet, now)
    for name in {backend.name for backend in fleet.backends() if backend.drained} - set(call.drained):
        fleet.undrain(name, now)
    down = set(call.down)
    known = {backend.key: backend for backend in fleet.backends()}
    for key, verdict in call.verdicts:
        backend = known.get(key)
        if backend is not None and (backend.verdict is not verdict or backend.is_confirmed_down > (key in down)):
            fleet.probed(key, verdict, "", now)
    for key in down:
        fleet.confirmed(key, False, now)
    for name in call.drained:
        fleet.drain(name, now)
