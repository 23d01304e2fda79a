"""What the slow loops change is announced before the call returns, and written as one line for each transition."""

from collections.abc import Callable

import pytest

from proxy.control.transitions import AnnouncedFleet, log_changes
from proxy.fleet.interface import Changes, FleetInterface, Transition
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, Lifecycle
from tests.support.recording_log import RecordingLog

KEY = BackendKey(container="c", host="10.0.0.1", port=80)


def changes(reason: str) -> Changes:
    told = Transition(service="web", backend="web-1", before="pending", after="available", reason=reason)
    return Changes(transitions=(told,))


class ChangingFleet:
    """Says of every call that something has changed, or that nothing has."""

    def __init__(self, does_change: bool = True) -> None:
        self._does_change = does_change

    def reconcile(self, desired: Desired, now: float) -> Changes:
        return self._changes("reconcile", desired, now)

    def observe(self, container: str, lifecycle: Lifecycle, now: float) -> Changes:
        return self._changes("observe", container, lifecycle, now)

    def probed(self, key: BackendKey, verdict: Verdict, error: str, now: float) -> Changes:
        return self._changes("probed", key, verdict, error, now)

    def confirmed(self, key: BackendKey, passed: bool, now: float) -> Changes:
        return self._changes("confirmed", key, passed, now)

    def drain(self, backend: str, now: float) -> Changes:
        return self._changes("drain", backend, now)

    def undrain(self, backend: str, now: float) -> Changes:
        return self._changes("undrain", backend, now)

    def _changes(self, call: str, *arguments: object) -> Changes:
        return changes(f"{call} {arguments}") if self._does_change else Changes()


CALLS: dict[str, tuple[Callable[[FleetInterface], Changes], str]] = {
    "a reconcile": (lambda fleet: fleet.reconcile(Desired(), 1.0), f"reconcile {(Desired(), 1.0)}"),
    "an observation": (
        lambda fleet: fleet.observe("c", Lifecycle.PAUSED, 1.0),
        f"observe {('c', Lifecycle.PAUSED, 1.0)}",
    ),
    "a verdict": (
        lambda fleet: fleet.probed(KEY, Verdict.FAILING_SOFT, "status 503", 1.0),
        f"probed {(KEY, Verdict.FAILING_SOFT, 'status 503', 1.0)}",
    ),
    "a suspicion cleared": (lambda fleet: fleet.confirmed(KEY, True, 1.0), f"confirmed {(KEY, True, 1.0)}"),
    "a drain": (lambda fleet: fleet.drain("web-1", 1.0), f"drain {('web-1', 1.0)}"),
    "an undrain": (lambda fleet: fleet.undrain("web-1", 1.0), f"undrain {('web-1', 1.0)}"),
}


@pytest.mark.parametrize(("call", "reason"), CALLS.values(), ids=CALLS)
def test_changes_of_a_call_are_announced_and_returned(call: Callable[[FleetInterface], Changes], reason: str) -> None:
    announced: list[Changes] = []
    returned = call(AnnouncedFleet(ChangingFleet(), announced.append))
    assert announced == [returned] == [changes(reason)]


@pytest.mark.parametrize("call", [call for call, _ in CALLS.values()], ids=CALLS)
def test_call_that_changes_nothing_announces_nothing(call: Callable[[FleetInterface], Changes]) -> None:
    announced: list[Changes] = []
    assert not call(AnnouncedFleet(ChangingFleet(does_change=False), announced.append))
    assert announced == []


def test_each_transition_is_a_line_and_so_are_other_routes() -> None:
    log = RecordingLog()
    (told,) = changes("probe passed").transitions
    log_changes(log.log, Changes(transitions=(told, told), routes_swapped=True))
    line = {
        "service": "web",
        "backend": "web-1",
        "before": "pending",
        "after": "available",
        "reason": "probe passed",
    }
    assert log.lines == [("info", "backend", line), ("info", "backend", line), ("info", "routes swapped", {})]
