"""Who sent a request: trust, and the rules for all peers, with their limits."""

import ipaddress

import pytest

from proxy.failure import Failure
from proxy.wire.codec import parse_request
from proxy.wire.head import RequestHead
from proxy.wire.peer import Peer, Rules, is_trusted

pytestmark = pytest.mark.usefixtures("codec")

TRUST = {
    "inside": ("10.1.2.3", True),
    "outside": ("192.0.2.1", False),
    "IPv4 mapped in IPv6": ("::ffff:10.1.2.3", True),
    "IPv6 with a zone": ("fe80::1%eth0", False),
}


@pytest.mark.parametrize(("address", "trusted"), TRUST.values(), ids=TRUST)
def test_trust_goes_by_network(address: str, trusted: bool) -> None:
    assert is_trusted(address, [ipaddress.ip_network("10.0.0.0/8")]) is trusted


@pytest.mark.parametrize("fields", [0, -1, 257])
def test_field_limit_the_codecs_were_not_made_for_is_refused(fields: int) -> None:
    with pytest.raises(ValueError, match=f"max_fields={fields}: it is 1 to 256"):
        Rules(max_fields=fields)


@pytest.mark.parametrize("size", [0, -1, 64 * 1024 + 1])
def test_target_limit_the_codecs_were_not_made_for_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"max_target={size}: it is 1 to 65536 bytes"):
        Rules(max_target=size)


@pytest.mark.parametrize("ids", [b"0123456789ABCDEF", b"0123", b"0123456789abcde\n", b"0123456789abcdef0", b"x" * 16])
def test_beginning_of_ids_that_is_not_16_hex_digits_is_refused(ids: bytes) -> None:
    with pytest.raises(ValueError, match="it is 16 hex digits in lower case, or nothing"):
        Rules(request_ids=ids)


def answer(rules: Rules, target: int, fields: int, trusted: bool = False) -> RequestHead | Failure:
    """What becomes of a request with a target of so many bytes and so many fields."""
    lines = [b"GET /" + b"x" * (target - 1) + b" HTTP/1.1", b"Host: a", *[b"X-Forwarded-For: b"] * (fields - 1)]
    return parse_request(b"\r\n".join((*lines, b"", b"")), Peer(b"192.0.2.7", trusted, rules=rules), 0)


LIMITS = {
    "few fields": (Rules(max_fields=2), 1, 2),
    "many fields": (Rules(max_fields=256), 1, 256),
    "a short target": (Rules(max_target=5), 5, 1),
    "a long target": (Rules(max_target=64 * 1024), 64 * 1024, 1),
}


@pytest.mark.parametrize(("rules", "target", "fields"), LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.http(70)
def test_70_limits_are_those_of_the_rules(rules: Rules, target: int, fields: int, trusted: bool) -> None:
    assert isinstance(answer(rules, target, fields, trusted), RequestHead)
    assert answer(rules, rules.max_target + 1, fields, trusted) is Failure.TARGET_TOO_LONG
    assert answer(rules, target, rules.max_fields + 1, trusted) is Failure.TOO_MANY_FIELDS


@pytest.mark.http(70)
def test_70_as_many_spans_as_there_can_be_are_written() -> None:
    # Every second line goes, so that none of the others joins its neighbour.
    lines = [b"Keep-Alive: 1" if index % 2 else b"A%d: b" % index for index in range(255)]
    raw = b"\r\n".join((b"GET / HTTP/1.1", b"Host: a", *lines, b"", b""))
    head = parse_request(raw, Peer(b"192.0.2.7", rules=Rules(max_fields=256)), 0)
    assert isinstance(head, RequestHead)
    assert head.forward.count(b"\r\nA") == 128


@pytest.mark.http(70)
def test_70_as_many_claims_as_there_can_be_are_written_with_all_of_ours() -> None:
    rules = Rules(max_fields=256, request_ids=b"0123456789abcdef", forwarded=True)
    ours = (b"Host: b", b"Connection: upgrade", b"Upgrade: " + b"a," * 16, b"TE: trailers", b"Max-Forwards: 7")
    claims = [b"Forwarded: for=c" if index % 2 else b"X-Forwarded-For: c" for index in range(250)]
    start = b"OPTIONS http://a?b HTTP/1.1"
    raw = b"\r\n".join((start, *ours, b"Content-Length: 1", *claims, b"", b""))
    head = parse_request(raw, Peer(b"10.0.0.1", trusted=True, rules=rules), 0)
    assert isinstance(head, RequestHead)
    assert head.forward.split(b"\r\n") == [
        b"OPTIONS /?b HTTP/1.1",
        b"Host: a",
        b"Content-Length: 1",
        b"Connection: upgrade, TE",
        b"Upgrade: " + b"a, " * 15 + b"a",
        b"TE: trailers",
        b"Max-Forwards: 6",
        b"X-Request-Id: 0123456789abcdef0000000000000000",
        b"Forwarded: " + b"for=c, " * 125 + b'for=10.0.0.1;host="a";proto=http',
        b"X-Forwarded-Host: a",
        b"X-Forwarded-For: " + b"c, " * 125 + b"10.0.0.1",
        b"X-Forwarded-Proto: http",
        b"Via: 1.1 seawall",
        b"",
        b"",
    ]
