"""The metrics. FAMILIES has every name; docs/metrics.md too, and a test holds the two together."""

import platform
import re
from collections.abc import Iterator
from typing import Final

from prometheus_client.exposition import choose_encoder

from proxy import __version__
from proxy.admin.exposition import Family, Series, expose
from proxy.admin.figures import BackendFigures, Durations, Figures
from proxy.admin.words import REASONS, status_class
from proxy.failure import Failure
from proxy.health.circuit import Cause, State
from proxy.spec import kinds
from proxy.spec.container import Decision
from proxy.wire.codec import IMPLEMENTATION

_USUAL_CLASSES: Final = range(2, 6)  # shown before the first of them comes, so that an increase has a start
_CIRCUIT_STATES: Final = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
_ESCAPING: Final = re.compile(r";\s*escaping=[^;,]*")


def render(figures: Figures, accept: str) -> tuple[bytes, str]:
    """Body and content type, in the text format or OpenMetrics as the Accept header asks.

    Of ways to escape names it gets the default: none of ours needs any. Takes its time; runs in a thread of its own.
    """
    _, content_type = choose_encoder(_ESCAPING.sub("", accept))
    openmetrics = content_type.startswith("application/openmetrics-text")
    return expose(FAMILIES, figures, openmetrics=openmetrics), content_type


# the series of each family


def _requests(figures: Figures) -> Series:
    for service in figures.services:
        for (method, status), count in service.requests.items():
            yield (service.name, method.decode("ascii", "replace"), str(status)), count


def _request_durations(figures: Figures) -> Series:
    return (((service.name,), service.duration) for service in figures.services)


def _request_bytes(figures: Figures) -> Series:
    return (((service.name,), service.request_bytes) for service in figures.services)


def _response_bytes(figures: Figures) -> Series:
    return (((service.name,), service.response_bytes) for service in figures.services)


def _retries(figures: Figures) -> Series:
    for service in figures.services:
        for failure, count in service.retries.items():
            yield (service.name, failure.label), count


def _rescues(figures: Figures) -> Series:
    for service in figures.services:
        for failure, count in service.rescues.items():
            yield (service.name, failure.label), count


def _retries_denied(figures: Figures) -> Series:
    return (((service.name,), service.retries_denied) for service in figures.services)


def _queue_lengths(figures: Figures) -> Series:
    return (((service.name,), service.waiting) for service in figures.services)


def _queue_waits(figures: Figures) -> Series:
    return (((service.name,), service.queue_waits) for service in figures.services)


def _queue_dropped(figures: Figures) -> Series:
    return (((service.name,), service.queue_dropped) for service in figures.services)


def _backend_requests(figures: Figures) -> Series:
    for backend in figures.backends:
        for index, count in enumerate(backend.responses):
            if count or index in _USUAL_CLASSES:
                yield (backend.service, backend.name, status_class(index)), count


def _backend_durations(figures: Figures) -> Series:
    return (((backend.service, backend.name), backend.first_byte) for backend in figures.backends)


def _backend_failures(figures: Figures) -> Series:
    for backend in figures.backends:
        for failure, count in backend.failures.items():
            yield (backend.service, backend.name, failure.label), count


def _backend_in_flight(figures: Figures) -> Series:
    return (((backend.service, backend.name), backend.standing.in_flight) for backend in figures.backends)


def _backend_available(figures: Figures) -> Series:
    return (((backend.service, backend.name), backend.standing.unavailable is None) for backend in figures.backends)


def _backend_unavailable(figures: Figures) -> Series:
    for backend in figures.backends:
        for reason, slug in REASONS.items():
            yield (backend.service, backend.name, slug), backend.standing.unavailable is reason


def _circuit_states(figures: Figures) -> Series:
    for backend in figures.backends:
        yield (backend.service, backend.name), _CIRCUIT_STATES[backend.standing.circuit]


def _circuits_opened(figures: Figures) -> Series:
    """Every cause, so that the first opening is an increase too."""
    for backend in figures.backends:
        for cause in Cause:
            yield (backend.service, backend.name, cause.value), backend.opened.get(cause, 0)


def _probes(figures: Figures) -> Series:
    for backend, result, durations in _probe_results(figures):
        yield (backend.service, backend.name, result), sum(durations.counts)


def _probe_durations(figures: Figures) -> Series:
    for backend, result, durations in _probe_results(figures):
        if any(durations.counts):
            yield (backend.service, backend.name, result), durations


def _probe_results(figures: Figures) -> Iterator[tuple[BackendFigures, str, Durations]]:
    """Both results of every backend that was probed at all, so that the first failure is an increase too."""
    for backend in figures.backends:
        if any(backend.passed_probes.counts) or any(backend.failed_probes.counts):
            yield backend, "passed", backend.passed_probes
            yield backend, "failed", backend.failed_probes


def _bad_requests(figures: Figures) -> Series:
    yield (Failure.NO_ROUTE.label,), figures.unrouted
    for failure, count in figures.bad_requests.items():
        yield (failure.label,), count


def _containers(figures: Figures) -> Series:
    return (((decision.value,), figures.containers.get(decision, 0)) for decision in Decision)


def _problems(figures: Figures) -> Series:
    """Every kind, so that a sum over them is never empty."""
    return (((kind,), figures.problems.get(kind, 0)) for kind in sorted(kinds.ALL | figures.problems.keys()))


def _connected(figures: Figures) -> Series:
    return () if figures.connected is None else (((), figures.connected),)


