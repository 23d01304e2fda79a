"""A rule as alternatives: terms that an index can find by host and path, each with its own specificity.

The alternatives are those of the disjunctive normal form. Each ranks by itself, as if it were a route of its own: a
route for `example.com` and `*.example.com` is exact for the first and a wildcard for the others.
"""

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Final, NamedTuple

from proxy.fleet.conditions import as_bytes, normalise, prefix_segments, wildcard_suffix
from proxy.spec.route import AllOf, AnyOf, Host, Path, PathPrefix, Rule

MAX_TERMS: Final = 1000  # a rule with more alternatives is evaluated whole, without the help of an index


class Specificity(NamedTuple):
    """How closely a term describes a request; the greater wins."""

    path: int = 0  # characters; the slashes at a prefix's end do not count
    exact_path: bool = False
    host: int = 0  # 2 exact, 1 wildcard, 0 any
    conditions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Conditions that must all hold: one for the host and one for the path, for the index, and the rest."""

    host: Host | None
    path: Path | PathPrefix | None
    rest: tuple[Rule, ...]
    specificity: Specificity


def terms_of(rule: Rule) -> list[Term]:
    """The alternatives of a rule; none for a rule that cannot hold.

    A rule with more than MAX_TERMS of them comes as a single term. It ranks by what all its alternatives have at least.
    """
    normal = normalise(rule)
    if _count(normal) <= MAX_TERMS:
        return [_term(conditions) for conditions in dict.fromkeys(_expand(normal))]
    return [Term(host=None, path=None, rest=(normal,), specificity=_specificity(normal))]


def _count(rule: Rule) -> int:
    match rule:
        case AllOf(operands):
            return prod(map(_count, operands))
        case AnyOf(operands):
            return sum(map(_count, operands))
        case _:
            return 1


def _expand(rule: Rule) -> list[tuple[Rule, ...]]:
    match rule:
        case AllOf(operands):
            choices = product(*map(_expand, operands))
            return [tuple(dict.fromkeys(part for parts in choice for part in parts)) for choice in choices]
        case AnyOf(operands):
            return [parts for operand in operands for parts in _expand(operand)]
        case _:
            return [(rule,)]


def _term(conditions: tuple[Rule, ...]) -> Term:
    host = max((part for part in conditions if isinstance(part, Host)), key=_specificity, default=None)
    path = max((part for part in conditions if isinstance(part, Path | PathPrefix)), key=_index_value, default=None)
    rest = tuple(part for part in conditions if part not in (host, path))
    return Term(host=host, path=path, rest=rest, specificity=_specificity(AllOf(conditions)))


def _index_value(path: Path | PathPrefix) -> tuple[bool, int]:
    """An exact path leaves the index the fewest candidates, then a long prefix."""
    specificity = _specificity(path)
    return specificity.exact_path, specificity.path


def _specificity(rule: Rule) -> Specificity:
    match rule:
        case Host(name):
            return Specificity(host=2 if wildcard_suffix(name) is None else 1, conditions=1)
        case PathPrefix(prefix):
            return Specificity(path=len(prefix_segments(prefix)), conditions=1)
        case Path(path):
            return Specificity(path=len(as_bytes(path)), exact_path=True, conditions=1)
        case AllOf(operands):
            return _together([_specificity(operand) for operand in operands])
        case AnyOf(operands):
            return min(map(_specificity, operands), default=Specificity())
        case _:
            return Specificity(conditions=1)


def _together(parts: list[Specificity]) -> Specificity:
    path, exact_path = max(((part.path, part.exact_path) for part in parts), default=(0, False))
    return Specificity(
        path=path,
        exact_path=exact_path,
        host=max((part.host for part in parts), default=0),
        conditions=sum(part.conditions for part in parts),
    )
