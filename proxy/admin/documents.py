"""What the API shows, as values that JSON has.

Durations are seconds, `since` is how long the present state has lasted, moments are ISO 8601 in UTC. Nothing is left
out: what is not there is null or empty.
"""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from proxy import __version__
from proxy.admin.settings import settings_document
from proxy.admin.views import Condition, ProbeView, Readiness, WorkerView
from proxy.admin.words import CIRCUIT_STATES, REASONS, status_class, url
from proxy.failure import Failure
from proxy.fleet.backend import Backend
from proxy.fleet.fleet import Fleet
from proxy.fleet.routes import RouteEntry
from proxy.fleet.service import Service
from proxy.problem import Problem
from proxy.spec.config import Resolved
from proxy.spec.container import Claim, ContainerReport
from proxy.spec.service import BackendKey
from proxy.wire.codec import IMPLEMENTATION

Document: TypeAlias = dict[str, Any]
ProbeOf: TypeAlias = Callable[[BackendKey], ProbeView | None]


def readiness_document(readiness: Readiness) -> Document:
    """Every condition and whether it holds; with an error that names those that do not."""
    missing = readiness.missing
    document: Document = {
        "ready": not missing,
        "conditions": {condition.value: readiness.holds(condition) for condition in Condition},
    }
    if missing:
        document["error"] = "does not hold: " + ", ".join(condition.value for condition in missing)
        document["hint"] = "send it no requests until everything holds"
    return document


def service_document(service: Service, now: float, probe_of: ProbeOf) -> Document:
    """A service. `requests` counts those that ended by the status the client got, `retries` by failure."""
    statistics = service.statistics
    by_status: dict[str, int] = {}
    for (_, status), count in sorted(statistics.requests.items()):
        by_status[str(status)] = by_status.get(str(status), 0) + count
    backends = service.backends.values()
    return {
        "name": service.spec.name,
        "policy": service.spec.policy.value,
        "available": sum(backend.unavailable is None for backend in backends),
        "backends": [backend_document(backend, now, probe_of) for backend in backends],
        "requests": by_status,
        "retries": _by_label(statistics.retries),
        "request_bytes": statistics.request_bytes,
        "response_bytes": statistics.response_bytes,
    }


def backend_document(backend: Backend, now: float, probe_of: ProbeOf) -> Document:
    """A backend. `requests` counts answers it began by class of status, `failures` attempts that failed by failure.

    `state` is `available` or `unavailable`, then `reason` says why, as in the metric `seawall_backend_unavailable`.
    """
    spec = backend.spec
    statistics = backend.statistics
    unavailable = backend.unavailable
    return {
        "name": spec.name,
        "service": spec.service,
        "container": spec.key.container,
        "address": url(spec.scheme, spec.key),
        "state": "available" if unavailable is None else "unavailable",
        "reason": None if unavailable is None else REASONS[unavailable],
        "since": round(now - backend.since, 3),
        "in_flight": backend.in_flight,
        "weight": spec.weight,
        "backup": spec.backup,
        "requests": {status_class(index): count for index, count in enumerate(statistics.responses) if count},
        "failures": _by_label(statistics.failures),
        "circuit": {
            "state": CIRCUIT_STATES[backend.circuit.state],
            "opened": {cause.value: count for cause, count in backend.circuit.opened.items()},
        },
        "probe": _probe_document(probe_of(spec.key)),
    }


def _probe_document(probe: ProbeView | None) -> Document | None:
    """`error` is that of the last probe; null when it passed, or when there was none yet."""
    if probe is None:
        return None
    return {
        "verdict": probe.verdict.value,
        "error": probe.last_error or None,
        "passed": probe.passed.count,
        "failed": probe.failed.count,
    }


def drain_document(name: str, backends: Sequence[Backend], now: float, probe_of: ProbeOf) -> Document:
    """What a drain or undrain led to, for the backends of this name in whichever services."""
    return {
        "backend": name,
        "drained": all(backend.drained for backend in backends),
        "in_flight": sum(backend.in_flight for backend in backends),
        "backends": [backend_document(backend, now, probe_of) for backend in backends],
    }


def containers_document(reports: Iterable[ContainerReport], problems: Iterable[Problem]) -> Document:
    """Every container seen, and the problems that stand in none of their reports."""
    return {
        "containers": [_container_document(report) for report in reports],
        "problems": [_problem_document(problem) for problem in problems],
    }


def _container_document(report: ContainerReport) -> Document:
    """`reason` says in words why the decision is what it is. Labels are not shown: they may hold secrets."""
    container = report.container
    started = datetime.fromtimestamp(container.started, UTC).isoformat("T", "seconds") if container.started else None
    return {
        "id": container.id,
        "name": container.name,
        "lifecycle": container.lifecycle.value,
        "started": started,
        "decision": report.decision.value,
        "reason": report.reason,
        "services": [_claim_document(claim) for claim in report.claims],
        "problems": [_problem_document(problem) for problem in report.problems],
    }


def _claim_document(claim: Claim) -> Document:
    return {
        "name": claim.service.name,
        "address": url(claim.backend.scheme, claim.backend.key),
        "rules": [route.text for route in claim.routes],
    }


def _problem_document(problem: Problem) -> Document:
    return {
        "kind": problem.kind,
        "severity": problem.severity.value,
        "where": problem.where,
        "what": problem.what,
        "hint": problem.hint,
    }


def route_document(entry: RouteEntry) -> Document:
    """One place in the order of matching; `priority` null where specificity decides."""
    return {
        "position": entry.position,
        "rule": entry.text,
        "priority": entry.priority,
        "service": entry.service,
    }


def configuration_document(resolved: Resolved, fleet: Fleet, workers: Sequence[WorkerView]) -> Document:
    """What runs here, how often the fleet has changed, and every setting with its origin.

    `workers` says which version of the fleet each process serves; empty where there are none.
    """
    return {
        "version": __version__,
        "wire": IMPLEMENTATION,
        "python": platform.python_version(),
        "fleet_version": fleet.version,
        "workers": [
            {"pid": worker.pid, "fleet_version": worker.version, "restarts": worker.restarts} for worker in workers
        ],
        "settings": settings_document(resolved),
    }


def _by_label(counts: Mapping[Failure, int]) -> dict[str, int]:
    return {failure.label: count for failure, count in counts.items()}
