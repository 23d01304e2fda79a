"""Every entry of the peer table can be filled in, and what is missing is said."""

from pathlib import Path

import pytest

from benchmarks.rig import peers
from benchmarks.rig.peers import PEERS, Peer, choose_peers, fill, site_values, write_configuration


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_commands_and_configuration_name_only_values_that_a_run_has(peer: Peer, tmp_path: Path) -> None:
    values = site_values(tmp_path, [1001, 1002, 1003]) | dict(peer.values) | {"PORT": 1004, "ADMIN_PORT": 1005}
    if peer.configuration:
        values["CONFIGURATION"] = write_configuration(peer.configuration, tmp_path, values)
        assert "1003" in (tmp_path / peer.configuration).read_text()

    assert all(fill(word, values) for word in peer.command)


def test_unknown_placeholder_is_an_error() -> None:
    with pytest.raises(KeyError, match="PROT"):
        fill("listen @PROT@", {"PORT": 1})


def absent(*, optional: bool) -> Peer:
    return Peer(name="absent", command=("no-such-program",), install="apt-get install absent", optional=optional)


def test_missing_peer_stops_the_run_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS", (absent(optional=False),))

    with pytest.raises(SystemExit, match=r"missing: absent \(apt-get install absent\)"):
        choose_peers(None, tools=())


def test_missing_optional_peer_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "PEERS", (absent(optional=True),))

    assert choose_peers(None, tools=()) == []
    assert capsys.readouterr().err == "absent is left out: not installed (apt-get install absent)\n"


def test_missing_optional_peer_that_was_asked_for_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS", (absent(optional=True),))

    with pytest.raises(SystemExit, match="missing: absent"):
        choose_peers(["absent"], tools=())
