"""The same head to both codecs, and what their answers differ in."""

import random
from typing import Final, Protocol

from proxy.failure import Failure
from proxy.wire import grammar, reference
from proxy.wire.head import RequestHead, ResponseHead
from proxy.wire.peer import Peer, Rules


class Codec(Protocol):
    """What both codecs' modules are."""

    def parse_request(self, raw: bytes, peer: Peer, number: int) -> RequestHead | Failure: ...
    def parse_response(
        self, raw: bytes, request: RequestHead, client_stays: bool, date: bytes
    ) -> ResponseHead | Failure: ...


TIGHT: Final = Rules(max_fields=3, max_target=9)
ADDING: Final = Rules(request_ids=b"0123456789abcdef", forwarded=True)
WIDEST: Final = Rules(max_fields=grammar.MOST_FIELDS, max_target=grammar.MOST_TARGET, forwarded=True)
PEERS: Final = (
    Peer(b"192.0.2.7"),
    Peer(b"192.0.2.7", rules=TIGHT),
    Peer(b"192.0.2.7", rules=ADDING),
    Peer(b"10.0.0.1", trusted=True, scheme=b"https"),
    Peer(b"2001:db8::1", trusted=True, rules=ADDING),
    Peer(b"10.0.0.1", trusted=True, rules=WIDEST),
)
UPGRADE: Final = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
NUMBERS: Final = (0, 1, 0x0123456789ABCDEF, 2**64 - 1)
DATE: Final = b"Wed, 25 Nov 2026 05:00:00 GMT"


def _asked(start: bytes, fields: bytes) -> RequestHead:
    head = reference.parse_request(start + b"\r\nHost: a\r\n" + fields + b"\r\n", PEERS[0], 0)
    assert isinstance(head, RequestHead)
    return head


STARTS: Final = (b"GET / HTTP/1.1", b"HEAD / HTTP/1.1", b"GET / HTTP/1.0", b"HEAD / HTTP/1.0")
ASKED: Final = tuple(_asked(start, fields) for start in STARTS for fields in (b"", UPGRADE))


def meaning(head: RequestHead | ResponseHead | Failure) -> object:
    """Everything about a result, for comparing two; types too, since True equals 1."""
    if not isinstance(head, RequestHead | ResponseHead):
        return head
    values = [getattr(head, name) for name in type(head).__slots__]
    return type(head), values, [type(value) for value in values]


class Comparison:
    """Compares the reference with another codec; `rng` chooses who sent a head, or what it answers."""

    def __init__(self, other: Codec) -> None:
        self._other = other
        self.accepted = 0

    def request(self, raw: bytes, rng: random.Random) -> str | None:
        """How the codecs differ about a request head, None when they agree."""
        peer, number = rng.choice(PEERS), rng.choice(NUMBERS)
        expected = reference.parse_request(raw, peer, number)
        other = self._other.parse_request(raw, peer, number)
        return self._difference(expected, other, f"peer={PEERS.index(peer)} number={number} {raw!r}")

    def response(self, raw: bytes, rng: random.Random) -> str | None:
        """How the codecs differ about a response head, None when they agree."""
        request, stays = rng.choice(ASKED), rng.random() < 0.5
        expected = reference.parse_response(raw, request, stays, DATE)
        other = self._other.parse_response(raw, request, stays, DATE)
        return self._difference(expected, other, f"{request!r} minor={request.minor} stays={stays} {raw!r}")

    def _difference(
        self, expected: RequestHead | ResponseHead | Failure, other: RequestHead | ResponseHead | Failure, case: str
    ) -> str | None:
        self.accepted += not isinstance(expected, Failure)
        if meaning(expected) == meaning(other):
            return None
        return f"{case}\n  reference {meaning(expected)}\n  other     {meaning(other)}"
