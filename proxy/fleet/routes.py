"""The route table: which service a request goes to. Built whole when routes change, and never edited."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from proxy.fleet.conditions import compile_rule, prefix_segments
from proxy.fleet.route_index import Alternative, Index, Placed, build_index
from proxy.fleet.route_terms import Specificity, Term, terms_of
from proxy.spec.route import PathPrefix, RouteSpec, Rule
from proxy.wire.head import RequestHead

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEntry:
    """One place in the order of matching, for people.

    A route whose alternatives are not equally specific, such as a host and a wildcard, has a place for each degree.
    """

    rule: Rule
    text: str  # as the operator wrote it
    service: str
    priority: int | None
    position: int  # from 0; the smallest that holds wins


class RouteTable(Generic[T]):
    """What a request leads to.

    Of the alternatives that hold, the first by this order wins: greater priority (0 when none is given), longer path
    and of equal length the exact one, exact host before wildcard before any, more conditions, older, name of service.
    """

    __slots__ = ("_index", "entries")

    def __init__(self, index: Index[T], entries: tuple[RouteEntry, ...]) -> None:
        self._index = index
        self.entries = entries

    @classmethod
    def build(cls, routes: Iterable[RouteSpec], resolve: Callable[[str], T]) -> "RouteTable[T]":
        """The table of these routes; `resolve` gives what a service's name stands for."""
        places = sorted((place for route in routes for place in _places(route)), key=_Place.order)
        placed: list[Placed[T]] = []
        for position, place in enumerate(places):
            target = resolve(place.route.service)
            for term in place.terms:
                conditions = tuple(map(compile_rule, term.rest))
                prefix = prefix_segments(term.path.prefix) if isinstance(term.path, PathPrefix) else b""
                placed.append((term, Alternative(position, conditions, target, prefix)))
        entries = tuple(place.entry(position) for position, place in enumerate(places))
        return cls(build_index(placed), entries)

    def match(self, head: RequestHead) -> T | None:
        """What the request leads to, None when no route wants it."""
        found = self._index.find(head, None)
        return None if found is None else found.target

    def prefix_of(self, head: RequestHead) -> bytes:
        """The path prefix of the route that the request takes, empty when it has none. Matches anew."""
        found = self._index.find(head, None)
        return b"" if found is None else found.prefix

    def __repr__(self) -> str:
        return f"<RouteTable places={len(self.entries)} {type(self._index).__name__}>"


@dataclass(frozen=True, slots=True)
class _Place:
    """The equally specific terms of one route."""

    route: RouteSpec
    specificity: Specificity
    terms: list[Term]

    def order(self) -> tuple[int, tuple[int, ...], float, str, str]:
        less_specific = tuple(-degree for degree in self.specificity)
        return -(self.route.priority or 0), less_specific, self.route.started, self.route.service, self.route.text

    def entry(self, position: int) -> RouteEntry:
        route = self.route
        return RouteEntry(
            rule=route.rule, text=route.text, service=route.service, priority=route.priority, position=position
        )


def _places(route: RouteSpec) -> list[_Place]:
    by_specificity: dict[Specificity, list[Term]] = {}
    for term in terms_of(route.rule):
        by_specificity.setdefault(term.specificity, []).append(term)
    return [_Place(route, specificity, terms) for specificity, terms in by_specificity.items()]
