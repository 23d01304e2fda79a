"""X-Request-Id by table: whose id goes on, and that a client can neither choose nor lose it."""

import pytest

from proxy.wire.codec import parse_request
from proxy.wire.head import RequestHead
from proxy.wire.peer import Peer, Rules

pytestmark = pytest.mark.usefixtures("codec")
RULES = Rules(request_ids=b"00ff00ff00ff00ff")
CLIENT = Peer(b"192.0.2.7", rules=RULES)
TRUSTED = Peer(b"10.0.0.1", trusted=True, rules=RULES)
TRUSTED_WITHOUT = Peer(b"10.0.0.1", trusted=True)
OURS = b"00ff00ff00ff00ff000000000000002a"


def parsed(*lines: bytes, peer: Peer = CLIENT, number: int = 42) -> RequestHead:
    head = parse_request(b"\r\n".join((b"GET / HTTP/1.1", b"Host: a", *lines, b"", b"")), peer, number)
    assert isinstance(head, RequestHead), head
    return head


def ids(head: RequestHead) -> list[bytes]:
    """The lines of the head to forward that a backend could take for the request's id."""
    return [line for line in head.forward.split(b"\r\n") if b"request-id" in line.lower().replace(b"_", b"-")]


IDS = {
    "a client that gives none gets one of ours": ([], CLIENT, OURS),
    "what a client gives is replaced": ([b"X-Request-Id: mine"], CLIENT, OURS),
    "a client's underscores are replaced": ([b"x_request_id: mine", b"X-Request_ID: mine"], CLIENT, OURS),
    "23 a client cannot have it removed": ([b"Connection: X-Request-Id, close"], CLIENT, OURS),
    "a trusted peer's is kept": ([b"x-request-id:\tTheirs, \xe9 "], TRUSTED, b"Theirs, \xe9"),
    "a trusted peer's is kept when Connection names it": (
        [b"Connection: x-request-id", b"X-Request-Id: theirs"],
        TRUSTED,
        b"theirs",
    ),
    "a trusted peer's of 128 bytes is kept": ([b"X-Request-Id: " + b"x" * 128], TRUSTED, b"x" * 128),
    "a trusted peer's of 129 bytes is replaced": ([b"X-Request-Id: " + b"x" * 129], TRUSTED, OURS),
    "an empty one of a trusted peer is replaced": ([b"X-Request-Id: "], TRUSTED, OURS),
    "two of a trusted peer are replaced": ([b"X-Request-Id: a", b"X-Request-Id: a"], TRUSTED, OURS),
    "an empty one beside a good one counts as two": ([b"X-Request-Id:", b"X-Request-Id: a"], TRUSTED, OURS),
    "a trusted peer that gives none gets one of ours": ([], TRUSTED, OURS),
    "a trusted peer's is kept where none are made": ([b"X-Request-Id: theirs"], TRUSTED_WITHOUT, b"theirs"),
}


@pytest.mark.parametrize(("lines", "peer", "request_id"), IDS.values(), ids=IDS)
def test_request_goes_on_with_one_id(lines: list[bytes], peer: Peer, request_id: bytes) -> None:
    head = parsed(*lines, peer=peer)
    assert head.request_id == request_id
    assert ids(head) == [b"X-Request-Id: " + request_id]


WITHOUT = {
    "a client's goes": ([b"X-Request-Id: mine"], Peer(b"192.0.2.7")),
    "two of a trusted peer go": ([b"X-Request-Id: a", b"X-Request-Id: b"], TRUSTED_WITHOUT),
    "an empty one of a trusted peer goes": ([b"X-Request-Id:"], TRUSTED_WITHOUT),
    "none stays none": ([], Peer(b"192.0.2.7")),
}


@pytest.mark.parametrize(("lines", "peer"), WITHOUT.values(), ids=WITHOUT)
def test_where_no_ids_are_made_no_field_is(lines: list[bytes], peer: Peer) -> None:
    head = parsed(*lines, peer=peer)
    assert head.request_id == b""
    assert ids(head) == []


def test_underscores_of_a_trusted_peer_stay_beside_ours() -> None:
    head = parsed(b"X_Request_Id: theirs", peer=TRUSTED)
    assert ids(head) == [b"X_Request_Id: theirs", b"X-Request-Id: " + OURS]


NUMBERS = {
    "the first": (0, b"0" * 16),
    "all digits": (0x0123456789ABCDEF, b"0123456789abcdef"),
    "the last": (2**64 - 1, b"f" * 16),
}


@pytest.mark.parametrize(("number", "digits"), NUMBERS.values(), ids=NUMBERS)
def test_id_ends_with_the_number_of_the_request(number: int, digits: bytes) -> None:
    assert parsed(number=number).request_id == b"00ff00ff00ff00ff" + digits
