"""The whole set asked for at one moment: what a reconcile brings the fleet to."""

from dataclasses import dataclass

from proxy.spec.route import RouteSpec
from proxy.spec.service import BackendSpec, ServiceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Every service, backend and route of this proxy.

    Names of services are unique; keys of backends are unique within a service, since a container may belong to several.
    """

    services: tuple[ServiceSpec, ...] = ()
    backends: tuple[BackendSpec, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
