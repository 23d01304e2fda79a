"""The parts of HTTP's grammar that both kinds of head share (RFC 9110 section 5, RFC 9112 sections 2 to 6)."""

import re
from typing import Final

MAX_HEAD: Final = 32 * 1024  # bytes, start line and empty line included
MAX_TARGET: Final = 8 * 1024
MAX_FIELDS: Final = 100
MOST_TARGET: Final = 64 * 1024  # that rules may allow requests
MOST_FIELDS: Final = 256
MAX_TRAILERS: Final = 8 * 1024
MAX_INTERIM: Final = 32  # 1xx responses to one request
MAX_LENGTH: Final = 2**63 - 1
MAX_PROTOCOLS: Final = 16  # in Upgrade fields
MAX_HOPS: Final = 10**9  # that Max-Forwards is read as; more count as these (RFC 9110 section 7.6.2)
MAX_REQUEST_ID: Final = 128  # bytes of one that a trusted peer made

REQUEST_IDS: Final = re.compile(rb"(?:[0-9a-f]{16})?")  # what the ids of one process begin with

TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9112 section 3.2.1; 8-bit bytes are no part of a URI but ordinary on the wire: they pass unchanged. No "#".
ORIGIN_FORM: Final = re.compile(rb'/[!"$-~\x80-\xff]*')
ABSOLUTE_FORM: Final = re.compile(rb'(?i:https?)://([^/?#@\s]+)(/[!"$-~\x80-\xff]*|\?[!"$-~\x80-\xff]*)?')
# RFC 3986 section 3.2.2: a registered name or IPv4 address, or an IPv6 address in brackets; then an optional port.
HOST: Final = re.compile(rb"([A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\])(?::([0-9]{0,5}))?")
PROTOCOL: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?")  # RFC 9110 section 7.8
# A list whose quotation marks close (RFC 9110 section 5.6.4): what is written behind it is not inside of them.
CLOSED_QUOTES: Final = re.compile(rb'(?:[^"]++|"(?:[^"\\]|\\.)*+")*+')

BARE_LF: Final = re.compile(rb"(?<!\r)\n")


def is_length(value: bytes) -> bool:
    """Content-Length is digits and nothing else, and fits 63 bits (RFC 9112 section 6.3)."""
    return value.isdigit() and len(value) <= 19 and int(value) <= MAX_LENGTH


def list_members(value: bytes) -> list[bytes]:
    """The members of a comma-separated field value, lower case, empty ones left out (RFC 9110 section 5.6.1)."""
    return [member for part in value.lower().split(b",") if (member := part.strip(b" \t"))]


def protocols_of(values: list[bytes]) -> list[bytes]:
    """The members of Upgrade fields, as sent: none when one is malformed or there are more than MAX_PROTOCOLS."""
    members = [member for value in values for part in value.split(b",") if (member := part.strip(b" \t"))]
    if len(members) > MAX_PROTOCOLS or not all(map(PROTOCOL.fullmatch, members)):
        return []
    return members


def is_http2(protocol: bytes) -> bool:
    """Whether a protocol is HTTP/2, whose tunnel would carry requests that nobody checks (RFC 9113 section 3.1)."""
    return protocol.partition(b"/")[0].lower() in (b"h2", b"h2c")


def hops_of(value: bytes) -> int | None:
    """How often a request may be forwarded, at most MAX_HOPS. None when it is not digits alone."""
    if not value.isdigit():
        return None
    digits = value.lstrip(b"0")
    return MAX_HOPS if len(digits) > 9 else int(digits or b"0")


def host_of(value: bytes) -> bytes | None:
    """The host of a Host field or an authority: lower case, without port. None when it is not one."""
    match = HOST.fullmatch(value)
    if match is None:
        return None
    port = match[2]
    if port and int(port) > 65535:
        return None
    return match[1].lower()
