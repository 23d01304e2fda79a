"""The log's one line per change of a backend."""

from structlog.typing import FilteringBoundLogger

from proxy.fleet.interface import Changes


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
