"""A fleet that stands in several processes: every call is made to the book here, and sent to all workers."""

from collections.abc import Callable

from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Changes
from proxy.health.verdict import Verdict
from proxy.processes import calls
from proxy.processes.messages import Call, Confirmed, Drain, Observe, Probed, Reconcile, Whole, plan
from proxy.processes.table import Slots
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, Lifecycle


class Broadcast:
    """FleetInterface over the book and `send`. Every call has a version of its own, in order.

    `slots` is there where workers share what is in flight.
    """

    def __init__(self, book: Fleet, send: Callable[[Call], None], slots: Slots | None = None) -> None:
        self._book = book
        self._send = send
        self._slots = slots
        self._desired = Desired()
        self._assigned: tuple[int, ...] = ()  # the slots of its backends

    def reconcile(self, desired: Desired, now: float) -> Changes:
        """See FleetInterface."""
        self._desired = desired
        if self._slots is not None:
            self._assigned = self._slots.assign(desired)
        before = self._book.version
        changes = self._book.reconcile(desired, now)
        self._send(Reconcile(self._next(before), plan(desired, self._assigned)))
        return changes

    def observe(self, container: str, lifecycle: Lifecycle, now: float) -> Changes:
        """See FleetInterface."""
        before = self._book.version
        changes = self._book.observe(container, lifecycle, now)
        self._send(Observe(self._next(before), container, lifecycle))
        return changes

    def probed(self, key: BackendKey, verdict: Verdict, error: str, now: float) -> Changes:
        """See FleetInterface."""
        before = self._book.version
        changes = self._book.probed(key, verdict, error, now)
        self._send(Probed(self._next(before), key, verdict, error))
        return changes

    def confirmed(self, key: BackendKey, passed: bool, now: float) -> Changes:
        """See FleetInterface."""
        before = self._book.version
        changes = self._book.confirmed(key, passed, now)
        self._send(Confirmed(self._next(before), key, passed))
        return changes

    def drain(self, backend: str, now: float) -> Changes:
        """See FleetInterface."""
        before = self._book.version
        changes = self._book.drain(backend, now)
        self._send(Drain(self._next(before), backend, True))
        return changes

    def undrain(self, backend: str, now: float) -> Changes:
        """See FleetInterface."""
        before = self._book.version
        changes = self._book.undrain(backend, now)
        self._send(Drain(self._next(before), backend, False))
        return changes

    def whole(self) -> Whole:
        """Everything so far, for one that has missed it."""
        return calls.whole(self._book, self._desired, self._assigned)

    def _next(self, before: int) -> int:
        """The version with this call; also one that changes nothing here may do so where requests were seen."""
        if self._book.version == before:
            self._book.version += 1
        return self._book.version

    def __repr__(self) -> str:
        return f"<Broadcast of {self._book!r}>"
