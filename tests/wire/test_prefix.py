"""Forwarding below a prefix by table: what is left of a target, and what the backend is told was taken off."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.wire.codec import parse_request
from proxy.wire.head import RequestHead
from proxy.wire.peer import Peer
from proxy.wire.prefix import without_prefix

pytestmark = pytest.mark.usefixtures("codec")
CLIENT = Peer(b"192.0.2.7")
TRUSTED = Peer(b"10.0.0.1", trusted=True)


def parsed(target: bytes, *lines: bytes, peer: Peer = CLIENT, method: bytes = b"GET") -> RequestHead:
    head = parse_request(b"\r\n".join((method + b" " + target + b" HTTP/1.1", b"Host: a", *lines, b"", b"")), peer, 0)
    assert isinstance(head, RequestHead), head
    return head


def target_of(forward: bytes) -> bytes:
    return forward.partition(b" HTTP/1.1\r\n")[0].partition(b" ")[2]


def prefixes(forward: bytes) -> list[bytes]:
    """The values of the X-Forwarded-Prefix lines."""
    lines = [line.partition(b": ") for line in forward.split(b"\r\n")]
    return [value for name, _, value in lines if name.lower() == b"x-forwarded-prefix"]


SHORTENED = {
    "a path below it": (b"/api/users", b"/api", b"/users"),
    "the prefix itself": (b"/api", b"/api", b"/"),
    "the prefix with a slash": (b"/api/", b"/api", b"/"),
    "the query is kept": (b"/api/a?b=/api/c?d", b"/api", b"/a?b=/api/c?d"),
    "a query behind the prefix itself": (b"/api?b", b"/api", b"/?b"),
    "a prefix of two segments": (b"/api/v1/a", b"/api/v1", b"/a"),
    "a slash at the end of the prefix means nothing": (b"/api/a", b"/api/", b"/a"),
    "only once": (b"/api/api/a", b"/api", b"/api/a"),
    "21 nothing is decoded": (b"/api/%2f%2fevil/..//a\xe9", b"/api", b"/%2f%2fevil/..//a\xe9"),
    "two slashes become one, or it were an authority": (b"/api//evil.example/a", b"/api", b"/evil.example/a"),
    "any number of slashes becomes one": (b"/api////", b"/api", b"/"),
    "a backslash counts as one": (b"/api/\\evil.example", b"/api", b"/evil.example"),
    "19 absolute-form": (b"http://b/api/a?c", b"/api", b"/a?c"),
}


@pytest.mark.parametrize(("target", "prefix", "rest"), SHORTENED.values(), ids=SHORTENED)
def test_prefix_is_taken_off_and_told(target: bytes, prefix: bytes, rest: bytes) -> None:
    head = parsed(target)
    forward = without_prefix(head, prefix)
    lines = head.forward.replace(b" " + head.target + b" ", b" " + rest + b" ", 1)
    assert forward == lines[:-2] + b"X-Forwarded-Prefix: " + prefix.rstrip(b"/") + b"\r\n\r\n"


UNCHANGED = {
    "another path": (b"GET", b"/other", b"/api"),
    "no whole segment": (b"GET", b"/apis/a", b"/api"),
    "another case": (b"GET", b"/API/a", b"/api"),
    "the prefix in the query": (b"GET", b"/?/api", b"/api"),
    "two slashes at the beginning": (b"GET", b"//api/a", b"/api"),
    "an encoded one": (b"GET", b"/%61pi/a", b"/api"),
    "less than the prefix": (b"GET", b"/ap", b"/api"),
    "an asterisk": (b"OPTIONS", b"*", b"/api"),
    "an asterisk below everything": (b"OPTIONS", b"*", b"/"),
    "the prefix of everything": (b"GET", b"//a", b"/"),
    "no prefix": (b"GET", b"/a", b""),
}


@pytest.mark.parametrize(("method", "target", "prefix"), UNCHANGED.values(), ids=UNCHANGED)
def test_target_that_is_not_below_the_prefix_goes_on_unchanged(method: bytes, target: bytes, prefix: bytes) -> None:
    head = parsed(target, method=method)
    assert without_prefix(head, prefix) is head.forward


CLAIMS = {
    "a client's goes": (CLIENT, [b"X-Forwarded-Prefix: /evil"], b"/api"),
    "a trusted peer's comes first": (TRUSTED, [b"x-forwarded-prefix:\t/outer "], b"/outer/api"),
    "a slash at its end is not doubled": (TRUSTED, [b"X-Forwarded-Prefix: /outer/"], b"/outer/api"),
    "a slash alone is none": (TRUSTED, [b"X-Forwarded-Prefix: /"], b"/api"),
    "an empty one says nothing": (TRUSTED, [b"X-Forwarded-Prefix:"], b"/api"),
    "the first of several that says something": (
        TRUSTED,
        [b"X-Forwarded-Prefix: ", b"X-Forwarded-Prefix: /a", b"X-FORWARDED-PREFIX: /b"],
        b"/a/api",
    ),
}


@pytest.mark.parametrize(("peer", "lines", "value"), CLAIMS.values(), ids=CLAIMS)
def test_prefix_a_trusted_peer_took_off_comes_first(peer: Peer, lines: list[bytes], value: bytes) -> None:
    others = (b"Before: 1", b"Between: 2", b"Behind: 3")
    forward = without_prefix(
        parsed(b"/api/a", others[0], *lines[:1], others[1], *lines[1:], others[2], peer=peer), b"/api"
    )
    assert prefixes(forward) == [value]
    plain = without_prefix(parsed(b"/api/a", *others, peer=peer), b"/api")
    assert forward.replace(b"X-Forwarded-Prefix: " + value, b"X-Forwarded-Prefix: /api") == plain


def test_field_that_is_only_named_so_in_a_value_stays() -> None:
    forward = without_prefix(parsed(b"/api", b"A: x-forwarded-prefix: /b", peer=TRUSTED), b"/api")
    assert b"\r\nA: x-forwarded-prefix: /b\r\n" in forward
    assert prefixes(forward) == [b"/api"]


PIECES = st.lists(st.sampled_from([b"/", b"\\", b"api", b"..", b".", b"%2f", b"?", b"a", b"//"]), max_size=8).map(
    b"".join
)


@given(target=PIECES.map(lambda rest: b"/" + rest), prefix=PIECES.map(lambda rest: b"/" + rest))
@example(target=b"/api//evil", prefix=b"/api")
@example(target=b"/api/\\/evil", prefix=b"/api/")
@example(target=b"//api//evil", prefix=b"//api")
def test_rest_is_a_path_and_never_an_authority(target: bytes, prefix: bytes) -> None:
    head = parsed(target)
    forward = without_prefix(head, prefix)
    rest = target_of(forward)
    if forward is not head.forward:
        assert rest[:1] == b"/"
        assert rest[1:2] not in (b"/", b"\\")
        assert len(rest) <= len(target)
        assert rest.partition(b"?")[2] == target.partition(b"?")[2]
        assert target.startswith(prefix.rstrip(b"/"))
    again = parse_request(forward, TRUSTED, 0)
    assert isinstance(again, RequestHead)
    assert again.target == rest
