"""One backend as it lives: what is known of it, what is in flight there, and whether it may be picked."""

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from proxy.fleet.statistics import BackendStatistics
from proxy.health.circuit import Circuit, State
from proxy.health.verdict import Verdict
from proxy.spec.service import BackendSpec, Lifecycle

if TYPE_CHECKING:
    from proxy.balancing.policy import Policy

SERVER_ERROR: Final = 500  # the least status that is held against a backend


class Unavailable(Enum):
    """Why a backend takes no new requests, the first reason that holds."""

    GONE = "gone"
    PAUSED = "paused"
    DRAINING = "draining"
    DRAINED = "drained by the operator"
    UNREACHABLE = "unreachable"  # probes are refused, or the one that was to clear a suspicion has failed
    PENDING = "pending"
    UNHEALTHY = "unhealthy"
    FAILING = "failing its probes"
    CIRCUIT_OPEN = "circuit open"
    ON_TRIAL = "on trial"
    SUSPECT = "suspect"


class Tier(Enum):
    """Which choice a backend belongs to: the first tier that has somebody serves."""

    PRIMARY = 0
    BACKUP = 1
    SUSPECT = 2  # better than no answer at all
    UNHEALTHY = 3  # softly down: evidence is against it, but it may well answer
    NEVER = 4


_BY_LIFECYCLE: Final = {
    Lifecycle.GONE: Unavailable.GONE,
    Lifecycle.PAUSED: Unavailable.PAUSED,
    Lifecycle.DRAINING: Unavailable.DRAINING,
}
_BY_CIRCUIT: Final = {State.OPEN: Unavailable.CIRCUIT_OPEN, State.HALF_OPEN: Unavailable.ON_TRIAL}
_SOFT_PROBE: Final = frozenset((Unavailable.UNHEALTHY, Unavailable.FAILING))
_SOFT: Final = _SOFT_PROBE | frozenset(_BY_CIRCUIT.values())


class Backend:
    """The living side of a BackendSpec. Only its fleet and its service change it.

    Facts that do not depend on each other: `lifecycle`, `drained`, `verdict` of the probes, `circuit`, `suspect_until`;
    `judge` brings them to `unavailable`.
    """

    __slots__ = (
        "awaits_probe",
        "circuit",
        "drained",
        "failed_at",
        "full",
        "in_flight",
        "is_confirmed_down",
        "is_spared",
        "is_warming",
        "keep_alive",
        "key",
        "lifecycle",
        "limit",
        "most_in_flight",
        "notable",
        "policy",
        "since",
        "spec",
        "statistics",
        "suspect_until",
        "unavailable",
        "up_since",
        "verdict",
        "warmth",
        "weight",
    )

    def __init__(self, spec: BackendSpec, circuit: Circuit, now: float, awaits_probe: bool = False) -> None:
        self.key = spec.key
        self.spec = spec
        self.weight = spec.weight
        self.lifecycle = spec.lifecycle
        self.drained = False
        self.verdict = Verdict.UNKNOWN
        self.awaits_probe = awaits_probe  # nobody serves there before a probe has passed
        self.circuit = circuit
        self.suspect_until = 0.0  # monotonic seconds; 0 while nothing is held against it
        self.is_confirmed_down = False  # by a probe after a suspicion, until probes pass again
        self.is_spared = False  # it fails its probes, and was the last one available when it began to
        self.failed_at = 0.0  # when a request failed there last, or the probes began to; monotonic seconds
        self.in_flight = 0
        self.limit = 0  # of what may be in flight, when `full` is there
        self.full: set[Backend] | None = None  # its service's set of those that are at their limit
        self.is_warming = False
        self.warmth = 1.0  # from 0 to 1, see proxy/health/slow_start.py
        self.most_in_flight = 1  # while it warms up
        self.notable = SERVER_ERROR  # the service wants to hear of answers from this status on
        self.keep_alive = 0.0  # seconds an idle connection may be kept; its service sets it
        self.policy: Policy[Any] | None = None  # the one that holds it now and watches its load
        self.statistics = BackendStatistics()
        self.unavailable: Unavailable | None = None
        self.since = now  # of the verdict
        self.up_since = now  # the last time it came up, other than from a suspicion
        self.judge(now)

    def judge(self, now: float) -> bool:
        """Bring all facts to one verdict; True when it flipped."""
        before = self.unavailable
        self.unavailable = self._hard_reason() or self._soft_reason()
        if self.unavailable is before:
            return False
        self.since = now
        return True

    def _hard_reason(self) -> Unavailable | None:
        reason = _BY_LIFECYCLE.get(self.lifecycle)
        if reason is not None:
            return reason
        if self.drained:
            return Unavailable.DRAINED
        if self.is_confirmed_down or self.verdict is Verdict.FAILING_HARD:
            return Unavailable.UNREACHABLE
        starting = self.lifecycle is Lifecycle.PENDING or (self.awaits_probe and self.verdict is Verdict.UNKNOWN)
        return Unavailable.PENDING if starting else None

    def _soft_reason(self) -> Unavailable | None:
        reason = None
        if self.lifecycle is Lifecycle.UNHEALTHY:
            reason = Unavailable.UNHEALTHY
        elif self.verdict is Verdict.FAILING_SOFT:
            reason = Unavailable.FAILING
        if reason is None:
            self.is_spared = False
        elif not self.is_spared:
            return reason
        return _BY_CIRCUIT.get(self.circuit.state) or (Unavailable.SUSPECT if self.suspect_until else None)

    @property
    def tier(self) -> Tier:
        """The choice it belongs to by its verdict."""
        if self.unavailable is None:
            return Tier.BACKUP if self.spec.backup else Tier.PRIMARY
        if self.unavailable is Unavailable.SUSPECT:
            return Tier.SUSPECT
        return Tier.UNHEALTHY if self.unavailable in _SOFT else Tier.NEVER

    @property
    def is_down_by_soft_probe(self) -> bool:
        """Whether it is out for what its probes or its HEALTHCHECK say, and not for a refusal."""
        return self.unavailable in _SOFT_PROBE

    @property
    def is_probed_well(self) -> bool:
        """Whether its probes pass, or nobody probes it."""
        return self.verdict is Verdict.PASSING or (self.verdict is Verdict.UNKNOWN and not self.awaits_probe)

    @property
    def name(self) -> str:
        """Its name in labels, logs and the API."""
        return self.spec.name

    @property
    def state(self) -> str:
        """The verdict in words."""
        if self.unavailable is not None:
            return self.unavailable.value
        return "available as the last one" if self.is_spared else "available"

    def __repr__(self) -> str:
        address = f"{self.key.host}:{self.key.port}"
        return f"<Backend {self.spec.service}/{self.name} {address} {self.state} in_flight={self.in_flight}>"
