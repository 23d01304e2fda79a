"""How many client connections there may be: in total, so that descriptors never run out, and per address."""

import resource
from enum import Enum
from typing import Final

# Descriptors that no client has a claim on: the engine's socket, the admin server, logs, listeners, probes.
_OWN: Final = 128
_PER_CLIENT: Final = 2  # its connection and one to a backend


class Admission(Enum):
    """What becomes of a new connection."""

    ADMITTED = "admitted"
    TURNED_AWAY = "turned away"  # with a 503
    DROPPED = "dropped"  # without a word: so many are being turned away already


class Admissions:
    """Counts of connections. `most` and `most_per_client` bound them, None for no bound."""

    __slots__ = ("_by_client", "most", "most_per_client", "total")

    def __init__(self, most: int | None, most_per_client: int | None) -> None:
        self.limit(most)
        self.most_per_client = most_per_client
        self.total = 0
        self._by_client: dict[bytes, int] = {}

    def limit(self, most: int | None) -> None:
        """So many in total from now on; None: what the descriptors allow."""
        self.most = most if most is not None else connections_by_descriptors()

    def enter(self) -> Admission:
        """One more connection; each is to `leave`, whatever came of it."""
        self.total += 1
        return _judge(self.total, self.most)

    def enter_as(self, client: bytes) -> Admission:
        """Its address is known now."""
        if self.most_per_client is None:
            return Admission.ADMITTED
        count = self._by_client[client] = self._by_client.get(client, 0) + 1
        return _judge(count, self.most_per_client)

    def leave(self, client: bytes | None) -> None:
        """A connection is gone; None when its address was never known."""
        self.total -= 1
        if self.most_per_client is None or client is None:
            return
        left = self._by_client[client] - 1
        if left:
            self._by_client[client] = left
        else:
            del self._by_client[client]

    def __repr__(self) -> str:
        return f"<Admissions {self.total} of {self.most}>"


def connections_by_descriptors() -> int:
    """As many clients as there are descriptors for, each with a connection to a backend."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max((soft - _OWN) // _PER_CLIENT, 1)


def _judge(count: int, most: int) -> Admission:
    if count <= most:
        return Admission.ADMITTED
    return Admission.TURNED_AWAY if count <= most + max(most // 8, 1) else Admission.DROPPED
