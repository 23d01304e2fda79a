"""What is known of all containers, and what the fleet is told directly. It asks nobody: it is told.

Law: the fleet hears of a container that ends before anything else is done about it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from proxy.control.discovery.event import EngineEvent
from proxy.control.discovery.known import Known, seen
from proxy.control.discovery.meaning import NOTHING, meaning
from proxy.control.discovery.own_container import networks_of
from proxy.control.discovery.reports import failed_inspect
from proxy.fleet.interface import FleetInterface
from proxy.spec.container import Container, ContainerReport, Surroundings
from proxy.spec.labels import interpret
from proxy.spec.service import Lifecycle


class Roster:
    """Containers by id.

    `observations` counts what the fleet was told; `on_change` is called when a report has changed.
    """

    def __init__(
        self,
        fleet: FleetInterface,
        surroundings: Surroundings,
        on_change: Callable[[], None],
    ) -> None:
        self.observations = 0
        self._fleet = fleet
        self._surroundings = surroundings
        self._on_change = on_change
        self._known: dict[str, Known] = {}
        self._touched: set[str] = set()  # by events, since `begin_list`
        self._network_owner = ""  # id of the container whose networks the proxy is in

    @property
    def reports(self) -> tuple[ContainerReport, ...]:
        """All reports, by name of container."""
        reports = [known.report for known in self._known.values() if known.report is not None]
        return tuple(sorted(reports, key=lambda report: (report.container.name, report.container.id)))

    # what happens

    def hear(self, event: EngineEvent, now: float, *, is_replayed: bool) -> Known | None:
        """Act on an event; returns the container when it is to be inspected."""
        known = self._known.get(event.container)
        what = meaning(event, known.report if known is not None else None, is_replayed)
        if known is not None and known.report is not None and what.observe is not None:
            self._observe(known.report, what.observe, now)
            self._put(known, seen(known.report.container, event, what.observe))
        if what.forget:
            self.forget(event.container, now)
            return None
        if known is None:
            known = self._meet(event.container, event.name)
        known.remember(event, now)
        if what == NOTHING:
            return None
        known.name = event.name or known.name
        known.touch()
        self._touched.add(known.id)
        return known if what.inspect else None

    def begin_list(self) -> None:
        """A list is being asked for: what events say from now on is newer than it."""
        self._touched.clear()

    def find_changed(self, listed: Iterable[tuple[str, str, str]], now: float) -> list[Known]:
        """Compare a list of (id, name, fingerprint) with what is known; what is no more is forgotten."""
        lines = {container: (name, fingerprint) for container, name, fingerprint in listed}
        for container in [one for one in self._known if one not in lines and one not in self._touched]:
            self.forget(container, now)
        changed = []
        for container, (name, fingerprint) in lines.items():
            known = self._known.get(container) or self._meet(container, name)
            if known.fingerprint != fingerprint and container not in self._touched:
                known.touch()
                known.fingerprint = fingerprint
                changed.append(known)
        return changed

    def take(self, known: Known, container: Container, now: float) -> None:
        """A container as it was inspected."""
        if not self.has(known):
            return
        known.name = container.name
        known.retry_at = None
        if container.id == self._network_owner:
            self._move(networks_of(container))
        self._put(known, known.settle(container, now))

    def fail(self, known: Known, reason: str, retry_at: float | None) -> None:
        """A container could not be inspected; without `retry_at` it is not tried again before something changes."""
        known.retry_at = retry_at
        if self.has(known):
            self._report(known, failed_inspect(known, reason))

    def forget(self, container: str, now: float) -> None:
        """It is no more. The fleet is told where no event did."""
        known = self._known.pop(container, None)
        if known is None or known.report is None:
            return
        if known.report.container.lifecycle is not Lifecycle.GONE:
            self._observe(known.report, Lifecycle.GONE, now)
        self._on_change()

    def find_due(self, now: float) -> Iterator[Known]:
        """Those to be looked at again: what was remembered of them is over, or an inspect had failed."""
        for known in self._known.values():
            if known.take_expired(now) or known.take_retry(now):
                known.touch()
                yield known

    def stand_in(self, own_id: str, network_owner: str, networks: frozenset[str] | None) -> None:
        """The proxy's own container was found."""
        self._network_owner = network_owner
        self._surroundings = replace(self._surroundings, own_id=own_id)
        self._move(networks)

    def adjust(self, surroundings: Surroundings) -> None:
        """The operator sets something else for all containers; where the proxy stands is as it was."""
        own = self._surroundings
        self._surroundings = replace(surroundings, own_id=own.own_id, networks=own.networks)
        self._interpret_all()

    def has(self, known: Known) -> bool:
        """Whether it was not forgotten meanwhile."""
        return self._known.get(known.id) is known

    def _observe(self, report: ContainerReport, lifecycle: Lifecycle, now: float) -> None:
        if report.claims:
            self._fleet.observe(report.container.id, lifecycle, now)
            self.observations += 1

    def _meet(self, container: str, name: str) -> Known:
        known = self._known[container] = Known(container, name or container[:12])
        return known

    def _move(self, networks: frozenset[str] | None) -> None:
        """The proxy is in other networks: other containers are in reach."""
        if networks == self._surroundings.networks:
            return
        self._surroundings = replace(self._surroundings, networks=networks)
        self._interpret_all()

    def _interpret_all(self) -> None:
        for known in self._known.values():
            if known.report is not None and known.retry_at is None:
                self._put(known, known.report.container)

    def _put(self, known: Known, container: Container) -> None:
        self._report(known, interpret(container, self._surroundings))

    def _report(self, known: Known, report: ContainerReport) -> None:
        if report != known.report:
            known.report = report
            self._on_change()

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"<Roster containers={len(self)} observations={self.observations}>"
