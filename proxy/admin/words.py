"""How the admin server names things, the same in metrics and API."""

from typing import Final

from proxy.fleet.backend import Unavailable
from proxy.health.circuit import State
from proxy.spec.service import BackendKey

REASONS: Final = {reason: reason.name.lower() for reason in Unavailable}
"""Why a backend takes no new requests, as a slug."""

CIRCUIT_STATES: Final = {State.CLOSED: "closed", State.HALF_OPEN: "half-open", State.OPEN: "open"}


def address(host: str, port: int) -> str:
    """`10.0.0.1:80`, `[::1]:80`, `:80` for every host."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url(scheme: str, key: BackendKey) -> str:
    """Where a backend is reached: `http://10.0.0.1:80`."""
    return f"{scheme}://{address(key.host, key.port)}"


def status_class(index: int) -> str:
    """`2xx` for 2."""
    return f"{index}xx"
