"""What the operator asked of one service: frozen, complete, every default of resilience.md in one place.

Durations are seconds, shares are fractions of 1, sizes are bytes.
"""

from dataclasses import dataclass, field
from enum import Enum


class PolicyName(Enum):
    """The balancing rules a label may name."""

    RANDOM = "random"
    ROUND_ROBIN = "round-robin"
    LEAST_CONNECTIONS = "least-connections"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSpec:
    """The active probe. `path` None: the container's HEALTHCHECK when there is one, else a TCP connect."""

    path: str | None = None
    port: int | None = None
    host: str | None = None
    method: str = "GET"
    status: tuple[tuple[int, int], ...] = ((200, 399),)  # inclusive ranges
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None  # a regular expression
    interval: float = 2.0
    fast_interval: float = 0.5
    timeout: float = 1.0
    fall: int = 3
    rise: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitSpec:
    """The passive check of each backend."""

    gateway_failures: int = 3
    server_errors: int = 5
    ratio: float = 0.5
    window: float = 10.0
    min_requests: int = 10
    open: float = 5.0
    max_open: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySpec:
    """When a request may be sent again. `attempts` counts all tries; `try_timeout` None stands for auto."""

    attempts: int = 3
    statuses: tuple[int, ...] = (502, 503, 504, 425)
    non_idempotent: bool = False
    body: int = 64 * 1024
    budget: float = 0.2
    try_timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSpec:
    """How much at once. `inflight` and `connections` are per backend; `body` is of a request. None for no limit."""

    inflight: int | None = None
    connections: int | None = None
    queue: int = 256
    wait: float = 1.0
    body: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutSpec:
    """How long to wait for a backend: to connect, to the response head, between bytes, and idle in the pool.

    `tunnel` is how long a tunnel (a WebSocket, say) may carry nothing in either direction.
    """

    connect: float = 1.0
    response: float = 60.0
    idle: float = 60.0
    keep_alive: float = 30.0
    tunnel: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """A named group of backends behind one policy."""

    name: str
    policy: PolicyName = PolicyName.LEAST_CONNECTIONS
    sticky: str | None = None
    strip_prefix: bool = False
    slow_start: float = 10.0
    drain: float | None = None  # None: each container's own stop timeout
    health: HealthSpec = field(default_factory=HealthSpec)
    circuit: CircuitSpec = field(default_factory=CircuitSpec)
    retry: RetrySpec = field(default_factory=RetrySpec)
    limit: LimitSpec = field(default_factory=LimitSpec)
    timeout: TimeoutSpec = field(default_factory=TimeoutSpec)


class Lifecycle(Enum):
    """What is known of a backend's container; only RUNNING takes new requests."""

    PENDING = "pending"  # its HEALTHCHECK says starting
    RUNNING = "running"
    UNHEALTHY = "unhealthy"  # its HEALTHCHECK says so
    PAUSED = "paused"
    DRAINING = "draining"  # told to stop; what is in flight may finish
    GONE = "gone"  # dead or out of reach


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BackendKey:
    """The identity that live state is kept by, through every change of discovery or configuration."""

    container: str  # container id; for a static backend its URL
    host: str  # IP address or name, without brackets
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpec:
    """One container's host:port that serves.

    `started` is in seconds since the epoch, 0 for static backends; `stop_timeout` is how long the engine waits between
    the stop signal and SIGKILL. `has_healthcheck`: the engine checks it by the image's HEALTHCHECK, and `lifecycle`
    says what came of that.
    """

    key: BackendKey
    name: str
    service: str
    scheme: str = "http"
    weight: int = 1
    backup: bool = False
    lifecycle: Lifecycle = Lifecycle.RUNNING
    started: float = 0.0
    stop_timeout: float = 10.0
    has_healthcheck: bool = False
