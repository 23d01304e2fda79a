"""The PROXY protocol, versions 1 and 2: what a load balancer writes first to say whose connection it passes on.

Source: "The PROXY protocol", HAProxy Technologies, sections 2.1 (text) and 2.2 (binary). The header is mandatory where
it is asked for: with a choice, a client could write one of its own.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final

_V1: Final = b"PROXY "
_V1_LONGEST: Final = 107  # bytes, CRLF included (section 2.1)
_V2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED: Final = 16  # bytes before the addresses
_V2_LONGEST: Final = 4096  # of addresses and extensions; no sender in use comes near

_LOCAL, _PROXY = 0x20, 0x21  # version 2 and the command
_SIZES: Final = {0x11: 4, 0x21: 16}  # TCP over IPv4 and IPv6: bytes of one address


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A header that was read. `address` is the client's as text, None to keep that of the socket; `size` in bytes."""

    address: str | None
    size: int


class BadProxyHeaderError(ValueError):
    """The bytes are no PROXY header."""


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """The header that `data` begins with; None while it is not whole. Raises BadProxyHeaderError."""
    if data[:12] == _V2[: len(data)]:
        return _read_v2(data) if len(data) >= _V2_FIXED else None
    if data[:6] == _V1[: len(data)]:
        return _read_v1(data)
    raise BadProxyHeaderError("it begins like neither version")


def _read_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _V1_LONGEST)
    if end < 0:
        if len(data) >= _V1_LONGEST:
            raise BadProxyHeaderError("the line has no end")
        return None
    protocol, *rest = data[len(_V1) : end].split(b" ")
    if protocol == b"UNKNOWN":
        return ProxyHeader(None, end + 2)
    if protocol not in (b"TCP4", b"TCP6") or len(rest) != 4 or not all(map(_is_port, rest[2:])):
        raise BadProxyHeaderError("not PROXY TCP4 or TCP6 with two addresses and two ports")
    version = 4 if protocol == b"TCP4" else 6
    source, _ = (_address(text, version) for text in rest[:2])
    return ProxyHeader(source, end + 2)


def _is_port(text: bytes) -> bool:
    return text.isdigit() and len(text) <= 5 and (text == b"0" or text[:1] != b"0") and int(text) <= 65535


def _address(text: bytes, version: int) -> str:
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError as error:
        raise BadProxyHeaderError("not an IP address") from error
    if address.version != version or "%" in str(address):
        raise BadProxyHeaderError("an address of the other family, or with a zone")
    return str(address)


def _read_v2(data: bytes) -> ProxyHeader | None:
    command, family = data[12], data[13]
    length = int.from_bytes(data[14:16], "big")
    if command not in (_LOCAL, _PROXY):
        raise BadProxyHeaderError("neither LOCAL nor PROXY of version 2")
    if length > _V2_LONGEST:
        raise BadProxyHeaderError("too long")
    if len(data) < _V2_FIXED + length:
        return None
    size = _SIZES.get(family)
    if command == _LOCAL or size is None:  # what is unspecified, a datagram or a Unix socket has no address of use
        return ProxyHeader(None, _V2_FIXED + length)
    if length < 2 * size + 4:
        raise BadProxyHeaderError("shorter than its addresses")
    source = ipaddress.ip_address(data[_V2_FIXED : _V2_FIXED + size])
    return ProxyHeader(str(source), _V2_FIXED + length)
