"""What the admin server is shown, and where each figure comes from: a part of the composition root."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy.admin.events import EventLog
from proxy.admin.views import (
    Connections,
    DiscoveryFigures,
    ProbeView,
    Readiness,
    Views,
    WorkerView,
    all_is_fresh,
)
from proxy.control.discovery.docker import DockerSource
from proxy.control.prober import Prober
from proxy.control.reconciler import Reconciler
from proxy.dataplane.plane import DataPlane
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import FleetInterface
from proxy.fleet.spans import SpanQueue
from proxy.fleet.statistics import Histogram
from proxy.problem import Problem
from proxy.processes.supervisor import Supervisor
from proxy.spec.config import Resolved
from proxy.spec.service import BackendKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The parts of the App that are looked at."""

    fleet: Fleet
    calls: FleetInterface
    plane: DataPlane | Supervisor
    readiness: Readiness
    reconciler: Reconciler
    prober: Prober
    docker: DockerSource | None
    events: EventLog
    spans: SpanQueue
    configuration: Callable[[], Resolved]

    def views(self) -> Views:
        """What the admin server reads."""
        return Views(
            fleet=self.fleet,
            calls=self.calls,
            plane=self.plane.statistics,
            readiness=self.readiness,
            connections=self._connections,
            containers=lambda: self.reconciler.reports,
            problems=self._problems,
            discovery=self._discovery,
            configuration=self.configuration,
            probe=self._probe,
            events=self.events,
            spans=self.spans,
            refresh=self.plane.refresh if isinstance(self.plane, Supervisor) else all_is_fresh,
            workers=self._seated,
        )

    def _probe(self, key: BackendKey) -> ProbeView | None:
        subject = self.prober.subject(key)
        if subject is None:
            return None
        record, statistics = subject.record, subject.statistics
        return ProbeView(
            verdict=record.verdict,
            last_error=record.last_error,
            passed=statistics.passed,
            failed=statistics.failed,
        )

    def _connections(self) -> Connections:
        sides = (("downstream", "active"), ("downstream", "idle"), ("upstream", "active"), ("upstream", "idle"))
        return dict(zip(sides, self.plane.connections, strict=True))

    def _seated(self) -> list[WorkerView]:
        seats = self.plane.seats if isinstance(self.plane, Supervisor) else ()
        return [WorkerView(pid=seat.pid, version=seat.version, restarts=seat.restarts.count) for seat in seats]

    def _problems(self) -> Sequence[Problem]:
        of_containers = {problem for report in self.reconciler.reports for problem in report.problems}
        return [problem for problem in self.reconciler.problems if problem not in of_containers]

    def _discovery(self) -> DiscoveryFigures:
        docker = self.docker
        return DiscoveryFigures(
            connected=docker.published.is_connected if docker is not None else None,
            reconciles=self.reconciler.reconciles,
            reconnects=docker.statistics.reconnects if docker is not None else 0,
            event_lag=docker.statistics.event_lag if docker is not None else Histogram(),
        )
