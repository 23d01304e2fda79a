"""The circuits of one service together: what one of them may do depends on the others.

Law: circuits never open beyond their share of the service. Each call that can flip a circuit returns why it did, in
words, and "" when it did not.
"""

import random
from collections.abc import Iterable

from proxy.fleet.backend import SERVER_ERROR, Backend, Tier
from proxy.health.circuit import Circuit, State, most_open
from proxy.health.window import Window
from proxy.spec.service import ServiceSpec


class Circuits:
    """`whole` counts the requests of all backends."""

    __slots__ = ("_chance", "_most_out", "_out", "_spec", "whole")

    def __init__(self, spec: ServiceSpec, chance: random.Random) -> None:
        self._spec = spec
        self._chance = chance
        self._out = 0  # circuits that are not closed, of backends that are not down hard
        self._most_out = 0
        self.whole = Window(spec.circuit.window)

    def apply(self, spec: ServiceSpec, backends: Iterable[Backend], now: float) -> None:
        """Take over changed settings; what was counted stays."""
        self._spec = spec
        self.whole.resize(spec.circuit.window, now)
        for backend in backends:
            backend.circuit.apply(spec.circuit, now)

    def new(self, now: float) -> Circuit:
        """For a backend of which nothing is known."""
        return Circuit(self._spec.circuit, self.whole, now)

    def renew(self, backend: Backend, now: float) -> None:
        """The container was started anew: what its circuit counted is not of this process. `opened` goes on."""
        self.drop(backend, now)
        opened = backend.circuit.opened
        backend.circuit = self.new(now)
        backend.circuit.opened.update(opened)
        backend.notable = SERVER_ERROR

    def drop(self, backend: Backend, now: float) -> None:
        """The backend leaves, and what it counted with it."""
        self.whole.move_out(backend.circuit.window, now)

    def count(self, backends: Iterable[Backend]) -> None:
        """See who is left and who is out: once per change of a verdict instead of once per failure."""
        serving = [backend for backend in backends if backend.tier is not Tier.NEVER]
        self._out = sum(backend.circuit.state is not State.CLOSED for backend in serving)
        self._most_out = most_open(len(serving), self._spec.circuit.max_open)

    def doubt(self, backend: Backend, now: float) -> str:
        """It was out of reach and is back."""
        return self._flip(backend, backend.circuit.doubt(now), "out of reach until now")

    def fail(self, backend: Backend, what: str, now: float, *, gateway: bool) -> str:
        """A request failed there; `gateway` as in Circuit.count."""
        circuit = backend.circuit
        circuit.sample(backend.statistics.successes, now)
        circuit.count(now, gateway=gateway)
        if circuit.state is State.HALF_OPEN:
            return self._fail_trial(backend, f"trial failed: {what}", now)
        cause = circuit.cause() if self._may_take_out(backend) else None
        if cause is None:
            return ""
        reason = circuit.in_words(cause)
        return self._flip(backend, circuit.trip(cause, now, self._chance), reason)

    def succeed(self, backend: Backend, now: float) -> str:
        """A request was answered there, and not with a 5xx."""
        return self._flip(backend, backend.circuit.pass_trial(now), "trial passed")

    def step(self, backend: Backend, now: float) -> str:
        """Let time pass."""
        circuit = backend.circuit
        circuit.sample(backend.statistics.successes, now)
        if circuit.is_trial_over(now, self._spec.timeout.response):
            return self._fail_trial(backend, "trial hangs", now)
        if not backend.is_probed_well:
            return ""
        if circuit.has_waited(now):
            return self._flip(backend, circuit.pass_trial(now), "no request came that could be its trial")
        return self._flip(backend, circuit.cool(now), "open time over")

    def _fail_trial(self, backend: Backend, reason: str, now: float) -> str:
        """Open again; where that is more than circuits may take out, wait for another trial instead."""
        if not self._may_take_out(backend):
            backend.circuit.end_trial()
            return ""
        return self._flip(backend, backend.circuit.fail_trial(now, self._chance), reason)

    def _may_take_out(self, backend: Backend) -> bool:
        others = self._out - (backend.circuit.state is not State.CLOSED)
        return backend.tier is not Tier.NEVER and others < self._most_out

    @staticmethod
    def _flip(backend: Backend, flipped: bool, reason: str) -> str:
        if not flipped:
            return ""
        # On trial every answer is of interest, else only those that are held against it.
        backend.notable = 0 if backend.circuit.state is State.HALF_OPEN else SERVER_ERROR
        return reason

    def __repr__(self) -> str:
        return f"<Circuits {self._out} of at most {self._most_out} out, {self.whole!r}>"
