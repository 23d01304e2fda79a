"""What becomes of a running proxy's settings when they are read again: most are taken over, some only at a start."""

from dataclasses import dataclass, replace
from typing import Final

from proxy.spec.proxy import ProxySpec
from proxy.spec.settings import SETTINGS

# Sockets, processes, the engine's connection, what cookies are made with, where logs and traces go; and connections are
# counted per client or not from their start on.
_AT_START: Final = frozenset(
    (
        *("listen", "admin", "admin_token", "workers", "pin_workers", "takeover", "docker", "sticky_secret"),
        *("access_log", "access_log_sample", "otlp_endpoint", "trace_sample", "log_format"),
        *("max_connections_per_client",),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """`spec` is what holds from now on; `changed` are the keys taken over, `kept` those that need a new start."""

    spec: ProxySpec
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def reload(before: ProxySpec, wanted: ProxySpec) -> Reload:
    """From the settings that hold to those that were read."""
    keys = {setting.field: key for key, setting in SETTINGS.items()}
    differing = [field for field in keys if getattr(before, field) != getattr(wanted, field)]
    kept = {field: getattr(before, field) for field in differing if field in _AT_START}
    return Reload(
        spec=replace(wanted, **kept),
        changed=tuple(keys[field] for field in differing if field not in kept),
        kept=tuple(keys[field] for field in kept),
    )
