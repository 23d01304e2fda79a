"""What every policy can do, and the one place that knows them all.

Law: a policy is built when something changes and asked per request. It holds a fixed set of candidates; one that joins,
leaves or changes its weight means a new policy.
"""

import random
from collections.abc import Collection, Sequence
from typing import Protocol

from proxy.balancing.candidate import C
from proxy.balancing.least_connections import FEW, LeastConnections, LeastConnectionsOfMany
from proxy.balancing.random_choice import RandomChoice
from proxy.balancing.round_robin import RoundRobin
from proxy.spec.service import PolicyName


class Policy(Protocol[C]):
    """A balancing rule over a fixed set of candidates."""

    @property
    def watches_load(self) -> bool:
        """Whether `taken` and `released` mean anything to it; when False the caller may leave them out."""

    def pick(self, tried: Collection[C]) -> C | None:
        """A candidate that is not in `tried`, None when there is none left."""

    def taken(self, candidate: C) -> None:
        """`candidate.in_flight` went up by one."""

    def released(self, candidate: C) -> None:
        """`candidate.in_flight` went down by one."""


def build(name: PolicyName, candidates: Sequence[C], rng: random.Random) -> Policy[C]:
    """The policy called `name` over `candidates`, in the state they are in now.

    `rng` decides where it starts, so that a policy that is built often does not favour the first candidate.
    Raises ValueError when there is no candidate.
    """
    if not candidates:
        raise ValueError("a policy needs at least one candidate")
    if name is PolicyName.RANDOM:
        return RandomChoice(candidates, rng)
    if name is PolicyName.ROUND_ROBIN:
        return RoundRobin(candidates, rng)
    if len(candidates) <= FEW:
        return LeastConnections(candidates, rng)
    return LeastConnectionsOfMany(candidates, rng)
