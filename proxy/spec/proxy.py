"""What the operator asked of the proxy itself."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from proxy.spec.container import Claim
from proxy.spec.service import PolicyName

Address: TypeAlias = tuple[str, int]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class ListenAddress(NamedTuple):
    """Where requests are taken. With `proxy_protocol` every connection must begin by saying whose it is."""

    host: str
    port: int
    proxy_protocol: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySpec:
    """Every setting of the proxy itself, with the defaults it has in a process of the host.

    An empty host in an address stands for every address of both families; hosts are without brackets. `docker` None:
    no discovery. Durations are seconds. `defaults` are the service-level labels (without `seawall.`) that replace
    built-in defaults, `policy` among them; `policy` repeats the outcome for who needs it alone.
    """

    listen: tuple[ListenAddress, ...] = (ListenAddress("", 8080),)
    admin: Address = ("127.0.0.1", 9900)
    admin_token: str | None = field(default=None, repr=False)
    workers: int = 1
    pin_workers: bool = False
    takeover: str | None = None  # path of a Unix socket
    docker: str | None = "unix:///var/run/docker.sock"
    expose_by_default: bool = False
    constraints: tuple[tuple[str, str | None], ...] = ()  # (label key, value or None for any)
    backends: tuple[Claim, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    request_head_timeout: float = 10.0
    body_timeout: float = 60.0  # between bytes
    keep_alive_timeout: float = 75.0
    min_rate: int = 500  # 0 for no floor
    max_head: int = 32 * 1024
    max_target: int = 8 * 1024
    max_fields: int = 100
    max_connections: int | None = None  # None: what the descriptors allow
    max_connections_per_client: int | None = None
    forwarded: bool = False
    request_id: bool = True
    sticky_secret: bytes | None = field(default=None, repr=False)
    defaults: Mapping[str, str] = field(default_factory=dict)
    policy: PolicyName = PolicyName.LEAST_CONNECTIONS
    drain: float = 30.0
    access_log: str | None = None  # "json" or "combined"
    access_log_sample: float = 1.0  # share of the requests that neither failed nor were sent twice
    otlp_endpoint: str | None = None  # None: no tracing
    trace_sample: float = 1.0  # share of the requests without a trace that begin one
    log_format: str = "auto"  # "text", "json", or "auto": text on a terminal, JSON otherwise
