"""Who sent a request, and the fields that tell a backend so: built once per client connection, not per request."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proxy.wire import grammar

VIA = b"1.1 seawall"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for the requests of every peer: limits, and which fields are added.

    `max_fields` counts field lines, `max_target` bytes. `request_ids` is what the ids of this process begin with, 16
    hex digits, lower case; with none no request gets an id. `forwarded` adds Forwarded (RFC 7239) beside X-Forwarded-*.
    ValueError for what the codecs were not made for.
    """

    max_fields: int = grammar.MAX_FIELDS
    max_target: int = grammar.MAX_TARGET
    request_ids: bytes = b""
    forwarded: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.max_fields <= grammar.MOST_FIELDS:
            raise ValueError(f"max_fields={self.max_fields}: it is 1 to {grammar.MOST_FIELDS}")
        if not 1 <= self.max_target <= grammar.MOST_TARGET:
            raise ValueError(f"max_target={self.max_target}: it is 1 to {grammar.MOST_TARGET} bytes")
        if grammar.REQUEST_IDS.fullmatch(self.request_ids) is None:
            raise ValueError(f"request_ids={self.request_ids!r}: it is 16 hex digits in lower case, or nothing")


DEFAULT_RULES: Final = Rules()


class Peer:
    """The client side of one connection.

    `address` is the client's IP as text, `node` how Forwarded spells it, empty when that is not to be added. `trusted`
    peers are believed in what they say of Forwarded, X-Forwarded-* and the request's id. `tail` is what ends a
    forwarded head when nothing the peer claimed has to be kept. The rules lie here one by one, because the codecs read
    them with every request.
    """

    __slots__ = ("address", "max_fields", "max_target", "node", "request_ids", "scheme", "tail", "trusted")

    def __init__(
        self, address: bytes, trusted: bool = False, scheme: bytes = b"http", rules: Rules = DEFAULT_RULES
    ) -> None:
        self.address = address
        self.trusted = trusted
        self.scheme = scheme
        self.tail = b"\r\n".join(
            (b"X-Forwarded-For: " + address, b"X-Forwarded-Proto: " + scheme, b"Via: " + VIA, b"", b"")
        )
        self.max_fields = rules.max_fields
        self.max_target = rules.max_target
        self.request_ids = rules.request_ids
        self.node = _node(address.decode("latin-1")) if rules.forwarded else b""


def _node(address: str) -> bytes:
    """The `for` of an address; IPv6 goes in brackets and in quotation marks, without its zone (RFC 7239 section 6)."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return b"for=unknown"
    return (f"for={ip}" if ip.version == 4 else f'for="[{ip}]"').encode("ascii")


def is_trusted(address: str, networks: Sequence[Network]) -> bool:
    """Whether an IP address (with or without an IPv6 zone) lies in one of the networks."""
    if not networks:
        return False
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return any((mapped or ip) in network for network in networks)
