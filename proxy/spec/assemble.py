"""The reports of all containers and the static backends, put together into what the fleet should be.

Laws: equal input gives an equal Desired, in whatever order the reports come. A service that has a backend has a route,
unless another service asked for the same requests before it.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from proxy.problem import Problem, Severity
from proxy.spec import kinds
from proxy.spec.container import Claim, ContainerReport
from proxy.spec.desired import Desired
from proxy.spec.route import RouteSpec
from proxy.spec.rule import meaning
from proxy.spec.service import BackendKey, BackendSpec, Lifecycle

_LEAVING: Final = frozenset({Lifecycle.DRAINING, Lifecycle.GONE})
_Age: TypeAlias = tuple[float, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The whole set asked for, and the problems that no single container shows (the others are in its report)."""

    desired: Desired
    problems: tuple[Problem, ...] = ()


class _Held:
    """A claim, and what it is ranked by.

    `age` ascends from the oldest: moment, place on the command line, container id. No two backends of one service and
    port share it.
    """

    __slots__ = ("age", "claim", "host_network", "key", "leaving", "static")

    def __init__(self, claim: Claim, order: int, host_network: bool = False, static: bool = False) -> None:
        backend = claim.backend
        self.claim = claim
        self.key = backend.key
        self.age: _Age = (backend.started, order, backend.key.container)
        self.leaving = backend.lifecycle in _LEAVING
        self.host_network = host_network
        self.static = static

    @property
    def where(self) -> str:
        """For a problem."""
        backend = self.claim.backend
        place = f"static backend {backend.key.container}" if self.static else f"container {backend.name}"
        return f"{place}, service {backend.service}"


def assemble(reports: Iterable[ContainerReport], static: Iterable[Claim] = ()) -> Assembly:
    """Put everything together. Equal input, in whatever order the reports come, gives an equal result."""
    held = [_Held(claim, order, static=True) for order, claim in enumerate(static)]
    after = len(held)
    for report in reports:
        held.extend(_Held(claim, after, report.container.host_network) for claim in report.claims)
    held.sort(key=lambda one: (one.age, one.claim.service.name, one.key.port))
    problems: list[Problem] = []
    held = _one_container_per_address(held, problems)
    services = _by_service(held, problems)
    routes = _settle_routes([route for members in services.values() for route in _routes(members)], problems)
    backends = [one.claim.backend for members in services.values() for one in members]
    desired = Desired(
        services=tuple(_newest(services[name]).claim.service for name in sorted(services)),
        backends=tuple(sorted(backends, key=_place)),
        routes=tuple(sorted(routes, key=lambda route: (route.service, route.text, route.priority or 0))),
    )
    return Assembly(desired=desired, problems=tuple(problems))


def _place(backend: BackendSpec) -> tuple[str, str, str, int, str]:
    key = backend.key
    return backend.service, backend.name, key.host, key.port, key.container


def _one_container_per_address(held: list[_Held], problems: list[Problem]) -> list[_Held]:
    """Of several containers at one address only one can be there.

    In a network of the engine that is the newest: an address is given again once its container is gone. In the host's
    network it is the oldest: it has the port, the others cannot bind it.
    """
    holders: dict[tuple[str, int], _Held] = {}
    for one in held:  # the oldest first
        if one.static:
            continue
        key = one.key
        holder = holders.get((key.host, key.port))
        if holder is None or _supersedes(one, holder):
            holders[key.host, key.port] = one
    kept = []
    for one in held:
        key = one.key
        holder = one if one.static else holders[key.host, key.port]
        if holder.key.container == key.container:
            kept.append(one)
        elif not one.leaving:
            what = f"container {holder.claim.backend.name} serves at {key.host}:{key.port} already"
            problems.append(
                Problem(kind=kinds.DUPLICATE_ADDRESS, where=one.where, what=what, hint="give one another port")
            )
    return kept


def _supersedes(newer: _Held, holder: _Held) -> bool:
    if newer.leaving or holder.leaving:
        return holder.leaving
    return not newer.host_network


def _by_service(held: list[_Held], problems: list[Problem]) -> dict[str, list[_Held]]:
    """The claims on each service, from the oldest; each backend of it once."""
    services: dict[str, dict[BackendKey, _Held]] = {}
    for one in held:
        members = services.setdefault(one.claim.service.name, {})
        if members.setdefault(one.claim.backend.key, one) is not one:
            problems.append(
                Problem(
                    kind=kinds.DUPLICATE_BACKEND,
                    where=one.where,
                    what="this backend is given twice; it counts once",
                    hint="leave one out",
                    severity=Severity.WARNING,
                )
            )
    return {name: list(members.values()) for name, members in services.items()}


def _newest(members: list[_Held]) -> _Held:
    """The one whose settings and routes the service has: of those that stay, the last to have started."""
    return max(members, key=lambda one: (not one.leaving, one.age))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A route that a service asks for, since when, and who asked."""

    route: RouteSpec
    age: _Age
    holder: _Held


def _routes(members: list[_Held]) -> list[_Wanted]:
    """The routes of the newest; each since the first container that asked for the same."""
    newest = _newest(members)
    wanted = []
    for route in newest.claim.routes:
        first = next(one for one in members if any(_same(route, other) for other in one.claim.routes))
        since = replace(route, started=first.claim.backend.started)
        wanted.append(_Wanted(since, first.age, newest))
    return wanted


def _same(one: RouteSpec, other: RouteSpec) -> bool:
    return (one.priority or 0) == (other.priority or 0) and one.rule == other.rule


def _settle_routes(wanted: list[_Wanted], problems: list[Problem]) -> list[RouteSpec]:
    """Of routes that mean the same with the same priority, the oldest of a service that stays."""
    owners: dict[tuple[Hashable, int], RouteSpec] = {}
    for one in sorted(wanted, key=lambda one: (one.holder.leaving, one.age, one.route.service)):
        route = one.route
        owner = owners.setdefault((meaning(route.rule), route.priority or 0), route)
        if owner is not route and not one.holder.leaving:
            problems.append(
                Problem(
                    kind=kinds.DUPLICATE_ROUTE,
                    where=one.holder.where,
                    what=f"service {owner.service} has the same route ({route.text}) and started first",
                    hint="give one of the two another host, path, rule or priority",
                )
            )
    return list(owners.values())
