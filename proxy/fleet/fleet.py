"""All services and routes of this proxy as they live: the meeting place of the two planes.

Law: the control plane calls what `interface.py` names and reads what is published; the data plane asks `routes` and the
services. Neither holds what the other owns.
"""

import random
from collections.abc import Callable, Iterable
from typing import Final

from proxy.failure import Failure
from proxy.fleet.backend import Backend, Tier, Unavailable
from proxy.fleet.evidence import Evidence, transition
from proxy.fleet.interface import Changes, Transition
from proxy.fleet.routes import RouteTable
from proxy.fleet.service import Service
from proxy.fleet.shared_load import SharedLoad
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.route import RouteSpec
from proxy.spec.service import BackendKey, BackendSpec, Lifecycle, ServiceSpec

_REFRESH_PARTS: Final = 20  # sweeps in which all services are worked out anew
KEEP_DEPARTED: Final = 300.0  # seconds for which a backend that left keeps its statistics, for a scrape to see its end


def _ignore(_: object) -> None:
    """Nobody listens."""


class Fleet:
    """Services by name, the route table, and the calls of FleetInterface.

    `on_withdrawn` is called with each backend that takes no more requests, `on_flip` with each transition that the
    data plane or time caused; those that a call caused are in its Changes. `on_suspect` is called with the address of
    each backend that becomes suspect: it is to be probed now, see `confirmed`.
    """

    def __init__(
        self,
        chance: random.Random,
        probes: bool = False,
        secret: bytes = bytes(16),
        shared: SharedLoad | None = None,
    ) -> None:
        self._random = chance
        self.shared = shared  # with other workers, where there are any
        self._secret = secret  # of the sticky cookies
        self._to_refresh: list[Service] = []
        self._probes = probes  # somebody calls `probed`: then no backend serves before a probe has passed
        self._route_specs: tuple[RouteSpec, ...] = ()
        self._unsettled: set[Service] = set()
        self._verdicts: dict[
            BackendKey, Verdict
        ] = {}  # of addresses: one that joins a second service is not probed anew
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
        self._keep_verdicts({spec.key for spec in desired.backends})
        run = _Reconcile(now)
        dropped = [self.services.pop(name) for name in list(self.services) if name not in wanted]
        for spec in desired.services:
            self._reconcile_service(spec, wanted[spec.name], run)
        for service in dropped:
            for key in list(service.backends):
                self._remove(service, key, run)
            service.rebuild()
            self._unsettled.discard(service)
        swapped = bool(dropped or run.new_services or desired.routes != self._route_specs)
        if swapped:
            self._route_specs = desired.routes
            self.routes = RouteTable.build(desired.routes, self.services.__getitem__)
        return self._conclude(run.changes(swapped))

    def observe(self, container: str, lifecycle: Lifecycle, now: float) -> Changes:
        """A container was seen to change: takes effect on all its backends before this returns."""
        its_own = [backend for backend in self.backends() if backend.key.container == container]
        return self._change(its_own, lambda evidence, backend: evidence.observe(backend, lifecycle, now))

    def probed(self, key: BackendKey, verdict: Verdict, error: str, now: float) -> Changes:
        """The settled verdict of the probes on an address has flipped; `error` says why when it fails."""
        self._verdicts[key] = verdict
        return self._change(self._at(key), lambda evidence, backend: evidence.probe(backend, verdict, error, now))

    def confirmed(self, key: BackendKey, passed: bool, now: float) -> Changes:
        """The probe that a suspicion asked for has ended: it clears the suspicion, or takes the backend down hard."""
        return self._change(self._at(key), lambda evidence, backend: evidence.confirm(backend, passed, now))

    def drain(self, backend: str, now: float) -> Changes:
        """The operator takes a backend, by name, out of service; what is in flight there finishes."""
        return self._set_drained(backend, True, now)

    def undrain(self, backend: str, now: float) -> Changes:
        """The operator gives a backend back."""
        return self._set_drained(backend, False, now)

    # the data plane's calls

    def report(self, service: Service, backend: Backend, failure: Failure, now: float) -> None:
        """An attempt failed at a backend."""
        was_suspect = bool(backend.suspect_until)
        self._publish(service.report(backend, failure, now))
        self._follow_up(service, backend, was_suspect, now)

    def suspect(self, service: Service, backend: Backend, failure: Failure, now: float) -> None:
        """An attempt at a backend goes on, and is about to fail in this way, it seems."""
        was_suspect = bool(backend.suspect_until)
        self._publish(service.suspect(backend, failure, now))
        self._follow_up(service, backend, was_suspect, now)

    def acquit(self, service: Service, backend: Backend, now: float) -> None:
        """A response came from a suspect after all."""
        self._publish(service.acquit(backend, now))

    def answered(self, service: Service, backend: Backend, status: int, now: float) -> None:
        """A response came from a backend with a status that it finds `notable`. Count it first."""
        self._publish(service.answered(backend, status, now))
        self._unsettled.add(service)

    def sweep(self, now: float) -> None:
        """Let time pass for the services in which it changes something. Called a few times a second."""
        for service in tuple(self._unsettled):
            self._publish(service.step(now))
            if service.evidence.is_settled:
                self._unsettled.discard(service)
        self._refresh_tries(now)

    def _follow_up(self, service: Service, backend: Backend, was_suspect: bool, now: float) -> None:
        if backend.failed_at == now:
            self._unsettled.add(service)
        if backend.suspect_until and not was_suspect:
            self.on_suspect(backend.key)

    # what both read

    def backends(self) -> Iterable[Backend]:
        """Every backend of every service."""
        for service in self.services.values():
            yield from service.backends.values()

    def _refresh_tries(self, now: float) -> None:
        """Every service in its turn, a few at a time: all of them within some five seconds."""
        if not self._to_refresh:
            self._to_refresh = list(self.services.values())
        for _ in range(min(len(self._to_refresh), len(self.services) // _REFRESH_PARTS + 1)):
            service = self._to_refresh.pop()
            service.tries.refresh(service.spec, service.backends.values(), now)

    def _reconcile_service(self, spec: ServiceSpec, wanted: list[BackendSpec], run: "_Reconcile") -> None:
        service = self.services.get(spec.name)
        if service is None:
            service = self.services[spec.name] = Service(spec, self._random, self._probes, self._secret, self.shared)
            run.new_services = True
        if service.spec != spec:
            service.apply(spec, run.now)
        keys = {backend_spec.key for backend_spec in wanted}
        for key in [key for key in service.backends if key not in keys]:
            self._remove(service, key, run)
        newcomers = [backend_spec for backend_spec in wanted if backend_spec.key not in service.backends]
        for backend_spec in wanted:
            if backend_spec.key in service.backends:
                self._describe(service, backend_spec, run)
        self._place(service, newcomers, run)
        service.settle()
        self._unsettled.add(service)

    def _place(self, service: Service, specs: list[BackendSpec], run: "_Reconcile") -> None:
        if not specs:
            return
        for spec in specs:
            backend = service.backends[spec.key] = service.evidence.newcomer(
                spec, self._verdicts.get(spec.key), run.now
            )
            run.joined.append(spec.key)
            run.transitions.append(transition(backend, "new", "discovered"))
        run.transitions += service.evidence.welcome([service.backends[spec.key] for spec in specs], run.now)

    def _describe(self, service: Service, spec: BackendSpec, run: "_Reconcile") -> None:
        backend = service.backends[spec.key]
        if backend.spec == spec and backend.lifecycle is spec.lifecycle:
            return
        if spec.started != backend.spec.started:
            self._verdicts.pop(spec.key, None)
        was = backend.unavailable
        run.transitions += service.evidence.describe(backend, spec, run.now)
        self._withdraw(backend, was)

    def _remove(self, service: Service, key: BackendKey, run: "_Reconcile") -> None:
        backend = service.backends.pop(key)
        backend.policy = None
        run.left.append(key)
        run.transitions += service.evidence.lose(backend, run.now)
        self.departed.append((backend, run.now))
        self.on_withdrawn(backend)

    def _at(self, key: BackendKey) -> list[Backend]:
        """The backends of whichever services at this address."""
        return [service.backends[key] for service in self.services.values() if key in service.backends]

    def _change(self, backends: Iterable[Backend], apply: Callable[[Evidence, Backend], list[Transition]]) -> Changes:
        transitions: list[Transition] = []
        for backend in backends:
            service = self.services[backend.spec.service]
            was = backend.unavailable
            transitions += apply(service.evidence, backend)
            self._withdraw(backend, was)
            self._unsettled.add(service)
            service.refreshed([])
        return self._conclude(Changes(transitions=tuple(transitions)))

    def _set_drained(self, name: str, drained: bool, now: float) -> Changes:
        named = [backend for backend in self.backends() if backend.name == name]
        return self._change(named, lambda evidence, backend: evidence.drain(backend, drained, now))

    def _withdraw(self, backend: Backend, was: Unavailable | None) -> None:
        """Say so of one that takes no more, and again when that is for another reason: an unreachable one is paused."""
        if backend.tier is Tier.NEVER and backend.unavailable is not was:
            self.on_withdrawn(backend)

    def _publish(self, transitions: Iterable[Transition]) -> None:
        for each in transitions:
            self.version += 1
            self.on_flip(each)

    def _keep_verdicts(self, keys: set[BackendKey]) -> None:
        for key in [key for key in self._verdicts if key not in keys]:
            del self._verdicts[key]

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
