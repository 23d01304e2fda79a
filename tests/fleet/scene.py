"""A service with its fleet, told what happens to its backends by name and at literal times."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from proxy.failure import Failure
from proxy.fleet.backend import Backend
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Changes, Transition
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, BackendSpec, Lifecycle, ServiceSpec


def backend_spec(name: str, **changes: Any) -> BackendSpec:
    key = BackendKey(container=f"id-{name}", host="10.0.0.1", port=80)
    return BackendSpec(key=key, name=name, service="web", **changes)


class Scene:
    """One service of these backends. `flips` are transitions that requests and time caused."""

    def __init__(self, *names: str, probes: bool = False, **settings: Any) -> None:
        self.fleet = Fleet(random.Random(1), probes=probes)
        self.flips: list[Transition] = []
        self.suspects: list[BackendKey] = []
        self.fleet.on_flip = self.flips.append
        self.fleet.on_suspect = self.suspects.append
        self.spec = ServiceSpec(name="web", **settings)
        self.backends = {name: backend_spec(name) for name in names}
        self.reconcile(0.0)
        self.service = self.fleet.services["web"]

    def __getitem__(self, name: str) -> Backend:
        return next(backend for backend in self.service.backends.values() if backend.name == name)

    def reconcile(self, now: float) -> Changes:
        desired = Desired(services=(self.spec,), backends=tuple(self.backends.values()))
        return self.fleet.reconcile(desired, now)

    def describe(self, name: str, now: float, **changes: Any) -> Changes:
        self.backends[name] = replace(self.backends.get(name) or backend_spec(name), **changes)
        return self.reconcile(now)

    def fail(self, name: str, failure: Failure, now: float, times: int = 1) -> None:
        for _ in range(times):
            self.fleet.report(self.service, self[name], failure, now)

    def suspect(self, name: str, failure: Failure, now: float) -> None:
        self.fleet.suspect(self.service, self[name], failure, now)

    def answer(self, name: str, status: int, now: float, times: int = 1) -> None:
        """As an exchange does it."""
        backend = self[name]
        for _ in range(times):
            backend.statistics.responses[status // 100] += 1
            if status >= backend.notable:
                self.fleet.answered(self.service, backend, status, now)

    def probe(self, name: str, verdict: Verdict, now: float, error: str = "") -> Changes:
        return self.fleet.probed(self[name].key, verdict, error, now)

    def confirm(self, name: str, passed: bool, now: float) -> Changes:
        return self.fleet.confirmed(self[name].key, passed, now)

    def observe(self, name: str, lifecycle: Lifecycle, now: float) -> Changes:
        return self.fleet.observe(f"id-{name}", lifecycle, now)

    def picks(self, count: int = 40, *, trial_ok: bool = False) -> dict[str, int]:
        """Who takes how many of so many requests, each ending at once."""
        taken: dict[str, int] = {}
        for _ in range(count):
            backend = self.service.take((), trial_ok)
            if backend is not None:
                self.service.release(backend)
                taken[backend.name] = taken.get(backend.name, 0) + 1
        return taken

    @contextmanager
    def in_flight(self, name: str, count: int) -> Iterator[None]:
        """So many requests are under way there."""
        for _ in range(count):
            self.service.take_again(self[name])
        yield
        for _ in range(count):
            self.service.release(self[name])

    @property
    def states(self) -> dict[str, str]:
        return {backend.name: backend.state for backend in self.service.backends.values()}

    @property
    def reasons(self) -> list[str]:
        return [f"{flip.backend} {flip.after}: {flip.reason}" for flip in self.flips]