def _build_info(_: Figures) -> Series:
    return (((__version__, IMPLEMENTATION, platform.python_version()), 1),)


_SERVICE: Final = ("service",)
_BACKEND: Final = ("service", "backend")

FAMILIES: Final = (
    Family(
        "requests",
        "counter",
        ("service", "method", "code"),
        "Requests that reached a service and have ended, by method and by the status the client got.",
        _requests,
    ),
    Family(
        "request_duration_seconds",
        "histogram",
        _SERVICE,
        "From the head of a request to the end of its answer, as clients see it, retries and all.",
        _request_durations,
    ),
    Family("request_bytes", "counter", _SERVICE, "Bytes of request bodies taken from clients.", _request_bytes),
    Family("response_bytes", "counter", _SERVICE, "Bytes of answers given to clients.", _response_bytes),
    Family(
        "retries",
        "counter",
        ("service", "failure"),
        "Attempts after the first of a request, by the failure of the attempt before.",
        _retries,
    ),
    Family(
        "retry_budget_exhausted",
        "counter",
        _SERVICE,
        "Attempts that were not made because the retry budget had nothing left.",
        _retries_denied,
    ),
    Family(
        "rescues",
        "counter",
        ("service", "failure"),
        "Requests that were taken off a backend that went down hard, and sent elsewhere.",
        _rescues,
    ),
    Family("queue_length", "gauge", _SERVICE, "Requests that wait for a backend now.", _queue_lengths),
    Family("queue_wait_seconds", "histogram", _SERVICE, "How long requests waited whose turn came.", _queue_waits),
    Family(
        "queue_dropped",
        "counter",
        _SERVICE,
        "Requests that found the line full, or waited in it for nothing.",
        _queue_dropped,
    ),
    Family(
        "backend_requests",
        "counter",
        (*_BACKEND, "code"),
        "Answers a backend began, by class of status. What the client got in the end is in seawall_requests_total.",
        _backend_requests,
    ),
    Family(
        "backend_duration_seconds",
        "histogram",
        _BACKEND,
        "From the start of an attempt at a backend to the first byte of its answer.",
        _backend_durations,
    ),
    Family(
        "backend_failures",
        "counter",
        (*_BACKEND, "failure"),
        "Attempts at a backend that failed, by what went wrong; also those that a retry made good.",
        _backend_failures,
    ),
    Family("backend_in_flight", "gauge", _BACKEND, "Requests under way at a backend now.", _backend_in_flight),
    Family("backend_available", "gauge", _BACKEND, "1 while a backend takes new requests, else 0.", _backend_available),
    Family(
        "backend_unavailable",
        "gauge",
        (*_BACKEND, "reason"),
        "1 at the reason why a backend takes no new requests, 0 at the others.",
        _backend_unavailable,
    ),
    Family(
        "circuit_state",
        "gauge",
        _BACKEND,
        "0 while a circuit is closed and lets requests flow, 1 half-open: one on trial, 2 open.",
        _circuit_states,
    ),
    Family(
        "circuit_opened",
        "counter",
        (*_BACKEND, "cause"),
        "Times that a circuit opened, by what opened it.",
        _circuits_opened,
    ),
    Family("probes", "counter", (*_BACKEND, "result"), "Active probes that have ended, by result.", _probes),
    Family(
        "probe_duration_seconds",
        "histogram",
        (*_BACKEND, "result"),
        "From the start of an active probe to its result.",
        _probe_durations,
    ),
    Family(
        "connections",
        "gauge",
        ("side", "state"),
        "Open connections to clients (downstream) and backends (upstream), with a request under way (active) or not.",
        lambda figures: figures.connections.items(),
    ),
    Family("bad_requests", "counter", ("reason",), "Requests that reached no service, by the reason.", _bad_requests),
    Family(
        "access_log_dropped",
        "counter",
        (),
        "Lines of the access log that were not written, because its reader was too slow or gone.",
        lambda figures: (((), figures.access_log_dropped),),
    ),
    Family(
        "spans",
        "counter",
        ("result",),
        "Spans of traces, by whether the receiver took them or they were dropped.",
        lambda figures: ((("exported",), figures.spans_exported), (("dropped",), figures.spans_dropped)),
    ),
    Family(
        "discovery_containers", "gauge", ("decision",), "Containers seen, by what was decided about them.", _containers
    ),
    Family("discovery_problems", "gauge", ("kind",), "Mistakes in labels and settings that stand now.", _problems),
    Family(
        "discovery_connected",
        "gauge",
        (),
        "1 while the engine's events are heard, else 0; no series where discovery is off.",
        _connected,
    ),
    Family(
        "discovery_event_lag_seconds",
        "histogram",
        (),
        "From the time stamp the engine gave an event to its having taken effect.",
        lambda figures: (((), figures.event_lag),),
    ),
    Family(
        "discovery_reconciles",
        "counter",
        (),
        "Times that the fleet was compared with what discovery found.",
        lambda figures: (((), figures.reconciles),),
    ),
    Family(
        "discovery_reconnects",
        "counter",
        (),
        "Connections to the engine after the first.",
        lambda figures: (((), figures.reconnects),),
    ),
    Family(
        "worker_restarts",
        "counter",
        (),
        "Worker processes that ended or hung and were replaced.",
        lambda figures: (((), figures.worker_restarts),),
    ),
    Family(
        "build_info", "gauge", ("version", "wire", "python"), "Always 1; what runs here is in the labels.", _build_info
    ),
)
