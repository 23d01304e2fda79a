"""The one place that knows all policies."""

import random
from collections.abc import Sequence

from proxy.balancing.candidate import C
from proxy.balancing.least_connections import FEW, LeastConnections, LeastConnectionsOfMany
from proxy.balancing.policy import Policy
from proxy.balancing.random_choice import RandomChoice
from proxy.balancing.round_robin import RoundRobin
from proxy.spec.service import PolicyName


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
