"""How a proxy hands its listening sockets to the next one on the same machine, of another version perhaps.

The next one asks the one that runs, over a Unix socket, and is given the sockets themselves (SCM_RIGHTS), and
what a new process cannot know. It serves beside the old one, says so, and only then does the old one drain: there is
always somebody who accepts, and a next one that fails has changed nothing.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from proxy.errors import BindError, SeawallError
from proxy.spec.proxy import Address, ListenAddress
from proxy.spec.service import BackendKey

MOST_SOCKETS: Final = 250  # the kernel takes 253 at once (unix(7))
PATIENCE: Final = 5.0  # seconds for each side to send what it has to
START_WITHIN: Final = 60.0  # seconds for the next one to serve
_LENGTH: Final = 4
_LONGEST: Final = 64 << 20  # bytes
_CREDENTIALS: Final = struct.Struct("3i")  # of the other side: pid, uid, gid
ASKING: Final = b"\x00"  # by one that was started, and has read its configuration
_SERVING: Final = b"\x01"


class Handover(msgspec.Struct, array_like=True, frozen=True):
    """What comes with the sockets: the address of each, as configured; the last is the admin server's.

    `available` are the addresses of backends that take requests, `drained` the names of those that the operator took
    out, `secret` that of the sticky cookies.
    """

    listening: tuple[ListenAddress, ...]
    admin: Address
    available: tuple[BackendKey, ...]
    drained: tuple[str, ...]
    secret: bytes


Give = Callable[[], tuple[Handover, Sequence[socket.socket]]]


class Inheritance:
    """What the next one was given. `conclude` is for when it serves, `close` for when it does not get so far."""

    def __init__(self, handover: Handover, sockets: Sequence[socket.socket], connection: socket.socket) -> None:
        self.handover = handover
        self.listening = list(zip(handover.listening, sockets, strict=False))
        self._admin = sockets[-1]
        self._connection = connection

    def admin(self, address: Address) -> socket.socket | None:
        """The admin server's socket, if it is for this address; else it is closed."""
        if address == self.handover.admin:
            return self._admin
        self._admin.close()
        return None

    async def conclude(self) -> None:
        """Let the old one go."""
        self._connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_sendall(self._connection, _SERVING)
        except OSError:
            pass  # it has gone by itself
        finally:
            self._connection.close()

    def close(self) -> None:
        """The old one goes on."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"<Inheritance {[address for address, _ in self.listening]}>"


async def inherit(path: str) -> Inheritance | None:
    """Ask whoever runs; None when nobody does.

    Raises BindError when nobody could listen at this path, SeawallError when who listens there does not hand over.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE)
    try:
        await asyncio.to_thread(connection.connect, path)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise BindError(f"cannot take over at {path}: {error.strerror or error}") from error
    return await _ask(connection, path)


async def inherit_from(connection: socket.socket) -> Inheritance:
    """Ask the proxy that has started this one. Raises SeawallError when it does not hand over."""
    connection.settimeout(PATIENCE)
    try:
        connection.sendall(ASKING)
    except OSError as error:
        connection.close()
        raise SeawallError("the proxy that has started this one has ended") from error
    return await _ask(connection, "the one that has started this one")


async def _ask(connection: socket.socket, where: str) -> Inheritance:
    try:
        return await asyncio.to_thread(_receive, connection)
    except (OSError, msgspec.DecodeError, EOFError) as error:
        connection.close()
        raise SeawallError(f"cannot take over at {where}: what runs there does not hand over ({error})") from error


class Giving:
    """The old one's side, to one after the other: two in its place would be one too many."""

    def __init__(self, give: Give, log: FilteringBoundLogger) -> None:
        self._give = give
        self._log = log
        self._turn = asyncio.Lock()

    async def to(self, connection: socket.socket) -> bool:
        """Hand over to one that asks; whether it serves now."""
        if not _is_trusted(connection):
            return False
        async with self._turn:
            handover, sockets = self._give()
            self._log.info("handing over", sockets=len(sockets))
            try:
                connection.settimeout(PATIENCE)
                await asyncio.to_thread(_send, connection, handover, sockets)
                connection.setblocking(False)
                async with asyncio.timeout(START_WITHIN):
                    said = await asyncio.get_running_loop().sock_recv(connection, 1)
            except (OSError, TimeoutError) as error:
                self._log.warning("not handed over", error=str(error) or "the next one does not serve in time")
                return False
        if said != _SERVING:
            self._log.warning("not handed over", error="the next one has ended before it served")
        return said == _SERVING

    def __repr__(self) -> str:
        return f"<Giving {'now' if self._turn.locked() else 'to nobody'}>"


def _is_trusted(connection: socket.socket) -> bool:
    """Whether the other side is the same user, or root."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return uid in (0, os.geteuid())


def _send(connection: socket.socket, handover: Handover, sockets: Sequence[socket.socket]) -> None:
    data = msgspec.msgpack.encode(handover)
    length = len(data).to_bytes(_LENGTH, "big")
    socket.send_fds(connection, [length], [each.fileno() for each in sockets])
    connection.sendall(data)


def _receive(connection: socket.socket) -> Inheritance:
    header, descriptors, _, _ = socket.recv_fds(connection, _LENGTH, MOST_SOCKETS)
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    try:
        length = int.from_bytes(header, "big")
        if len(header) < _LENGTH or length > _LONGEST:
            raise EOFError("it closed the connection")
        handover = msgspec.msgpack.decode(_read(connection, length), type=Handover)
        if len(sockets) != len(handover.listening) + 1:
            raise EOFError("it sent too few sockets")
    except BaseException:
        for each in sockets:
            each.close()
        raise
    return Inheritance(handover, sockets, connection)


def _read(connection: socket.socket, length: int) -> bytes:
    pieces = []
    while length:
        piece = connection.recv(min(length, 1 << 20))
        if not piece:
            raise EOFError("it closed the connection")
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
