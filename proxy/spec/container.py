"""One container as the engine describes it, and what was decided about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from proxy.problem import Problem
from proxy.spec.route import RouteSpec
from proxy.spec.service import BackendSpec, Lifecycle, ServiceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A container's place in one network. `ip` is empty while it has none (host networking, not running)."""

    network: str  # name
    network_id: str
    ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """The facts Seawall uses of one container, taken from the engine's inspect JSON.

    `started` is in seconds since the epoch, 0 when it never ran; `ports` are the exposed TCP ports in ascending order;
    `stop_signals` are the signal numbers that mean this container is about to end; `stop_timeout` is in seconds.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    lifecycle: Lifecycle
    started: float
    ports: tuple[int, ...]
    attachments: tuple[Attachment, ...]
    host_network: bool
    has_healthcheck: bool
    stop_signals: frozenset[int]
    stop_timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the proxy itself stands, and what its operator set for all containers.

    `networks` holds the ids of the networks that the proxy's own container is in, None when the proxy runs as a
    process of the host, which reaches every bridge network.
    """

    own_id: str | None = None
    networks: frozenset[str] | None = None
    expose_by_default: bool = False
    constraints: tuple[tuple[str, str | None], ...] = ()  # (key, value or None for any)
    defaults: Mapping[str, str] = field(default_factory=dict)  # service-level label key without `seawall.` → value


class Decision(Enum):
    """What became of a container."""

    ROUTED = "routed"
    IGNORED = "ignored"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One service as one container describes it."""

    service: ServiceSpec
    backend: BackendSpec
    routes: tuple[RouteSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerReport:
    """The decision about one container, with its reason in words and every problem found."""

    container: Container
    decision: Decision
    reason: str
    claims: tuple[Claim, ...] = ()
    problems: tuple[Problem, ...] = ()
