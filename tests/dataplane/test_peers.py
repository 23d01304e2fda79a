"""One peer for all connections of an address, and never more of them than are kept."""

import ipaddress

import pytest

from proxy.dataplane.peers import KEPT, UNKNOWN, Peers
from proxy.wire.peer import Rules

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"),)


@pytest.fixture
def peers() -> Peers:
    return Peers(TRUSTED, Rules(max_fields=7))


def test_connections_of_an_address_share_a_peer(peers: Peers) -> None:
    assert peers.of("192.0.2.1") is peers.of("192.0.2.1")
    assert peers.of("192.0.2.1") is not peers.of("192.0.2.2")


@pytest.mark.parametrize(
    ("address", "trusted"),
    [("10.1.2.3", True), ("192.0.2.1", False), ("fe80::1%eth0", False), (UNKNOWN, False)],
)
def test_peer_is_trusted_by_its_network(peers: Peers, address: str, trusted: bool) -> None:
    peer = peers.of(address)
    assert (peer.address, peer.trusted, peer.max_fields) == (address.encode(), trusted, 7)


def test_flood_of_addresses_is_not_kept(peers: Peers) -> None:
    for number in range(3 * KEPT):
        peers.of(str(ipaddress.ip_address(0xC0000200 + number)))
        assert int(repr(peers).strip("<>").split()[1]) <= KEPT
