"""Who may change something: one row per case."""

import pytest
from multidict import CIMultiDict

from proxy.admin.access import may_change

TOKEN = "s3cret"
LOCAL = {"Host": "127.0.0.1:9900"}

ALLOWED = {
    "loopback, no token set": ("127.0.0.1", LOCAL, None),
    "loopback, token set and not given": ("127.0.0.1", LOCAL, TOKEN),
    "loopback by name": ("127.0.0.1", {"host": "localhost:9900"}, None),
    "loopback of IPv6": ("::1", {"Host": "[::1]:9900"}, None),
    "loopback of IPv4 on a socket of both families": ("::ffff:127.0.0.1", LOCAL, None),
    "loopback, from our own page": ("127.0.0.1", {**LOCAL, "Origin": "http://127.0.0.1:9900"}, None),
    "loopback, credentials nobody asked for": ("127.0.0.1", {**LOCAL, "Authorization": "Bearer x"}, None),
    "the token from afar": ("10.0.0.9", {"Host": "seawall:9900", "Authorization": f"Bearer {TOKEN}"}, TOKEN),
    "the token, scheme in another case": ("10.0.0.9", {"authorization": f"bearer {TOKEN}"}, TOKEN),
}

REFUSED = {
    "from afar, no token set": ("10.0.0.9", LOCAL, None),
    "from afar, token not given": ("10.0.0.9", LOCAL, TOKEN),
    "from afar, wrong token": ("10.0.0.9", {"Authorization": "Bearer s3cre"}, TOKEN),
    "from afar, another scheme": ("10.0.0.9", {"Authorization": f"Basic {TOKEN}"}, TOKEN),
    "from afar, a token not in ASCII": ("10.0.0.9", {"Authorization": "Bearer \udcff"}, TOKEN),
    "from afar, no token set and none given": ("10.0.0.9", {"Authorization": "Bearer "}, None),
    "loopback, wrong token": ("127.0.0.1", {**LOCAL, "Authorization": "Bearer wrong"}, TOKEN),
    "forwarded by a proxy on this machine": ("127.0.0.1", {**LOCAL, "X-Forwarded-For": "10.0.0.9"}, None),
    "forwarded, by the standard field": ("127.0.0.1", {**LOCAL, "forwarded": "for=10.0.0.9"}, None),
    "forwarded, by Via": ("127.0.0.1", {**LOCAL, "Via": "1.1 seawall"}, None),
    "sent by a page of another site": ("127.0.0.1", {**LOCAL, "Origin": "http://evil.example"}, None),
    "sent by a page of another port": ("127.0.0.1", {**LOCAL, "Origin": "http://127.0.0.1:3000"}, None),
    "sent by a page without an origin": ("127.0.0.1", {**LOCAL, "Origin": "null"}, None),
    "a name made to resolve to this machine": (
        "127.0.0.1",
        {"Host": "evil.example:9900", "Origin": "http://evil.example:9900"},
        None,
    ),
    "a host that is none": ("127.0.0.1", {"Host": "[::1"}, None),
    "no host": ("127.0.0.1", {}, None),
    "no peer": ("", LOCAL, None),
}


@pytest.mark.parametrize(("peer", "headers", "token"), ALLOWED.values(), ids=ALLOWED)
def test_change_is_allowed(peer: str, headers: dict[str, str], token: str | None) -> None:
    assert may_change(peer, CIMultiDict(headers), token)


@pytest.mark.parametrize(("peer", "headers", "token"), REFUSED.values(), ids=REFUSED)
def test_change_is_refused(peer: str, headers: dict[str, str], token: str | None) -> None:
    assert not may_change(peer, CIMultiDict(headers), token)
