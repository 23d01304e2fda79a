"""One service as it lives: its backends, and which of them takes the next request."""

import random
from collections.abc import Callable, Collection
from typing import Any, Final

from proxy.balancing.policies import build
from proxy.balancing.policy import Policy
from proxy.failure import Failure
from proxy.fleet.backend import Backend, Tier, Unavailable
from proxy.fleet.crowd import Crowd
from proxy.fleet.evidence import Evidence
from proxy.fleet.interface import Transition
from proxy.fleet.last_resort import LastResort
from proxy.fleet.shared_load import Counted, SharedLoad, build_shared
from proxy.fleet.statistics import ServiceStatistics
from proxy.fleet.stickiness import Stickiness
from proxy.fleet.tries import Tries
from proxy.fleet.waiting import WaitingLine
from proxy.health.slow_start import STEPS, weight
from proxy.spec.service import BackendKey, ServiceSpec
from proxy.wire.head import RequestHead

TRIAL: Final = frozenset((b"GET", b"HEAD"))  # methods of requests that may be one
_WILLING: Final = (Tier.PRIMARY, Tier.BACKUP)
_LAST_RESORTS: Final = (Tier.SUSPECT, Tier.UNHEALTHY)


def _ignore(_: object) -> None:
    """Nobody listens."""


