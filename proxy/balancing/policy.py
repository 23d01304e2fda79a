"""What every policy can do.

Law: a policy is built when something changes and asked per request. It holds a fixed set of candidates; one that joins,
leaves or changes its weight means a new policy.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar, Generic

from proxy.balancing.candidate import C


class Policy(ABC, Generic[C]):
    """A balancing rule over a fixed set of candidates.

    `watches_load` says whether `taken` and `released` mean anything to it; when False the caller may leave them out.
    A class to derive from rather than a protocol: compiled, a protocol's methods are looked up by name in every call.
    """

    __slots__ = ()
    watches_load: ClassVar[bool] = False

    @abstractmethod
    def pick(self, tried: Collection[C]) -> C | None:
        """A candidate that is not in `tried`, None when there is none left."""

    def taken(self, candidate: C) -> None:
        """`candidate.in_flight` went up by one."""

    def released(self, candidate: C) -> None:
        """`candidate.in_flight` went down by one."""
