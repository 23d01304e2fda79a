"""Which requests go to a service: the rule as a tree of conditions, and the route that carries it."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Host:
    """The request's host, lower case, without port; `*.example.com` stands for exactly one more label in front."""

    name: str


@dataclass(frozen=True, slots=True)
class PathPrefix:
    """The path starts with these whole segments: `/api` holds for `/api` and `/api/x`, not for `/apix`."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Path:
    """The path, without the query, is exactly this."""

    path: str


@dataclass(frozen=True, slots=True)
class Header:
    """Some field line of this name (lower case) has exactly this value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Method:
    """The method, in upper case."""

    name: str


@dataclass(frozen=True, slots=True)
class Query:
    """Some query parameter `key` has exactly this value, compared as sent, without decoding."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    operand: "Rule"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every operand holds; with no operand, always true."""

    operands: tuple["Rule", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one operand holds."""

    operands: tuple["Rule", ...]


Condition: TypeAlias = Host | PathPrefix | Path | Header | Method | Query
Rule: TypeAlias = Condition | Not | AllOf | AnyOf

EVERYTHING = AllOf(())


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSpec:
    """Requests for which `rule` holds go to `service`.

    `priority` None stands for specificity. `started` is when the first container that asked for it started, seconds
    since the epoch: of two equal routes the older one keeps the requests.
    """

    rule: Rule
    service: str
    priority: int | None = None
    started: float = 0.0
    text: str = ""  # as the operator wrote it, for people
