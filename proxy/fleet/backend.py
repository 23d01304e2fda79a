"""One backend as it lives: what is known of it, what is in flight there, and whether it may be picked."""

from enum import Enum
from typing import TYPE_CHECKING, Any

from proxy.fleet.statistics import BackendStatistics
from proxy.health.verdict import Verdict
from proxy.spec.service import BackendSpec, Lifecycle

if TYPE_CHECKING:
    from proxy.balancing.policy import Policy


class Unavailable(Enum):
    """Why a backend takes no new requests, the first reason that holds."""

    GONE = "gone"
    PAUSED = "paused"
    DRAINING = "draining"
    DRAINED = "drained by the operator"
    PENDING = "pending"
    UNHEALTHY = "unhealthy"
    SUSPECT = "suspect"


class Tier(Enum):
    """Which choice a backend belongs to: the first tier that has somebody serves."""

    PRIMARY = 0
    BACKUP = 1
    SUSPECT = 2  # better than no answer at all
    UNHEALTHY = 3
    NEVER = 4


_BY_LIFECYCLE = {
    Lifecycle.GONE: Unavailable.GONE,
    Lifecycle.PAUSED: Unavailable.PAUSED,
    Lifecycle.DRAINING: Unavailable.DRAINING,
    Lifecycle.PENDING: Unavailable.PENDING,
    Lifecycle.UNHEALTHY: Unavailable.UNHEALTHY,
}


class Backend:
    """The living side of a BackendSpec. Only its fleet and its service change it."""

    __slots__ = (
        "drained",
        "in_flight",
        "keep_alive",
        "key",
        "lifecycle",
        "policy",
        "since",
        "spec",
        "statistics",
        "suspect_until",
        "unavailable",
        "verdict",
        "weight",
    )

    def __init__(self, spec: BackendSpec, now: float) -> None:
        self.key = spec.key
        self.spec = spec
        self.weight = spec.weight
        self.lifecycle = spec.lifecycle
        self.drained = False
        self.verdict = Verdict.UNKNOWN
        self.suspect_until = 0.0  # monotonic seconds; 0 while nothing is held against it
        self.in_flight = 0
        self.keep_alive = 0.0  # seconds an idle connection may be kept; its service sets it
        self.policy: Policy[Any] | None = None  # the one that holds it now and watches its load
        self.statistics = BackendStatistics()
        self.unavailable: Unavailable | None = None
        self.since = now  # of the verdict
        self.judge(now)

    def judge(self, now: float) -> bool:
        """Bring all facts to one verdict; True when it flipped."""
        before = self.unavailable
        self.unavailable = self._reason()
        if self.unavailable is before:
            return False
        self.since = now
        return True

    def _reason(self) -> Unavailable | None:
        hard = _BY_LIFECYCLE.get(self.lifecycle)
        if hard is not None:
            return hard
        if self.drained:
            return Unavailable.DRAINED
        return Unavailable.SUSPECT if self.suspect_until else None

    @property
    def tier(self) -> Tier:
        """The choice it belongs to by its verdict."""
        if self.unavailable is None:
            return Tier.BACKUP if self.spec.backup else Tier.PRIMARY
        if self.unavailable is Unavailable.SUSPECT:
            return Tier.SUSPECT
        return Tier.UNHEALTHY if self.unavailable is Unavailable.UNHEALTHY else Tier.NEVER

    @property
    def name(self) -> str:
        """Its name in labels, logs and the API."""
        return self.spec.name

    @property
    def state(self) -> str:
        """The verdict in words."""
        return "available" if self.unavailable is None else self.unavailable.value

    def __repr__(self) -> str:
        address = f"{self.key.host}:{self.key.port}"
        return f"<Backend {self.spec.service}/{self.name} {address} {self.state} in_flight={self.in_flight}>"
