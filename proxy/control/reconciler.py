"""Brings the fleet to what all sources together ask for.

It runs when a source has changed: whatever came in meanwhile is one reconcile, and nothing waits for a fixed time.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from structlog.typing import FilteringBoundLogger

from proxy.control.departed import Departed, departed_now, with_departed
from proxy.control.discovery.source import Source
from proxy.fleet.interface import FleetInterface
from proxy.problem import Problem, Severity
from proxy.spec.assemble import assemble
from proxy.spec.container import ContainerReport
from proxy.spec.desired import Desired

EVERY: Final = 30.0  # seconds between two reconciles when nothing happens


def nobody_follows(_: Desired) -> None:
    """The `on_desired` of a reconciler that nothing else goes by."""


class Reconciler:
    """`reports`, `problems` and `desired` are published whole: what the last reconcile saw and asked for.

    `on_desired` is called with each `desired` that the fleet has been brought to.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        fleet: FleetInterface,
        log: FilteringBoundLogger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reports: tuple[ContainerReport, ...] = ()
        self.problems: tuple[Problem, ...] = ()
        self.desired = Desired()
        self.reconciles = 0  # that the fleet was asked for
        self.on_desired: Callable[[Desired], None] = nobody_follows
        self.completed = asyncio.Event()  # set once the fleet has been brought to what every source has seen whole
        self._sources = tuple(sources)
        self._fleet = fleet
        self._log = log
        self._clock = clock
        self._wake = asyncio.Event()
        self._assembled = Desired()  # without the departed
        self._departed: tuple[Departed, ...] = ()
        self._observations = 0
        for source in self._sources:
            source.on_change = self._wake.set

    @property
    def is_complete(self) -> bool:
        """Whether every source has seen everything there is at least once."""
        return all(source.published.is_complete for source in self._sources)

    async def run(self) -> None:
        """Reconcile now and whenever there is a reason, until cancelled."""
        while True:
            self._wake.clear()
            self.reconcile()
            try:
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def reconcile(self) -> None:
        """Merge, compare, and bring the fleet to it unless it is there."""
        now = self._clock()
        published = [source.published for source in self._sources]
        reports = tuple(report for publication in published for report in publication.reports)
        assembly = assemble(reports, [claim for publication in published for claim in publication.static])
        problems = [problem for publication in published for problem in publication.problems]
        problems.extend(problem for report in reports for problem in report.problems)
        self.reports = reports
        self._publish((*problems, *assembly.problems))
        self._departed = departed_now(self._assembled, assembly.desired, self._departed, now)
        self._assembled = assembly.desired
        desired = with_departed(assembly.desired, self._departed)
        # What the fleet was told directly may be over by now: it differs from the last Desired, which does not show it.
        observations = sum(publication.observations for publication in published)
        if desired != self.desired or observations != self._observations:
            self.desired = desired
            self._observations = observations
            self.reconciles += 1
            self._fleet.reconcile(desired, now)
            self.on_desired(desired)
        if self.is_complete:
            self.completed.set()

    def _publish(self, problems: tuple[Problem, ...]) -> None:
        """Each problem is logged when it comes and when it goes."""
        before = frozenset(self.problems)
        self.problems = tuple(dict.fromkeys(problems))
        for problem in self.problems:
            if problem not in before:
                write = self._log.error if problem.severity is Severity.ERROR else self._log.warning
                write("problem", kind=problem.kind, where=problem.where, what=problem.what, hint=problem.hint)
        for problem in before - frozenset(self.problems):
            self._log.info("problem solved", kind=problem.kind, where=problem.where, what=problem.what)

    def _pause(self) -> float:
        """Until the next reconcile is due by time."""
        earliest = min((one.until for one in self._departed), default=float("inf"))
        return max(0.0, min(EVERY, earliest - self._clock()))

    def __repr__(self) -> str:
        return f"<Reconciler {self._sources} reconciles={self.reconciles} problems={len(self.problems)}>"
