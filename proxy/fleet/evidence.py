"""What is held against the backends of one service, and what follows: the owner of every fact but the configuration.

Law: each call changes facts, brings them to verdicts, and returns the transitions that came of it. `is_stale` says that
the policies no longer hold. A backend never goes down softly when it is the last one available, and circuits never take
out more than their share (resilience.md).
"""

import random
from collections.abc import Iterable
from typing import Final

from proxy.failure import Blame, Failure, Sent
from proxy.fleet import warm_up
from proxy.fleet.backend import SERVER_ERROR, Backend, Unavailable
from proxy.fleet.circuits import Circuits
from proxy.fleet.interface import Transition
from proxy.health.circuit import State
from proxy.health.verdict import Verdict
from proxy.spec.service import BackendKey, BackendSpec, Lifecycle, ServiceSpec

SUSPICION: Final = 1.0  # seconds for which a backend that failed to take a connection is asked last
# With a prober its answer ends the suspicion, within a second. Should it have none to give, this does.
UNANSWERED_SUSPICION: Final = 3.0

_SUSPICIOUS: Final = frozenset((Sent.NOTHING, Sent.UNANSWERED))
_GATEWAY_STATUSES: Final = frozenset((502, 503, 504))
_NO_GATEWAY_FAILURES: Final = frozenset((Failure.IDLE_TIMEOUT,))  # it has answered; a stream may well be silent
_OUT_OF_REACH: Final = frozenset((Lifecycle.PAUSED, Lifecycle.GONE))
# Who comes back from these is as warm as it was.
_STILL_WARM: Final = frozenset((Unavailable.SUSPECT, Unavailable.DRAINED))


