"""What `status` shows, from two overviews of the admin API. Pure: rates are taken between the moments that they name.

A figure is None where there is nothing to make it of: with one overview only, after a restart, or of no requests.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from proxy.retry.try_timeout import quantile

Document: TypeAlias = Mapping[str, Any]

_ERRORS: Final = "5"  # what statuses and their classes begin with that are errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What went on between two overviews: requests and errors per second, and durations in seconds."""

    rate: float | None = None
    error_share: float | None = None
    p50: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendRow:
    """A backend. `since` is seconds; the traffic is attempts at it, errors are 5xx and attempts that failed."""

    name: str
    address: str
    is_available: bool
    reason: str  # empty when it is available
    since: float
    in_flight: int
    circuit: str
    last_probe: str  # "ok", or what was wrong; empty before the first, and where there are no probes
    traffic: Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """A service. The traffic is what clients saw, retries and all."""

    name: str
    policy: str
    available: int
    in_flight: int
    traffic: Traffic
    backends: tuple[BackendRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All of it. `missing` are the conditions of readiness that do not hold, `connected` None without discovery."""

    version: str
    missing: tuple[str, ...]
    connected: bool | None
    containers: Mapping[str, int]  # by decision
    problems: int
    services: tuple[ServiceRow, ...]

    @property
    def is_well(self) -> bool:
        """Whether it is ready and every service has somebody."""
        return not self.missing and all(service.available for service in self.services)


def status_of(now: Document, before: Document | None) -> Status:
    """What two overviews say, the older one None when there is none."""
    seconds = now["at"] - before["at"] if before is not None else 0.0
    services = {service["name"]: service for service in before["services"]} if before is not None else {}
    return Status(
        version=now["version"],
        missing=tuple(now["missing"]),
        connected=now["connected"],
        containers=now["containers"],
        problems=now["problems"],
        services=tuple(
            _service(service, services.get(service["name"]), seconds, now["bounds"]) for service in now["services"]
        ),
    )


def _service(now: Document, before: Document | None, seconds: float, bounds: Sequence[float]) -> ServiceRow:
    known = {_key(backend): backend for backend in before["backends"]} if before is not None else {}
    backends = tuple(_backend(backend, known.get(_key(backend)), seconds, bounds) for backend in now["backends"])
    counted = _Counters.of_service(before) if before is not None else None
    return ServiceRow(
        name=now["name"],
        policy=now["policy"],
        available=now["available"],
        in_flight=sum(backend.in_flight for backend in backends),
        traffic=_Counters.of_service(now).since(counted, seconds, bounds),
        backends=backends,
    )


def _backend(now: Document, before: Document | None, seconds: float, bounds: Sequence[float]) -> BackendRow:
    counted = _Counters.of_backend(before) if before is not None else None
    return BackendRow(
        name=now["name"],
        address=now["address"],
        is_available=now["reason"] is None,
        reason=now["reason"] or "",
        since=now["since"],
        in_flight=now["in_flight"],
        circuit=now["circuit"]["state"],
        last_probe=_last_probe(now["probe"]),
        traffic=_Counters.of_backend(now).since(counted, seconds, bounds),
    )


def _last_probe(probe: Document | None) -> str:
    if probe is None or not (probe["passed"] or probe["failed"]):
        return ""
    return probe["error"] or "ok"


def _key(backend: Document) -> tuple[str, str]:
    return backend["container"], backend["address"]


@dataclass(frozen=True, slots=True)
class _Counters:
    """Counters at one moment."""

    requests: int
    errors: int
    buckets: tuple[int, ...]

    @classmethod
    def of_service(cls, service: Document) -> "_Counters":
        statuses: Mapping[str, int] = service["requests"]
        return cls(sum(statuses.values()), _errors(statuses.items()), tuple(service["duration"]))

    @classmethod
    def of_backend(cls, backend: Document) -> "_Counters":
        classes: Mapping[str, int] = backend["requests"]
        failed = sum(backend["failures"].values())
        return cls(sum(classes.values()) + failed, _errors(classes.items()) + failed, tuple(backend["first_byte"]))

    def since(self, before: "_Counters | None", seconds: float, bounds: Sequence[float]) -> Traffic:
        """What was counted since; nothing when it was another process that counted."""
        if before is None or seconds <= 0 or self.requests < before.requests or self.errors < before.errors:
            return Traffic()
        requests = self.requests - before.requests
        buckets = [max(new - old, 0) for new, old in zip(self.buckets, before.buckets, strict=True)]
        has_durations = any(buckets)
        return Traffic(
            rate=requests / seconds,
            error_share=(self.errors - before.errors) / requests if requests else None,
            p50=quantile(0.5, buckets, bounds) if has_durations else None,
            p99=quantile(0.99, buckets, bounds) if has_durations else None,
        )


def _errors(counts: Iterable[tuple[str, int]]) -> int:
    return sum(count for status, count in counts if status.startswith(_ERRORS))
