"""The cookie that keeps a client at one backend (RFC 6265): an opaque token per backend, which names no address."""

import re
from hashlib import blake2s
from typing import Final

from proxy.spec.service import BackendKey
from proxy.wire.head import RequestHead

TOKEN_LENGTH: Final = 16  # hex digits
SHORTEST_SECRET: Final = 16  # bytes; without a secret anybody could find the address to a token by trying all of them
_COOKIE: Final = re.compile(rb"\r\n(?i:cookie):([^\r]*)")
_EMPTY_LINE: Final = b"\r\n"


def read(head: RequestHead, name: bytes) -> bytes | None:
    """The value of the first cookie called `name`, without the quotes it may stand in; None when there is none.

    A client sends one Cookie field, but HTTP/2 splits it and gateways pass on several (RFC 9113 section 8.2.3). Names
    of cookies are case-sensitive (RFC 6265 section 5.3).
    """
    for line in _COOKIE.findall(head.raw):
        for pair in line.split(b";"):
            key, equals, value = pair.partition(b"=")
            if equals and key.strip(b" \t") == name:
                return _unquoted(value.strip(b" \t"))
    return None


def token(key: BackendKey, secret: bytes) -> bytes:
    """The token of a backend, 16 hex digits: the same wherever `secret`, of 16 to 32 bytes, is the same.

    Raises ValueError for a secret of any other length.
    """
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"a secret of {len(secret)} bytes can be guessed: it takes {SHORTEST_SECRET} to 32")
    identity = f"{key.container}\0{key.host}\0{key.port}".encode()
    return blake2s(identity, digest_size=TOKEN_LENGTH // 2, key=secret).hexdigest().encode("ascii")


def set_cookie(name: bytes, token: bytes, secure: bool) -> bytes:
    """The field line that gives a client its token, CRLF included; `secure` where the client speaks https."""
    attributes = b"; Path=/; HttpOnly; SameSite=Lax; Secure\r\n" if secure else b"; Path=/; HttpOnly; SameSite=Lax\r\n"
    return b"".join((b"Set-Cookie: ", name, b"=", token, attributes))


def insert(forward: bytes, line: bytes) -> bytes:
    """A response head with `line`, CRLF included, as its last field.

    The backend's own Set-Cookie lines stay as they are: they must not be joined into one (RFC 9110 section 5.3).
    """
    return b"".join((forward[: -len(_EMPTY_LINE)], line, _EMPTY_LINE))


def _unquoted(value: bytes) -> bytes:
    return value[1:-1] if len(value) > 1 and value[:1] == value[-1:] == b'"' else value