class Evidence:
    """Of one service. `backends` is the service's own, and changed by it alone."""

    __slots__ = ("_backends", "_circuits", "_first_up", "_is_probed", "_spares", "_spec", "_transitions", "is_stale")

    def __init__(
        self, spec: ServiceSpec, backends: dict[BackendKey, Backend], chance: random.Random, is_probed: bool
    ) -> None:
        self._spec = spec
        self._backends = backends
        self._circuits = Circuits(spec, chance)
        self._is_probed = is_probed
        self._transitions: list[Transition] = []
        self._first_up = float("inf")  # nobody was up before; in monotonic seconds
        self._spares = False  # somebody may be spared
        self.is_stale = True

    # the configuration

    def apply(self, spec: ServiceSpec, now: float) -> None:
        """Take over changed settings; what was learned stays."""
        self._spec = spec
        self.is_stale = True
        self._circuits.apply(spec, self._backends.values(), now)
        for backend in self._backends.values():
            backend.awaits_probe &= self._awaits_probe(backend.spec)

    def newcomer(self, spec: BackendSpec, verdict: Verdict | None, now: float) -> Backend:
        """A backend of which nothing is known, but a verdict if its address was probed for another service."""
        backend = Backend(spec, self._circuits.new(now), now, awaits_probe=self._awaits_probe(spec))
        if verdict is not None:
            backend.verdict = verdict
            backend.judge(now)
        return backend

    def welcome(self, newcomers: list[Backend], now: float) -> list[Transition]:
        """They have joined the service; those that can serve at once warm up beside those that have served for long."""
        self.is_stale = True
        warm = [backend for backend in self._backends.values() if backend not in newcomers]
        for backend in newcomers:
            if backend.unavailable is None:
                self._end_mercy(now)
                self._come_up(backend, warm, now)
        return self._take_transitions()

    def describe(self, backend: Backend, spec: BackendSpec, now: float) -> list[Transition]:
        """Discovery says this of a backend that stays."""
        if spec.started != backend.spec.started:
            self._forget(backend, spec, now)
        self.is_stale |= (spec.weight, spec.backup) != (backend.spec.weight, backend.spec.backup)
        backend.spec = spec
        backend.awaits_probe &= self._awaits_probe(spec)  # who serves goes on, even if it is to be probed from now on
        self._see(backend, spec.lifecycle, now)
        self._settle(backend, "discovery", now)
        return self._take_transitions()

    def lose(self, backend: Backend, now: float) -> list[Transition]:
        """A backend has left the service."""
        self.is_stale = True
        backend.lifecycle = Lifecycle.GONE
        self._circuits.drop(backend, now)
        self._settle(backend, "left", now)
        return self._take_transitions()

    def count(self) -> None:
        """The policies are built anew: count who is left, once per change instead of once per failure."""
        self._recount()
        self.is_stale = False

    # what others see of it

    def observe(self, backend: Backend, lifecycle: Lifecycle, now: float) -> list[Transition]:
        """Its container was seen to change."""
        self._see(backend, lifecycle, now)
        self._settle(backend, lifecycle.value, now)
        return self._take_transitions()

    def drain(self, backend: Backend, drained: bool, now: float) -> list[Transition]:
        """The operator takes it out or gives it back."""
        backend.drained = drained
        self._settle(backend, "operator", now)
        return self._take_transitions()

    def probe(self, backend: Backend, verdict: Verdict, error: str, now: float) -> list[Transition]:
        """The settled verdict of its probes."""
        backend.verdict = verdict
        if verdict is Verdict.PASSING:
            backend.is_confirmed_down = False
        elif verdict is not Verdict.UNKNOWN:
            backend.failed_at = now
        self._settle(backend, f"probe: {error}" if error else "probe passed", now)
        return self._take_transitions()

    def confirm(self, backend: Backend, passed: bool, now: float) -> list[Transition]:
        """How the probe ended that its suspicion asked for; without a suspicion, one of its address elsewhere did.

        The last one available stays: whether it is down hard, its probes tell.
        """
        backend.suspect_until = 0.0
        if not passed and self._has_another(backend):
            backend.is_confirmed_down = True
        self._settle(backend, "confirming probe passed" if passed else "confirming probe failed", now)
        return self._take_transitions()

    # what requests tell

    def report(self, backend: Backend, failure: Failure, now: float) -> list[Transition]:
        """A request failed there."""
        if failure.blame is not Blame.BACKEND:
            if not backend.in_flight:
                backend.circuit.end_trial()  # if one was in flight, it was this; else its deadline ends it
            return []
        backend.failed_at = now
        self._recount()
        if failure is Failure.TRUNCATED:
            backend.circuit.discount()
        if failure not in _NO_GATEWAY_FAILURES:
            self._on_circuit(backend, self._circuits.fail(backend, failure.label, now, gateway=True), now)
        if failure.sent in _SUSPICIOUS:
            self._suspect(backend, failure, now)
        return self._take_transitions()

    def suspect(self, backend: Backend, failure: Failure, now: float) -> list[Transition]:
        """A request there goes on and may be about to fail: reason to ask, not to count."""
        # Asking gains nothing where there is no other to go to, and such a one may often take its time.
        if self._has_another(backend):
            backend.failed_at = now
            self._suspect(backend, failure, now)
        return self._take_transitions()

    def acquit(self, backend: Backend, now: float) -> list[Transition]:
        """A request that was reason to suspect it was answered; whether it is down, probes tell."""
        backend.suspect_until = 0.0
        self._settle(backend, "answered after all", now)
        return self._take_transitions()

    def answered(self, backend: Backend, status: int, now: float) -> list[Transition]:
        """A response of which the service wants to hear."""
        self._recount()
        if status >= SERVER_ERROR:
            backend.failed_at = now
            gateway = status in _GATEWAY_STATUSES
            self._on_circuit(backend, self._circuits.fail(backend, f"status {status}", now, gateway=gateway), now)
        else:
            self._on_circuit(backend, self._circuits.succeed(backend, now), now)
        return self._take_transitions()

    # what time brings

    def step(self, now: float) -> list[Transition]:
        """Called a few times a second while `is_settled` is False."""
        self._recount()
        for backend in self._backends.values():
            self._on_circuit(backend, self._circuits.step(backend, now), now)
            if 0.0 < backend.suspect_until <= now:
                backend.suspect_until = 0.0
                self._settle(backend, "not seen failing since", now)
        self._circuits.whole.advance(now)
        self.is_stale |= warm_up.step(self._backends.values(), self._spec.slow_start, now)
        return self._take_transitions()

    @property
    def is_settled(self) -> bool:
        """Whether time alone changes nothing."""
        return not self._circuits.whole.failures and not any(
            backend.suspect_until or backend.is_warming or backend.circuit.state is not State.CLOSED
            for backend in self._backends.values()
        )

    # facts

    def _recount(self) -> None:
        """Who is left, and who is out, for the share that circuits may take out."""
        if self.is_stale:
            self._circuits.count(self._backends.values())

    def _awaits_probe(self, spec: BackendSpec) -> bool:
        """Whether a probe of our own has to pass first; what the engine checks, the engine vouches for."""
        return self._is_probed and not (spec.has_healthcheck and self._spec.health.path is None)

    def _see(self, backend: Backend, lifecycle: Lifecycle, now: float) -> None:
        was_out_of_reach = backend.lifecycle in _OUT_OF_REACH
        backend.lifecycle = lifecycle
        if was_out_of_reach and lifecycle is Lifecycle.RUNNING:
            self._on_circuit(backend, self._circuits.doubt(backend, now), now)

    def _forget(self, backend: Backend, spec: BackendSpec, now: float) -> None:
        """The container was started anew: nothing that was held against it is of this process."""
        self._circuits.renew(backend, now)
        backend.verdict = Verdict.UNKNOWN
        backend.is_confirmed_down = False
        backend.suspect_until = 0.0
        backend.awaits_probe = self._awaits_probe(spec)
        if backend.awaits_probe:
            backend.lifecycle = spec.lifecycle  # the first probe that passes is trial enough
        self.is_stale = True

    # verdicts

    def _suspect(self, backend: Backend, failure: Failure, now: float) -> None:
        backend.suspect_until = now + (UNANSWERED_SUSPICION if self._is_probed else SUSPICION)
        self._settle(backend, failure.label, now)

    def _on_circuit(self, backend: Backend, reason: str, now: float) -> None:
        """Its circuit flipped, when there is a reason."""
        if reason:
            self.is_stale = True
            self._settle(backend, reason, now)

    def _settle(self, backend: Backend, reason: str, now: float) -> None:
        """Bring its facts to a verdict, and see what that means for the others."""
        was, state = backend.unavailable, backend.state
        backend.judge(now)
        if backend.is_down_by_soft_probe and was in (None, Unavailable.SUSPECT) and not self._has_another(backend):
            backend.is_spared = self._spares = True
            backend.judge(now)
        if backend.unavailable is None and was is not None and was not in _STILL_WARM:
            self._come_up(backend, self._backends.values(), now)
        if backend.state == state:
            return
        self.is_stale = True
        self._transitions.append(transition(backend, state, reason))
        if backend.unavailable is None and not backend.is_spared:
            self._end_mercy(now)

    def _come_up(self, backend: Backend, others: Iterable[Backend], now: float) -> None:
        """It is available now. Without anybody up for long enough there is no warm peer to look for."""
        if now - self._first_up < self._spec.slow_start:
            others = ()
        warm_up.come_up(backend, others, self._spec.slow_start, now)
        self._first_up = min(self._first_up, now)

    def _end_mercy(self, now: float) -> None:
        """Somebody is available who passes: those that were spared are not needed."""
        if not self._spares:
            return
        self._spares = False
        for backend in self._backends.values():
            if backend.is_spared:
                state = backend.state
                backend.is_spared = False
                backend.judge(now)
                self._transitions.append(transition(backend, state, "another one is available"))

    def _has_another(self, backend: Backend) -> bool:
        return any(each.unavailable is None and each is not backend for each in self._backends.values())

    def _take_transitions(self) -> list[Transition]:
        transitions, self._transitions = self._transitions, []
        return transitions


def transition(backend: Backend, before: str, reason: str) -> Transition:
    """From `before`, a state in words, to how the backend stands now."""
    return Transition(
        service=backend.spec.service, backend=backend.name, before=before, after=backend.state, reason=reason
    )
