"""What serves: a data plane in this process or workers in others; its settings, and what of it may be handed over."""

import socket
from collections.abc import Sequence
from typing import Any

from structlog.typing import FilteringBoundLogger

from proxy.admin.server import AdminServer
from proxy.dataplane.access_log import AccessLog, AccessLogFormat
from proxy.dataplane.plane import ClientSettings, DataPlane
from proxy.dataplane.tracing import Tracer
from proxy.fleet.fleet import Fleet
from proxy.fleet.spans import SpanQueue
from proxy.processes.supervisor import Supervisor
from proxy.processes.takeover import Handover
from proxy.spec.proxy import ListenAddress, ProxySpec


def make_plane(
    spec: ProxySpec,
    workers: int,
    fleet: Fleet,
    secret: bytes,
    spans: SpanQueue,
    log: FilteringBoundLogger,
    inherited: Sequence[tuple[ListenAddress, socket.socket]],
) -> DataPlane | Supervisor:
    """What serves: a data plane in this process, or so many workers."""
    settings = client_settings(spec, max(workers, 1))
    if workers:
        return Supervisor(spec, workers, settings, fleet, secret, spans, log, inherited)
    access_log = AccessLog(AccessLogFormat(spec.access_log), share=spec.access_log_sample) if spec.access_log else None
    tracer = Tracer(spans, spec.trace_sample) if spec.otlp_endpoint else None
    return DataPlane(fleet, ClientSettings(**settings), access_log, tracer)


def client_settings(spec: ProxySpec, workers: int) -> dict[str, Any]:
    """The keywords of ClientSettings for each of so many workers: together they have the connections of one."""
    most = spec.max_connections
    return {
        "head_timeout": spec.request_head_timeout,
        "body_timeout": spec.body_timeout,
        "keep_alive": spec.keep_alive_timeout,
        "min_rate": spec.min_rate,
        "trusted": spec.trusted_proxies,
        "max_head": spec.max_head,
        "max_target": spec.max_target,
        "max_fields": spec.max_fields,
        "max_connections": most and -(-most // workers),
        "max_connections_per_client": spec.max_connections_per_client,
        "forwarded": spec.forwarded,
        "request_id": spec.request_id,
    }


def handed_over(
    fleet: Fleet, supervisor: Supervisor, admin: AdminServer, secret: bytes
) -> tuple[Handover, list[socket.socket]]:
    """What a proxy that takes over needs."""
    backends = list(fleet.backends())
    handover = Handover(
        tuple(address for address, _ in supervisor.sockets),
        admin.configured,
        tuple({backend.key for backend in backends if backend.unavailable is None}),
        tuple({backend.name for backend in backends if backend.drained}),
        secret,
    )
    assert admin.listening is not None  # it was started before anybody could ask
    return handover, [*(each for _, each in supervisor.sockets), admin.listening]
