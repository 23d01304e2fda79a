"""All services and routes of this proxy as they live: the meeting place of the two planes.

Law: the control plane calls what `interface.py` names and reads what is published; the data plane asks `routes` and the
services. Neither holds what the other owns.
"""

import random
from collections.abc import Callable, Iterable
from typing import Final

from proxy.failure import Failure
from proxy.fleet.backend import Backend, Tier
from proxy.fleet.interface import Changes, Transition
from proxy.fleet.routes import RouteTable
from proxy.fleet.service import Service
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.route import RouteSpec
from proxy.spec.service import BackendKey, BackendSpec, Lifecycle, ServiceSpec

KEEP_DEPARTED: Final = 300.0  # seconds for which a backend that left keeps its statistics, for a scrape to see its end


def _ignore(_: object) -> None:
    """Nobody listens."""


class Fleet:
    """Services by name, the route table, and the calls of FleetInterface.

    `on_withdrawn` is called with each backend that takes no more requests, `on_flip` with each transition that the
    data plane caused; those that a call caused are in its Changes.
    """

    def __init__(self, chance: random.Random, probes: bool = False) -> None:
        self.probes = probes  # whether somebody calls `probed`: then nobody serves before a probe has passed
        self._random = chance
        self._route_specs: tuple[RouteSpec, ...] = ()
        self._suspected: set[Service] = set()
        self.services: dict[str, Service] = {}
        self.routes: RouteTable[Service] = RouteTable.build((), self.services.__getitem__)
        self.departed: list[tuple[Backend, float]] = []  # and when, in monotonic seconds
        self.version = 0  # counts the changes; what serves can say which version it serves
        self.on_withdrawn: Callable[[Backend], None] = _ignore
        self.on_flip: Callable[[Transition], None] = _ignore
        self.on_suspect: Callable[[BackendKey], None] = _ignore

    # the control plane's calls, see FleetInterface

    def reconcile(self, desired: Desired, now: float) -> Changes:
        """Bring the fleet to `desired`: survivors keep their live state, leavers drain, routes are swapped whole."""
        self._forget_departed(now)
        wanted: dict[str, list[BackendSpec]] = {spec.name: [] for spec in desired.services}
        for backend_spec in desired.backends:
            wanted[backend_spec.service].append(backend_spec)
        run = _Reconcile(now)
        dropped = [self.services.pop(name) for name in list(self.services) if name not in wanted]
        for spec in desired.services:
            self._reconcile_service(spec, wanted[spec.name], run)
        for service in dropped:
            for key in list(service.backends):
                self._remove(service, key, run)
            service.rebuild()
        swapped = bool(dropped or run.new_services or desired.routes != self._route_specs)
        if swapped:
            self._route_specs = desired.routes
            self.routes = RouteTable.build(desired.routes, self.services.__getitem__)
        return self._conclude(run.changes(swapped))

    def observe(self, container: str, lifecycle: Lifecycle, now: float) -> Changes:
        """A container was seen to change: takes effect on all its backends before this returns."""

        def apply(backend: Backend) -> None:
            backend.lifecycle = lifecycle

        return self._change(lambda backend: backend.key.container == container, apply, lifecycle.value, now)

    def probed(self, key: BackendKey, verdict: Verdict, error: str, now: float) -> Changes:
        """The settled verdict of the probes on an address has flipped; `error` says why when it fails."""

        def apply(backend: Backend) -> None:
            backend.verdict = verdict

        return self._change(lambda backend: backend.key == key, apply, error or "probe passed", now)

    def confirmed(self, key: BackendKey, passed: bool, now: float) -> Changes:
        """The probe that a suspicion asked for has ended: it clears the suspicion, or takes the backend down hard."""

        def apply(backend: Backend) -> None:
            backend.suspect_until = 0.0
            if not passed:
                backend.verdict = Verdict.FAILING_HARD

        return self._change(lambda backend: backend.key == key, apply, "confirming probe", now)

    def drain(self, backend: str, now: float) -> Changes:
        """The operator takes a backend, by name, out of service; what is in flight there finishes."""
        return self._set_drained(backend, True, now)

    def undrain(self, backend: str, now: float) -> Changes:
        """The operator gives a backend back."""
        return self._set_drained(backend, False, now)

    # the data plane's calls

    def report(self, service: Service, backend: Backend, failure: Failure, now: float) -> None:
        """An attempt failed at a backend."""
        flipped = service.report(backend, failure, now)
        if backend.suspect_until:
            self._suspected.add(service)
        self._publish(flipped, failure.label)

    def sweep(self, now: float) -> None:
        """Let suspicions run out. Called a few times a second."""
        for service in tuple(self._suspected):
            self._publish(service.clear_suspicion(now), "not seen failing since")
            if not any(backend.suspect_until for backend in service.backends.values()):
                self._suspected.discard(service)

    # what both read

    def backends(self) -> Iterable[Backend]:
        """Every backend of every service."""
        for service in self.services.values():
            yield from service.backends.values()

    def _reconcile_service(self, spec: ServiceSpec, wanted: list[BackendSpec], run: "_Reconcile") -> None:
        service = self.services.get(spec.name)
        if service is None:
            service = self.services[spec.name] = Service(spec, self._random)
            run.new_services = True
        stale = service.spec != spec
        service.apply(spec)
        keys = {backend_spec.key for backend_spec in wanted}
        leavers = [key for key in service.backends if key not in keys]
        for key in leavers:
            self._remove(service, key, run)
        changed = [self._place(service, backend_spec, run) for backend_spec in wanted]
        if stale or leavers or any(changed):
            service.rebuild()

    def _place(self, service: Service, spec: BackendSpec, run: "_Reconcile") -> bool:
        """Add or update one backend; True when its service's policies no longer hold."""
        backend = service.backends.get(spec.key)
        if backend is None:
            backend = service.backends[spec.key] = Backend(spec, run.now)
            run.joined.append(spec.key)
            run.transitions.append(_transition(backend, "new", "discovered"))
            return True
        old = backend.spec
        if old == spec and backend.lifecycle is spec.lifecycle:
            return False
        before = backend.state
        backend.spec, backend.weight, backend.lifecycle = spec, spec.weight, spec.lifecycle
        flipped = backend.judge(run.now)
        if flipped:
            run.transitions.append(_transition(backend, before, "discovery"))
            self._withdraw(backend)
        return flipped or old.weight != spec.weight or old.backup != spec.backup

    def _remove(self, service: Service, key: BackendKey, run: "_Reconcile") -> None:
        backend = service.backends.pop(key)
        before = backend.state
        backend.lifecycle = Lifecycle.GONE
        backend.policy = None
        backend.judge(run.now)
        run.left.append(key)
        run.transitions.append(_transition(backend, before, "left"))
        self.departed.append((backend, run.now))
        self._withdraw(backend)

    def _change(
        self, concerns: Callable[[Backend], bool], apply: Callable[[Backend], None], reason: str, now: float
    ) -> Changes:
        transitions = []
        for service in self.services.values():
            flipped = False
            for backend in service.backends.values():
                if not concerns(backend):
                    continue
                before = backend.state
                apply(backend)
                if backend.judge(now):
                    flipped = True
                    transitions.append(_transition(backend, before, reason))
                    self._withdraw(backend)
            if flipped:
                service.rebuild()
        return self._conclude(Changes(transitions=tuple(transitions)))

    def _set_drained(self, name: str, drained: bool, now: float) -> Changes:
        def apply(backend: Backend) -> None:
            backend.drained = drained

        return self._change(lambda backend: backend.name == name, apply, "operator", now)

    def _withdraw(self, backend: Backend) -> None:
        if backend.tier is Tier.NEVER:
            self.on_withdrawn(backend)

    def _publish(self, flipped: Iterable[Backend], reason: str) -> None:
        for backend in flipped:
            self.version += 1
            before = "available" if backend.unavailable is not None else "suspect"
            self.on_flip(_transition(backend, before, reason))

    def _forget_departed(self, now: float) -> None:
        self.departed = [(backend, left) for backend, left in self.departed if now - left < KEEP_DEPARTED]

    def _conclude(self, changes: Changes) -> Changes:
        if changes:
            self.version += 1
        return changes

    def __repr__(self) -> str:
        return f"<Fleet version={self.version} {list(self.services.values())}>"


class _Reconcile:
    """What one reconcile has done so far."""

    __slots__ = ("joined", "left", "new_services", "now", "transitions")

    def __init__(self, now: float) -> None:
        self.now = now
        self.joined: list[BackendKey] = []
        self.left: list[BackendKey] = []
        self.transitions: list[Transition] = []
        self.new_services = False

    def changes(self, swapped: bool) -> Changes:
        return Changes(
            joined=tuple(self.joined),
            left=tuple(self.left),
            transitions=tuple(self.transitions),
            routes_swapped=swapped,
        )


def _transition(backend: Backend, before: str, reason: str) -> Transition:
    return Transition(
        service=backend.spec.service, backend=backend.name, before=before, after=backend.state, reason=reason
    )
