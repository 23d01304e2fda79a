"""Who may change something by the API: whoever has the token, or asks from this machine.

"From this machine" must mean a person or program there, so what only passes through it does not count: a request that
another proxy forwarded, or one that a web page made a browser send (cross-site, or by DNS rebinding).
"""

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "Via")


def may_change(peer: str, headers: Mapping[str, str], token: str | None) -> bool:
    """Whether this request may change something; `peer` is the address it came from.

    A token that is given must be the right one, wherever the request comes from: a mistake should show.
    """
    given = headers.get("Authorization")
    if given is not None and token is not None:
        return _is_token(given, token)
    return _is_loopback(peer) and _is_direct(headers)


def _is_token(given: str, token: str) -> bool:
    scheme, _, credentials = given.partition(" ")
    right = hmac.compare_digest(credentials.strip().encode("utf-8", "replace"), token.encode())
    return scheme.lower() == "bearer" and right


def _is_direct(headers: Mapping[str, str]) -> bool:
    """Nobody forwarded it, and no page of another site is behind it."""
    if any(name in headers for name in _FORWARDED):
        return False
    authority = headers.get("Host", "")
    if not _is_local_name(authority):
        return False
    origin = headers.get("Origin")
    return origin is None or origin == f"http://{authority}"


def _is_local_name(authority: str) -> bool:
    """A page whose name was made to resolve to this machine still sends its own name."""
    try:
        host = urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return False
    return host == "localhost" or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
