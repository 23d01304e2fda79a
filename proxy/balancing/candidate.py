"""What a policy sees of the things it chooses from."""

from typing import Protocol, TypeVar


class Candidate(Protocol):
    """Something that can be picked. Compared by identity, and hashable.

    `weight` is its share of the picks, at least 1; it does not change while a policy holds the candidate. `in_flight`
    is the number of requests it is working on; its owner changes it and tells the policy.
    """

    weight: int
    in_flight: int


C = TypeVar("C", bound=Candidate)
