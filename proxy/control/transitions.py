"""Every change of a backend is announced once, whichever slow loop caused it; and the log's line for it."""

from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from proxy.fleet.interface import Changes, FleetInterface
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, Lifecycle


class AnnouncedFleet:
    """A fleet whose every change is given to `announce` before the call returns: what the slow loops speak to."""

    def __init__(self, fleet: FleetInterface, announce: Callable[[Changes], None]) -> None:
        self._fleet = fleet
        self._announce = announce

    def reconcile(self, desired: Desired, now: float) -> Changes:
        """See FleetInterface."""
        return self._announced(self._fleet.reconcile(desired, now))

    def observe(self, container: str, lifecycle: Lifecycle, now: float) -> Changes:
        """See FleetInterface."""
        return self._announced(self._fleet.observe(container, lifecycle, now))

    def probed(self, key: BackendKey, verdict: Verdict, error: str, now: float) -> Changes:
        """See FleetInterface."""
        return self._announced(self._fleet.probed(key, verdict, error, now))

    def confirmed(self, key: BackendKey, passed: bool, now: float) -> Changes:
        """See FleetInterface."""
        return self._announced(self._fleet.confirmed(key, passed, now))

    def drain(self, backend: str, now: float) -> Changes:
        """See FleetInterface."""
        return self._announced(self._fleet.drain(backend, now))

    def undrain(self, backend: str, now: float) -> Changes:
        """See FleetInterface."""
        return self._announced(self._fleet.undrain(backend, now))

    def _announced(self, changes: Changes) -> Changes:
        if changes:
            self._announce(changes)
        return changes

    def __repr__(self) -> str:
        return f"<AnnouncedFleet {self._fleet!r}>"


def log_changes(log: FilteringBoundLogger, changes: Changes) -> None:
    """Write a line for each transition, and one when the routes are others."""
    for transition in changes.transitions:
        log.info(
            "backend",
            service=transition.service,
            backend=transition.backend,
            before=transition.before,
            after=transition.after,
            reason=transition.reason,
        )
    if changes.routes_swapped:
        log.info("routes swapped")
