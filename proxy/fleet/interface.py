"""What the control plane may say to a fleet, and what it hears back.

The fleet may stand in the same process or behind a pipe in a worker: nothing but these calls crosses, and everything
that crosses is frozen.
"""

from dataclasses import dataclass
from typing import Protocol

from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, Lifecycle


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of one backend, for the log and whoever watches."""

    service: str
    backend: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a reconcile did. Falsy when it did nothing."""

    joined: tuple[BackendKey, ...] = ()
    left: tuple[BackendKey, ...] = ()
    transitions: tuple[Transition, ...] = ()
    routes_swapped: bool = False

    def __bool__(self) -> bool:
        return bool(self.joined or self.left or self.transitions or self.routes_swapped)


class FleetInterface(Protocol):
    """The calls. `now` is in monotonic seconds."""

    def reconcile(self, desired: Desired, now: float) -> Changes:
        """Bring the fleet to `desired`: survivors keep their live state, leavers drain, routes are swapped whole."""

    def observe(self, container: str, lifecycle: Lifecycle, now: float) -> Changes:
        """A container was seen to change: takes effect on all its backends before this returns."""

    def probed(self, key: BackendKey, verdict: Verdict, error: str, now: float) -> Changes:
        """The settled verdict of the probes on an address has flipped; `error` says why when it fails."""

    def confirmed(self, key: BackendKey, passed: bool, now: float) -> Changes:
        """The probe that a suspicion asked for has ended: it clears the suspicion, or takes the backend down hard."""

    def drain(self, backend: str, now: float) -> Changes:
        """The operator takes a backend, by name, out of service; what is in flight there finishes."""

    def undrain(self, backend: str, now: float) -> Changes:
        """The operator gives a backend back."""
