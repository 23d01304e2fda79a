"""Finding the best alternative for a request: hosts in dicts, path prefixes in a tree of segments.

A table is built of only the levels that it needs: hosts when some alternative names one, paths likewise, and a chain of
alternatives at the bottom. With one catch-all route nothing but that chain is left.

Law: nothing changes once `build_index` has returned.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, Generic, TypeAlias, TypeVar

from proxy.fleet.conditions import Predicate, as_bytes, prefix_segments, wildcard_suffix
from proxy.fleet.dot_segments import DOT_SEGMENT, certain_path
from proxy.fleet.route_terms import Term
from proxy.spec.route import Path
from proxy.wire.head import RequestHead

T = TypeVar("T")
_NEVER: Final = 1 << 62  # after every rank
_DOT: Final = ord(".")
_PERCENT: Final = ord("%")


class Alternative(Generic[T]):
    """What a request leads to when it was found under its host and path and the remaining conditions hold.

    The smaller `rank` wins. Alternatives of one rank lead to the same target. `prefix` is the path prefix that it was
    found under, without a slash at its end.
    """

    __slots__ = ("conditions", "prefix", "rank", "target")

    def __init__(self, rank: int, conditions: tuple[Predicate, ...], target: T, prefix: bytes = b"") -> None:
        self.rank = rank
        self.conditions = conditions
        self.target = target
        self.prefix = prefix


Placed: TypeAlias = tuple[Term, Alternative[T]]


class Index(ABC, Generic[T]):
    """A level of the table."""

    __slots__ = ("first",)

    first: int  # the smallest rank in it

    @abstractmethod
    def find(self, head: RequestHead, found: Alternative[T] | None) -> Alternative[T] | None:
        """The best alternative that holds, of those in here and `found`."""


class Chain(Index[T]):
    """The alternatives at one place of the tree of prefixes, by rank, and the places above."""

    __slots__ = ("above", "alternatives", "below")

    def __init__(self) -> None:
        self.alternatives: list[Alternative[T]] = []
        self.above: Chain[T] | None = None  # the nearest that has alternatives
        self.below: dict[bytes, Chain[T]] = {}  # by the next segment
        self.first = _NEVER  # the smallest rank here and above

    def find(self, head: RequestHead, found: Alternative[T] | None) -> Alternative[T] | None:
        """From here upwards, while something better than `found` can be there."""
        limit = _NEVER if found is None else found.rank
        chain: Chain[T] | None = self
        while chain is not None and chain.first < limit:
            for alternative in chain.alternatives:
                if alternative.rank >= limit:
                    break
                for condition in alternative.conditions:
                    if not condition(head):
                        break
                else:
                    found = alternative
                    limit = alternative.rank
                    break
            chain = chain.above
        return found

    def place_under(self, above: "Chain[T]") -> None:
        """Say what is above, once this chain and that one have all their alternatives."""
        self.above = above if above.alternatives else above.above
        self.first = min(self.first_here(), above.first)

    def first_here(self) -> int:
        """The smallest rank without the places above."""
        return self.alternatives[0].rank if self.alternatives else _NEVER


class Paths(Index[T]):
    """Exact paths in a dict, prefixes in a tree of segments.

    The walk down the tree ends at the first segment that it does not have, and never looks further into a path than the
    longest prefix of the table reaches.
    """

    __slots__ = ("_depth", "_exact", "_root")

    def __init__(self, placed: Iterable[Placed[T]]) -> None:
        self._root: Chain[T] = Chain()  # no path asked for: also `*`
        self._exact: dict[bytes, Chain[T]] = {}
        self._depth = 1  # segments of the longest prefix, with the empty one before the first slash
        self.first = _NEVER
        for term, alternative in placed:
            self._chain_for(term).alternatives.append(alternative)
            self.first = min(self.first, alternative.rank)
        self._link()

    def find(self, head: RequestHead, found: Alternative[T] | None) -> Alternative[T] | None:
        """The best for this path."""
        chain = self._exact.get(head.path)
        if chain is None:
            chain = self._deepest(head.path)
        return chain.find(head, found)

    def _deepest(self, path: bytes) -> Chain[T]:
        """The place of the longest prefix of `path` that the tree has."""
        if (_DOT in path or _PERCENT in path) and DOT_SEGMENT.search(path):  # a search for a byte is 8 times cheaper
            path = certain_path(path)
        chain = self._root
        for segment in path.split(b"/", self._depth):
            child = chain.below.get(segment)
            if child is None:
                break
            chain = child
        return chain

    def _chain_for(self, term: Term) -> Chain[T]:
        if term.path is None:
            return self._root
        if isinstance(term.path, Path):
            return self._exact.setdefault(as_bytes(term.path.path), Chain())
        segments = prefix_segments(term.path.prefix).split(b"/")
        self._depth = max(self._depth, len(segments))
        chain = self._root
        for segment in segments:
            chain = chain.below.setdefault(segment, Chain())
        return chain

    def _link(self) -> None:
        self._root.first = self._root.first_here()
        pending = [self._root]
        while pending:
            above = pending.pop()
            for chain in above.below.values():
                chain.place_under(above)
                pending.append(chain)
        for path, chain in self._exact.items():
            chain.place_under(self._deepest(path))


class Hosts(Index[T]):
    """Exact hosts and the parents of wildcards in dicts, and what is for any host."""

    __slots__ = ("_any", "_exact", "_wildcard")

    def __init__(self, placed: Iterable[Placed[T]]) -> None:
        anywhere: list[Placed[T]] = []
        exact: defaultdict[bytes, list[Placed[T]]] = defaultdict(list)
        wildcard: defaultdict[bytes, list[Placed[T]]] = defaultdict(list)
        for term, alternative in placed:
            if term.host is None:
                anywhere.append((term, alternative))
                continue
            suffix = wildcard_suffix(term.host.name)
            group = exact[as_bytes(term.host.name)] if suffix is None else wildcard[as_bytes(suffix)]
            group.append((term, alternative))
        self._exact = {host: _paths(group) for host, group in exact.items()}
        self._wildcard = {parent: _paths(group) for parent, group in wildcard.items()}
        self._any = _paths(anywhere)
        self.first = min(index.first for index in (self._any, *self._exact.values(), *self._wildcard.values()))

    def find(self, head: RequestHead, found: Alternative[T] | None) -> Alternative[T] | None:
        """The best for this host."""
        index = self._exact.get(head.host)
        if index is not None:
            found = index.find(head, found)
        if self._wildcard:
            label, _, parent = head.host.partition(b".")
            index = self._wildcard.get(parent)
            if label and index is not None:
                found = index.find(head, found)
        if found is None or self._any.first < found.rank:
            return self._any.find(head, found)
        return found


def build_index(placed: Sequence[Placed[T]]) -> Index[T]:
    """The smallest index for these alternatives, which come in the order of their ranks."""
    return Hosts(placed) if any(term.host for term, _ in placed) else _paths(placed)


def _paths(placed: Sequence[Placed[T]]) -> Index[T]:
    if any(term.path for term, _ in placed):
        return Paths(placed)
    chain: Chain[T] = Chain()
    chain.alternatives = [alternative for _, alternative in placed]
    chain.first = chain.first_here()
    return chain
