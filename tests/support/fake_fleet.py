"""A fleet that only writes down what it is told."""

import time
from dataclasses import dataclass, field

from proxy.fleet.interface import Changes, Transition
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, Lifecycle


@dataclass
class FakeFleet:
    """`observed` has (container, lifecycle); `moments` the wall-clock time of each.

    `verdicts` has (key, verdict, error), `confirmations` (key, passed).
    """

    observed: list[tuple[str, Lifecycle]] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    desired: list[Desired] = field(default_factory=list)
    verdicts: list[tuple[BackendKey, Verdict, str]] = field(default_factory=list)
    confirmations: list[tuple[BackendKey, bool]] = field(default_factory=list)

    def reconcile(self, desired: Desired, now: float) -> Changes:
        self.desired.append(desired)
        return Changes(joined=tuple(backend.key for backend in desired.backends))

    def observe(self, container: str, lifecycle: Lifecycle, now: float) -> Changes:
        self.moments.append(time.time())
        self.observed.append((container, lifecycle))
        return Changes(transitions=(_transition(container, lifecycle),))

    def probed(self, key: BackendKey, verdict: Verdict, error: str, now: float) -> Changes:
        self.verdicts.append((key, verdict, error))
        return Changes()

    def confirmed(self, key: BackendKey, passed: bool, now: float) -> Changes:
        self.confirmations.append((key, passed))
        return Changes()

    def drain(self, backend: str, now: float) -> Changes:
        raise NotImplementedError

    def undrain(self, backend: str, now: float) -> Changes:
        raise NotImplementedError


def _transition(container: str, lifecycle: Lifecycle) -> Transition:
    return Transition(service="web", backend=container, before="?", after=lifecycle.value, reason="observed")
