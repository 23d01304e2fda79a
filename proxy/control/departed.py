"""Services whose last container has gone, kept for a while.

Without this a route would be gone with its service while a container restarts, and clients would get 404, or another
service's answer, instead of 503 with Retry-After. Pure: time is an argument.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from proxy.spec.desired import Desired
from proxy.spec.route import RouteSpec
from proxy.spec.rule import meaning
from proxy.spec.service import ServiceSpec

KEPT: Final = 60.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """A service without containers, its routes, and until when it is kept, in monotonic seconds."""

    service: ServiceSpec
    routes: tuple[RouteSpec, ...]
    until: float


def departed_now(before: Desired, desired: Desired, departed: Iterable[Departed], now: float) -> tuple[Departed, ...]:
    """Those still to be kept: the services of `before` that are no more, and earlier ones whose time is not over."""
    present = {service.name for service in desired.services}
    kept = {one.service.name: one for one in departed if one.until > now and one.service.name not in present}
    for service in before.services:
        if service.name not in present and service.name not in kept:
            routes = tuple(route for route in before.routes if route.service == service.name)
            kept[service.name] = Departed(service=service, routes=routes, until=now + KEPT)
    return tuple(kept.values())


def with_departed(desired: Desired, departed: Iterable[Departed]) -> Desired:
    """Desired with the departed services in it. What a live service asks for is not kept from it."""
    taken = {(meaning(route.rule), route.priority) for route in desired.routes}
    services = list(desired.services)
    routes = list(desired.routes)
    for one in departed:
        free = [route for route in one.routes if (meaning(route.rule), route.priority) not in taken]
        if free:
            services.append(one.service)
            routes.extend(free)
    return replace(desired, services=tuple(services), routes=tuple(routes))
