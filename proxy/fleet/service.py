"""One service as it lives: its backends, and which of them takes the next request."""

import random
from collections.abc import Collection, Iterable
from typing import Final

from proxy.balancing.policy import Policy, build
from proxy.failure import Blame, Failure, Sent
from proxy.fleet.backend import Backend, Tier
from proxy.fleet.statistics import ServiceStatistics
from proxy.spec.service import BackendKey, ServiceSpec

SUSPICION: Final = 1.0  # seconds for which a backend that failed to take a connection is asked last
_SERVING_TIERS: Final = (Tier.PRIMARY, Tier.BACKUP, Tier.SUSPECT, Tier.UNHEALTHY)


class Service:
    """The living side of a ServiceSpec. Policies are built anew when a verdict flips, and asked per request."""

    __slots__ = (
        "_policies",
        "_random",
        "backends",
        "body_limit",
        "has_request_rules",
        "idle_timeout",
        "most_tries",
        "response_timeout",
        "spec",
        "statistics",
        "strips_prefix",
    )

    def __init__(self, spec: ServiceSpec, chance: random.Random) -> None:
        self._random = chance
        self._policies: tuple[Policy[Backend], ...] = ()
        self.backends: dict[BackendKey, Backend] = {}
        self.statistics = ServiceStatistics()
        self.apply(spec)

    # called by the fleet

    def apply(self, spec: ServiceSpec) -> None:
        """Take over a changed spec; live state stays."""
        self.spec = spec
        self.most_tries = spec.retry.attempts
        self.response_timeout = spec.timeout.response
        self.idle_timeout = spec.timeout.idle
        self.body_limit = spec.limit.body
        self.strips_prefix = spec.strip_prefix
        self.has_request_rules = spec.limit.body is not None or spec.strip_prefix

    def rebuild(self) -> None:
        """Build the policies from the verdicts as they are now: once per flip, never per request."""
        policies = []
        for backend in self.backends.values():
            backend.policy = None
            backend.keep_alive = self.spec.timeout.keep_alive
        for tier in _SERVING_TIERS:
            members = [backend for backend in self.backends.values() if backend.tier is tier]
            if members:
                policy = build(self.spec.policy, members, self._random)
                policies.append(policy)
                for backend in members:
                    backend.policy = policy if policy.watches_load else None
        self._policies = tuple(policies)

    def clear_suspicion(self, now: float) -> list[Backend]:
        """Those whose suspicion has run out; the policies are built anew when there are any."""
        cleared = [backend for backend in self.backends.values() if 0.0 < backend.suspect_until <= now]
        for backend in cleared:
            backend.suspect_until = 0.0
        return self._flip(cleared, now)

    # called by the data plane, per request

    def take(self, tried: Collection[Backend]) -> Backend | None:
        """Pick a backend that is not in `tried`, of the first tier that has one, and start a request there.

        None when nobody is left. Whoever takes gives back by `release`.
        """
        for policy in self._policies:
            backend = policy.pick(tried)
            if backend is not None:
                backend.in_flight += 1
                if policy.watches_load:
                    policy.taken(backend)
                return backend
        return None

    @staticmethod
    def take_again(backend: Backend) -> None:
        """Start a request at this very backend, whatever the policy would say."""
        backend.in_flight += 1
        if backend.policy is not None:
            backend.policy.taken(backend)

    @staticmethod
    def release(backend: Backend) -> None:
        """A request that started there has ended, however it ended."""
        backend.in_flight -= 1
        policy = backend.policy
        if policy is not None:
            policy.released(backend)

    def report(self, backend: Backend, failure: Failure, now: float) -> list[Backend]:
        """A request failed there; returns the backends whose verdict flipped by it."""
        backend.statistics.count_failure(failure)
        if failure.blame is not Blame.BACKEND or failure.sent is not Sent.NOTHING:
            return []
        backend.suspect_until = now + SUSPICION
        return self._flip((backend,), now)

    def _flip(self, backends: Iterable[Backend], now: float) -> list[Backend]:
        flipped = [backend for backend in backends if backend.judge(now)]
        if flipped:
            self.rebuild()
        return flipped

    def __repr__(self) -> str:
        available = sum(backend.unavailable is None for backend in self.backends.values())
        return f"<Service {self.spec.name} {available}/{len(self.backends)} available>"
