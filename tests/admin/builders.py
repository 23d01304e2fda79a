"""A fleet with some traffic behind it, and views over it whose clock stands still until it is moved."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.admin.events import EventLog
from proxy.admin.views import Connections, DiscoveryFigures, ProbeView, Readiness, Views
from proxy.control.transitions import AnnouncedFleet
from proxy.fleet.backend import Backend
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Changes
from proxy.fleet.service import Service
from proxy.fleet.spans import SpanQueue
from proxy.fleet.statistics import Histogram, PlaneStatistics
from proxy.health.verdict import Verdict
from proxy.problem import Problem
from proxy.spec.config import Resolved
from proxy.spec.container import ContainerReport
from proxy.spec.desired import Desired
from proxy.spec.proxy import ProxySpec
from proxy.spec.route import EVERYTHING, Host, RouteSpec
from proxy.spec.service import BackendKey, BackendSpec, ServiceSpec

ROUTES = (
    RouteSpec(rule=EVERYTHING, service="web", text="everything"),
    RouteSpec(rule=Host("a.example"), service="web", text="Host(a.example)", priority=7),
)


def backend_spec(name: str, service: str = "web", container: str = "", **changes: Any) -> BackendSpec:
    key = BackendKey(container=container or f"id-{name}", host="10.0.0.1", port=80)
    return BackendSpec(key=key, name=name, service=service, **changes)


@dataclass
class Scene:
    """Everything the admin server looks at, to be changed by a test."""

    now: float = 100.0
    fleet: Fleet = field(default_factory=lambda: Fleet(random.Random(1)))
    plane: PlaneStatistics = field(default_factory=PlaneStatistics)
    readiness: Readiness = field(default_factory=Readiness)
    connections: Connections = field(default_factory=dict)
    reports: Sequence[ContainerReport] = ()
    problems: Sequence[Problem] = ()
    discovery: DiscoveryFigures = field(
        default_factory=lambda: DiscoveryFigures(connected=True, reconciles=3, reconnects=1, event_lag=Histogram())
    )
    resolved: Resolved = field(default_factory=lambda: Resolved(spec=ProxySpec(), origins={}))
    announced: list[Changes] = field(default_factory=list)
    probes: dict[BackendKey, ProbeView] = field(default_factory=dict)
    events: EventLog = field(default_factory=EventLog)
    spans: SpanQueue = field(default_factory=SpanQueue)

    @property
    def views(self) -> Views:
        return Views(
            fleet=self.fleet,
            calls=AnnouncedFleet(self.fleet, self.announced.append),
            plane=self.plane,
            readiness=self.readiness,
            connections=lambda: self.connections,
            containers=lambda: self.reports,
            problems=lambda: self.problems,
            discovery=lambda: self.discovery,
            configuration=lambda: self.resolved,
            probe=self.probes.get,
            events=self.events,
            spans=self.spans,
            clock=lambda: self.now,
        )

    def reconcile(self, *backends: BackendSpec) -> None:
        names = sorted({spec.service for spec in backends})
        services = tuple(ServiceSpec(name=name) for name in names)
        routes = tuple(route for route in ROUTES if route.service in names)
        self.fleet.reconcile(Desired(services=services, backends=backends, routes=routes), self.now)

    def probe(self, name: str, *seconds: float, error: str = "") -> None:
        """Probes of a backend have passed in so many seconds each; or failed, with `error`."""
        key = self.backend(name).key
        before = self.probes.get(key)
        passed, failed = (before.passed, before.failed) if before else (Histogram(), Histogram())
        for each in seconds:
            (failed if error else passed).observe(each)
        verdict = Verdict.FAILING_SOFT if error else Verdict.PASSING
        self.probes[key] = ProbeView(verdict=verdict, last_error=error, passed=passed, failed=failed)

    def service(self, name: str = "web") -> Service:
        return self.fleet.services[name]

    def backend(self, name: str) -> Backend:
        return next(backend for backend in self.fleet.backends() if backend.name == name)
