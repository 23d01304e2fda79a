"""The proxy's own settings as JSON values, each with where it came from. Secrets are never among them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from proxy.admin.words import address
from proxy.spec.config import DEFAULT_ORIGIN, Resolved
from proxy.spec.container import Claim
from proxy.spec.proxy import ListenAddress
from proxy.spec.service_keys import PROBE_HEADER
from proxy.spec.settings import SETTINGS

HIDDEN: Final = "(hidden)"


def settings_document(resolved: Resolved) -> dict[str, Any]:
    """By key of docs/labels.md: `value`, durations in seconds, and `origin`, e.g. `environment SEAWALL_LISTEN`.

    The value of `default` is a table of service-level labels, each again with its origin.
    """
    document = {}
    for key, setting in SETTINGS.items():
        shown = _SHOWN.get(key, _as_it_is)(getattr(resolved.spec, setting.field))
        document[key] = {"value": shown, "origin": resolved.origins.get(key, DEFAULT_ORIGIN)}
    document["default"]["value"] = {
        key: {"value": text, "origin": resolved.origins.get(f"default.{key}", DEFAULT_ORIGIN)}
        for key, text in document["default"]["value"].items()
    }
    return document


def _as_it_is(value: Any) -> Any:
    return value


def _defaults(defaults: Mapping[str, str]) -> dict[str, str]:
    """A field that probes send may be an Authorization."""
    return {key: HIDDEN if key.startswith(PROBE_HEADER) else text for key, text in defaults.items()}


def _addresses(addresses: tuple[ListenAddress, ...]) -> list[str]:
    return [
        address(host, port) + ("?proxy-protocol" if proxy_protocol else "") for host, port, proxy_protocol in addresses
    ]


def _constraints(constraints: tuple[tuple[str, str | None], ...]) -> list[str]:
    return [key if value is None else f"{key}={value}" for key, value in constraints]


def _backends(claims: tuple[Claim, ...]) -> list[str]:
    """As on the command line: the key of a static backend is its URL."""
    return [f"{claim.service.name}={claim.backend.key.container}" for claim in claims]


_SHOWN: Final[Mapping[str, Callable[[Any], Any]]] = {
    "listen": _addresses,
    "admin": lambda value: address(*value),
    "admin-token": lambda token: None if token is None else HIDDEN,
    "sticky-secret": lambda secret: None if secret is None else HIDDEN,
    "constraint": _constraints,
    "backend": _backends,
    "trusted-proxies": lambda networks: [str(network) for network in networks],
    "default": _defaults,
    "policy": lambda policy: policy.value,
}
