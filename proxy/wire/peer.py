"""Who sent a request, and the fields that tell a backend so: built once per client connection, not per request."""

import ipaddress
from collections.abc import Sequence

VIA = b"1.1 seawall"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Peer:
    """The client side of one connection.

    `address` is the client's IP as text. `trusted` peers are believed in what they say of X-Forwarded-*. `tail` is
    what ends a forwarded head when nothing the peer claimed has to be kept.
    """

    __slots__ = ("address", "scheme", "tail", "trusted")

    def __init__(self, address: bytes, trusted: bool = False, scheme: bytes = b"http") -> None:
        self.address = address
        self.trusted = trusted
        self.scheme = scheme
        self.tail = b"\r\n".join(
            (b"X-Forwarded-For: " + address, b"X-Forwarded-Proto: " + scheme, b"Via: " + VIA, b"", b"")
        )


def is_trusted(address: str, networks: Sequence[Network]) -> bool:
    """Whether an IP address (with or without an IPv6 zone) lies in one of the networks."""
    if not networks:
        return False
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return any((mapped or ip) in network for network in networks)
