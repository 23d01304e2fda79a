"""Forwarded (RFC 7239) by table: what we say of a peer, and what of its own claims stands before it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.codec import parse_request
from proxy.wire.head import RequestHead
from proxy.wire.peer import Peer, Rules
from tests.support.http_lines import rows

pytestmark = pytest.mark.usefixtures("codec")
RULES = Rules(forwarded=True)
CLIENT = Peer(b"192.0.2.7", rules=RULES)
TRUSTED = Peer(b"10.0.0.1", trusted=True, scheme=b"https", rules=RULES)
OURS = b'for=10.0.0.1;host="a";proto=https'
# A list of elements, of pairs, of a token and a token or a quoted string.
ELEMENT = re.compile(rb'(?:[^",]|"(?:[^"\\]|\\.)*")+')


def parsed(*lines: bytes, peer: Peer = CLIENT, host: bytes = b"a", start: bytes = b"GET / HTTP/1.1") -> RequestHead:
    head = parse_request(b"\r\n".join((start, b"Host: " + host, *lines, b"", b"")), peer, 0)
    assert isinstance(head, RequestHead), head
    return head


def forwarded(head: RequestHead) -> list[bytes]:
    """The values of the Forwarded lines of the head to forward."""
    lines = [line.partition(b": ") for line in head.forward.split(b"\r\n")]
    return [value for name, _, value in lines if name.lower() == b"forwarded"]


NODES = {
    "IPv4": (b"192.0.2.7", b"for=192.0.2.7"),
    "IPv6 in brackets and quotation marks": (b"2001:db8::1", b'for="[2001:db8::1]"'),
    "IPv6 in its shortest form": (b"2001:DB8:0:0::0:1", b'for="[2001:db8::1]"'),
    "IPv6 without its zone": (b"fe80::1%eth0", b'for="[fe80::1]"'),
    "no address": (b"unknown", b"for=unknown"),
    "what is no address": (b'a";x="b', b"for=unknown"),
}


@pytest.mark.parametrize(("address", "node"), NODES.values(), ids=NODES)
def test_peer_is_spelled_as_a_node(address: bytes, node: bytes) -> None:
    assert forwarded(parsed(peer=Peer(address, rules=RULES))) == [node + b';host="a";proto=http']


HOSTS = {
    "a port": (b"example.com:8080", b"GET / HTTP/1.1", b';host="example.com:8080"'),
    "IPv6": (b"[::1]:80", b"GET / HTTP/1.1", b';host="[::1]:80"'),
    "as sent": (b"EXAMPLE.com", b"GET / HTTP/1.1", b';host="EXAMPLE.com"'),
    "19 of absolute-form": (b"b", b"GET http://A:1/x HTTP/1.1", b';host="A:1"'),
    "17 none in HTTP/1.0": (b"", b"GET / HTTP/1.0", b""),
}


@pytest.mark.parametrize(("host", "start", "pair"), rows(HOSTS))
def test_authority_is_quoted(host: bytes, start: bytes, pair: bytes) -> None:
    assert forwarded(parsed(host=host, start=start)) == [b"for=192.0.2.7" + pair + b";proto=http"]


CLAIMS = {
    "25 those of a client go": (CLIENT, [b"Forwarded: for=1.1.1.1"], b'for=192.0.2.7;host="a";proto=http'),
    "a trusted peer's stands first": (
        TRUSTED,
        [b"forwarded:for=1.1.1.1;proto=http "],
        b"for=1.1.1.1;proto=http, " + OURS,
    ),
    "25 several lines are one list": (
        TRUSTED,
        [b"Forwarded: for=a, for=b", b"Accept: x", b'Forwarded: for="[::1]"'],
        b'for=a, for=b, for="[::1]", ' + OURS,
    ),
    "a claim that says nothing": (TRUSTED, [b"Forwarded:", b"Forwarded: \t"], OURS),
    "23 naming it cannot remove it": (TRUSTED, [b"Connection: forwarded", b"Forwarded: for=a"], b"for=a, " + OURS),
    "an escaped quotation mark": (TRUSTED, [b'Forwarded: a="b\\"c"'], b'a="b\\"c", ' + OURS),
    "a backslash that escapes nothing": (TRUSTED, [b'Forwarded: a=\\"b"'], b'a=\\"b", ' + OURS),
    "28 an open quotation mark would take ours in": (
        TRUSTED,
        [b'Forwarded: for="a', b"Forwarded: for=b"],
        b"for=b, " + OURS,
    ),
    "28 one that an escape leaves open": (TRUSTED, [b'Forwarded: for="a\\"'], OURS),
    "28 one at the end": (TRUSTED, [b'Forwarded: for=a"'], OURS),
    "28 a backslash at the end": (TRUSTED, [b'Forwarded: for="a\\'], OURS),
}


@pytest.mark.parametrize(("peer", "lines", "value"), rows(CLAIMS))
def test_claims_of_a_trusted_peer_are_continued(peer: Peer, lines: list[bytes], value: bytes) -> None:
    assert forwarded(parsed(*lines, peer=peer)) == [value]


def test_without_the_rule_claims_of_a_trusted_peer_pass_and_none_is_added() -> None:
    claims = (b'Forwarded: for="a', b"Forwarded: for=b")
    assert forwarded(parsed(*claims, peer=Peer(b"10.0.0.1", trusted=True))) == [b'for="a', b"for=b"]
    assert forwarded(parsed(*claims, peer=Peer(b"192.0.2.7"))) == []


@pytest.mark.http(70)
def test_70_as_many_claims_as_there_may_be_are_continued() -> None:
    both = (b"X-Forwarded-For: 1", b"Forwarded: for=1") * 127
    peer = Peer(b"10.0.0.1", trusted=True, rules=Rules(forwarded=True, max_fields=256))
    head = parsed(*both, peer=peer)
    assert forwarded(head) == [b"for=1, " * 127 + b'for=10.0.0.1;host="a";proto=http']
    assert head.forward.count(b"1, ") == 2 * 127


@given(
    host=st.lists(st.sampled_from([b"a", b'"', b"\\", b",", b";", b"=", b"%22", b"'", b"[::1]", b":80"]), max_size=5),
    claims=st.lists(st.lists(st.sampled_from([b"for=a", b'"', b"\\", b",", b";", b" "]), max_size=6), max_size=3),
)
@pytest.mark.http(28)
def test_28_nothing_breaks_out_of_the_quotation_marks(host: list[bytes], claims: list[list[bytes]]) -> None:
    lines = (b"Host: " + b"".join(host), *[b"Forwarded: " + b"".join(claim) for claim in claims])
    head = parse_request(b"\r\n".join((b"GET / HTTP/1.1", *lines, b"", b"")), TRUSTED, 0)
    if not isinstance(head, RequestHead):
        return
    (value,) = forwarded(head)
    assert ELEMENT.findall(value)[-1].strip() == b'for=10.0.0.1;host="%b";proto=https' % b"".join(host)
    assert ELEMENT.sub(b"", value).strip(b", ") == b""