class Service:
    """The living side of a ServiceSpec. Policies are built anew when a verdict flips, and asked per request."""

    __slots__ = (
        "_crowd",
        "_on_trial",
        "_policies",
        "_random",
        "_shared",
        "_warming",
        "backends",
        "body_limit",
        "evidence",
        "has_request_rules",
        "idle_timeout",
        "is_plain",
        "is_waited_for",
        "line",
        "on_room",
        "response_timeout",
        "secret",
        "spec",
        "statistics",
        "stickiness",
        "strips_prefix",
        "tries",
        "waiting_elsewhere",
    )

    def __init__(
        self,
        spec: ServiceSpec,
        chance: random.Random,
        is_probed: bool = False,
        secret: bytes = bytes(16),
        shared: SharedLoad | None = None,
    ) -> None:
        self._random = chance
        self._shared = shared  # None where no other worker serves
        self.secret = secret
        self._policies: tuple[Policy[Backend], ...] = ()
        self._on_trial: tuple[Backend, ...] = ()
        self._warming: tuple[Backend, ...] = ()
        self.is_plain = True  # nobody is on trial, warms up or may be full: to ask the policies is all
        self._crowd = Crowd(spec.limit)
        self.backends: dict[BackendKey, Backend] = {}
        self.evidence = Evidence(spec, self.backends, chance, is_probed)
        self.statistics = ServiceStatistics()
        self.tries = Tries(spec, self.statistics)
        self.line: WaitingLine[Any] = WaitingLine(spec.limit.queue, self.statistics.queue_waits)
        self.waiting_elsewhere = 0  # requests in lines of other processes, where these serve in the place of this one
        self.is_waited_for = False  # somebody stands in the line, and wants `on_room` to be called
        self.on_room: Callable[[Service], None] = _ignore
        self.stickiness: Stickiness | None = None
        self._take_over(spec)

    # called by the fleet

    def apply(self, spec: ServiceSpec, now: float) -> None:
        """Take over a changed spec; live state stays."""
        self._take_over(spec)
        self.evidence.apply(spec, now)

    def rebuild(self) -> None:
        """Build the policies from the verdicts as they are now: once after flips, not per request."""
        backends = tuple(self.backends.values())
        self._on_trial = tuple(each for each in backends if each.unavailable is Unavailable.ON_TRIAL)
        self._warming = tuple(each for each in backends if each.is_warming)
        self.is_plain = not self._on_trial and not self._warming and not self._crowd.is_limited
        self._crowd.gather(backends)
        if self.stickiness is not None:
            self.stickiness.gather(backends)
        for backend in backends:
            backend.policy = None
            backend.keep_alive = self.spec.timeout.keep_alive
            backend.weight = backend.spec.weight
            if self._warming:
                backend.weight = (
                    weight(backend.weight, backend.warmth) if backend.is_warming else backend.weight * STEPS
                )
        willing = [self._policy(members) for members in self._tiers(_WILLING)]
        unwilling = [self._watched(LastResort(each, self._random), each) for each in self._tiers(_LAST_RESORTS)]
        self._policies = (*willing, *unwilling)
        self.evidence.count()

    def settle(self) -> None:
        """Build the policies now, if they no longer hold."""
        if self.evidence.is_stale:
            self.rebuild()
            if self.is_waited_for:
                self.on_room(self)

    def step(self, now: float) -> list[Transition]:
        """Let time pass: suspicions run out, circuits cool, newcomers warm up. Called until `evidence.is_settled`."""
        transitions = self.evidence.step(now)
        self.settle()
        return transitions

    def refreshed(self, transitions: list[Transition]) -> list[Transition]:
        """The transitions. The policies follow with the next request: in a burst of flips they are built once.

        A thousand backends that pass their first probes took 2.4 s when each flip built them (one service).
        """
        if self.evidence.is_stale:
            self.is_plain = False
            if self.is_waited_for:
                self.on_room(self)
        return transitions

    # called by the data plane, per request

    def take(self, tried: Collection[Backend], trial_ok: bool = False) -> Backend | None:
        """Pick a backend that is not in `tried`, of the first tier that has one, and start a request there.

        None when nobody is left. Whoever takes gives back by `release`. `trial_ok`: the request may be the trial of a
        backend that needs one, so that it is worth sending elsewhere when it fails: a GET or HEAD.
        """
        if not self.is_plain:
            return self._take_with_care(tried, trial_ok)
        for policy in self._policies:
            backend = policy.pick(tried)
            if backend is not None:
                backend.in_flight += 1
                policy.taken(backend)
                return backend
        return None

    @staticmethod
    def take_again(backend: Backend) -> None:
        """Start a request at this very backend, whatever the policy would say."""
        backend.in_flight += 1
        if backend.policy is not None:
            backend.policy.taken(backend)
        if backend.full is not None and backend.in_flight >= backend.limit:
            backend.full.add(backend)

    def take_kept(self, head: RequestHead) -> Backend | None:
        """The backend that the client of this request is kept at, if it is available; starts a request there."""
        backend = self.stickiness.wanted(head) if self.stickiness is not None else None
        if backend is None or backend.unavailable is not None or self._is_full(backend):
            return None
        self.take_again(backend)
        return backend

    @staticmethod
    def release(backend: Backend) -> None:
        """A request that started there has ended, however it ended."""
        backend.in_flight -= 1
        if backend.full is not None and backend.in_flight < backend.limit:
            backend.full.discard(backend)
        policy = backend.policy
        if policy is not None:
            policy.released(backend)

    def report(self, backend: Backend, failure: Failure, now: float) -> list[Transition]:
        """A request failed there; returns the transitions that came of it."""
        backend.statistics.count_failure(failure)
        if self.backends.get(backend.key) is not backend:
            return []  # it has left
        return self.refreshed(self.evidence.report(backend, failure, now))

    def suspect(self, backend: Backend, failure: Failure, now: float) -> list[Transition]:
        """A request has not failed there yet, and may be about to; returns the transitions that came of it."""
        if self.backends.get(backend.key) is not backend:
            return []
        return self.refreshed(self.evidence.suspect(backend, failure, now))

    def acquit(self, backend: Backend, now: float) -> list[Transition]:
        """It has answered after all."""
        if self.backends.get(backend.key) is not backend:
            return []
        return self.refreshed(self.evidence.acquit(backend, now))

    def answered(self, backend: Backend, status: int, now: float) -> list[Transition]:
        """A response came from there with a status that is `notable`, and has been counted."""
        if self.backends.get(backend.key) is not backend:
            return []
        return self.refreshed(self.evidence.answered(backend, status, now))

    # read by the admin server

    @property
    def waiting(self) -> int:
        """Requests that wait now."""
        return len(self.line) + self.waiting_elsewhere

    def _take_with_care(self, tried: Collection[Backend], trial_ok: bool) -> Backend | None:
        """Some are on trial, warm up or are full. A trial is a first attempt, so that another is left to send it to."""
        if self.evidence.is_stale:
            self.rebuild()
            if self.is_plain:
                return self.take(tried)
        crowded = self._crowd.full
        if trial_ok and not tried and self.tries.most > 1:
            for backend in self._on_trial:
                if backend.circuit.may_try and not self._is_full(backend):
                    backend.circuit.begin_trial()
                    self.take_again(backend)
                    return backend
        if crowded:
            tried = crowded.union(tried)
        busy = [backend for backend in self._warming if backend.in_flight >= backend.most_in_flight]
        for policy in self._policies:
            # Rather one that is warming up and has enough than one of the next tier.
            backend_or_none = (policy.pick((*tried, *busy)) if busy else None) or policy.pick(tried)
            if backend_or_none is not None:
                self.take_again(backend_or_none)
                return backend_or_none
        return None

    def _is_full(self, backend: Backend) -> bool:
        """Whether it has as much in flight as it may, over all workers: for who is taken without a policy's pick."""
        if not self._crowd.is_limited:
            return False
        if backend in self._crowd.full:
            return True
        return self._shared is not None and self._shared.total(backend) >= self._crowd.limit

    def _take_over(self, spec: ServiceSpec) -> None:
        self.spec = spec
        self.tries.apply(spec)
        self.line.limit = spec.limit.queue
        self._crowd.apply(spec.limit)
        if spec.sticky is None:
            self.stickiness = None
        elif self.stickiness is None or self.stickiness.cookie != spec.sticky.encode("ascii"):
            self.stickiness = Stickiness(spec.sticky, self.secret)
        self.response_timeout = spec.timeout.response
        self.idle_timeout = spec.timeout.idle
        self.body_limit = spec.limit.body
        self.strips_prefix = spec.strip_prefix
        self.has_request_rules = spec.limit.body is not None or spec.strip_prefix

    def _tiers(self, tiers: tuple[Tier, ...]) -> list[list[Backend]]:
        """The backends of each of these tiers that has any."""
        by_tier = [[each for each in self.backends.values() if each.tier is tier] for tier in tiers]
        return [members for members in by_tier if members]

    def _policy(self, members: list[Backend]) -> Policy[Backend]:
        if self._shared is not None:
            return self._watched(build_shared(self.spec.policy, members, self._random, self._shared), members)
        return self._watched(build(self.spec.policy, members, self._random), members)

    def _watched(self, policy: Policy[Backend], members: list[Backend]) -> Policy[Backend]:
        """Have it told what it wants to know of these."""
        if self._shared is not None:
            policy = Counted(policy, members, self._shared, self._crowd.limit)
        for backend in members:
            backend.policy = policy if policy.watches_load else None
        return policy

    def __repr__(self) -> str:
        available = sum(backend.unavailable is None for backend in self.backends.values())
        return f"<Service {self.spec.name} {available}/{len(self.backends)} available>"
