"""Static backends: `[SERVICE=]URL`, known from the start and never discovered.

Every static backend asks for the catch-all route of its service, as a container without route labels does, and counts
as started first. So one service of static backends takes every request, whatever it is called, and keeps doing so when
containers appear; of several, the first given takes every request and the others get a problem that says so. A
container of the same service that says which requests it wants says so for the static backends too: it is newer.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from proxy.spec.container import Claim
from proxy.spec.names import parse_host_name, parse_service_name
from proxy.spec.route import EVERYTHING, RouteSpec
from proxy.spec.rule import render
from proxy.spec.service import BackendKey, BackendSpec
from proxy.spec.service_keys import default_service
from proxy.spec.values import InvalidValueError, parse_port, shown

DEFAULT_SERVICE: Final = "default"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_EXAMPLE: Final = "write http://HOST:PORT, or SERVICE=http://HOST:PORT"
_FORM: Final = re.compile(r"(?:([^=/]*)=)?([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([^:]*))?", re.DOTALL)


def parse_static(text: str, defaults: Mapping[str, str] | None = None) -> Claim:
    """One static backend; InvalidValueError says what is wrong. `defaults` as in Surroundings."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise InvalidValueError(f"{shown(text)} is not a URL", _EXAMPLE)
    service, scheme, authority, tail = match.groups()
    name = DEFAULT_SERVICE if service is None else parse_service_name(service)
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise InvalidValueError(f"the scheme {shown(scheme)} is not one of http and https", _EXAMPLE)
    if "@" in authority:
        raise InvalidValueError("a backend's URL cannot carry a user or password", _EXAMPLE)
    if tail not in ("", "/"):
        raise InvalidValueError(f"a backend's URL cannot carry a path or query: {shown(tail)}", _EXAMPLE)
    host, port = _split(authority, _DEFAULT_PORTS[scheme])
    return _claim(name, scheme, host, port, defaults or {})


def _split(authority: str, default_port: int) -> tuple[str, int]:
    """Host, without brackets, and port."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise InvalidValueError(
            f"{shown(authority)} is not a host and port", "put an IPv6 address in brackets: [::1]:80"
        )
    host = parse_host_name(match[1]).strip("[]")
    return host, default_port if match[2] is None else parse_port(match[2])


def _claim(name: str, scheme: str, host: str, port: int, defaults: Mapping[str, str]) -> Claim:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Claim(
        service=replace(default_service(defaults), name=name),
        backend=BackendSpec(
            key=BackendKey(container=f"{scheme}://{authority}", host=host, port=port),
            name=authority,
            service=name,
            scheme=scheme,
        ),
        routes=(RouteSpec(rule=EVERYTHING, service=name, text=render(EVERYTHING)),),
    )
