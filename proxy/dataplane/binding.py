"""Listening sockets: bound here, whoever accepts from them."""

import socket
from typing import Final

from proxy.errors import BindError

BACKLOG: Final = 4096


def bind(host: str, port: int, shared: bool = False) -> socket.socket:
    """A TCP socket that listens; for an empty host one that takes IPv6 and IPv4, or IPv4 where there is no IPv6.

    `shared`: others may be bound to the same address, and the kernel spreads clients over them (SO_REUSEPORT). Raises
    BindError, which says which address and why.
    """
    where = f"{host or '*'}:{port}"
    try:
        if host:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            return _listening(family, (host, port), dual=False, shared=shared)
        if socket.has_dualstack_ipv6():
            return _listening(socket.AF_INET6, ("::", port), dual=True, shared=shared)
        return _listening(socket.AF_INET, ("0.0.0.0", port), dual=False, shared=shared)
    except OSError as error:
        raise BindError(
            f"cannot listen on {where}: {error.strerror or error} (is another process using it? try --listen :0)"
        ) from error


def bind_several(host: str, port: int, count: int) -> list[socket.socket]:
    """So many sockets of one address. Raises BindError, also when another process shares its own socket there."""
    if count == 1:
        return [bind(host, port)]
    with bind(host, port) as first:  # by itself, since sharing would not notice somebody else who shares
        port = first.getsockname()[1]
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            sockets.append(bind(host, port, shared=True))  # noqa: PERF401  # those before one that fails are closed
    except BaseException:
        for each in sockets:
            each.close()
        raise
    return sockets


def _listening(family: int, address: tuple[str, int], dual: bool, shared: bool) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        listening.bind(address)
        listening.listen(BACKLOG)  # whoever comes before it is served waits and is not refused
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening
