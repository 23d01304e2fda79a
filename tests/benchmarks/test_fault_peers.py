"""Every entry of the fault matrix can be filled in, passes its own checker, and has its reasons beside it."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.faults import peers
from benchmarks.faults.peers import CONFIGURATIONS, VARIANTS, Variant, check, choose_variants, is_installed, prepare
from benchmarks.rig.peers import Peer
from tests.spec.builders import report

ADDRESSES = [f"127.0.0.{number}" for number in range(11, 16)]
each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)


def site_values(folder: Path) -> dict[str, object]:
    return peers.site_values(folder, ADDRESSES, engine="unix:///engine.sock", scope_label="scope", scope="1")


@each_variant
def test_commands_and_configuration_name_only_values_that_a_run_has(variant: Variant, tmp_path: Path) -> None:
    command, values = prepare(variant, tmp_path, site_values(tmp_path))

    assert str(values["PORT"]) in " ".join([*command, *(path.read_text() for path in tmp_path.iterdir())])


@each_variant
def test_static_list_has_every_backend(variant: Variant, tmp_path: Path) -> None:
    prepare(variant, tmp_path, site_values(tmp_path))

    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert variant.labels or all(address in written for address in ADDRESSES)


@each_variant
def test_own_checker_accepts_the_configuration(variant: Variant, tmp_path: Path) -> None:
    if not is_installed(variant):
        pytest.skip(f"{variant.program} is not installed")

    assert check(variant, tmp_path, site_values(tmp_path)) is None


@pytest.mark.parametrize("labels", [peers.SEAWALL_LABELS, {**peers.SEAWALL_LABELS, **peers.SEAWALL_TUNED}])
def test_labels_of_seawall_have_no_mistake(labels: dict[str, str]) -> None:
    assert report(labels).problems == ()


def test_own_checker_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    haproxy = next(each for each in VARIANTS if each.name == "haproxy")
    if not is_installed(haproxy):
        pytest.skip("haproxy is not installed")
    monkeypatch.setattr(peers, "CONFIGURATIONS", tmp_path)
    (tmp_path / "haproxy.cfg").write_text("nonsense\n")
    folder = tmp_path / "run"
    folder.mkdir()

    assert "nonsense" in (check(haproxy, folder, site_values(folder)) or "")


@pytest.mark.parametrize("program", dict.fromkeys(each.program for each in VARIANTS))
def test_each_program_runs_with_defaults_and_tuned(program: str) -> None:
    assert [each.is_tuned for each in VARIANTS if each.program == program] == [False, True]


@pytest.mark.parametrize("path", sorted(CONFIGURATIONS.iterdir()), ids=lambda path: path.name)
def test_tuned_settings_have_a_reason(path: Path) -> None:
    """A line that the plain configuration does not have says why, or belongs to one above that does."""
    lines = path.read_text().splitlines()
    assert lines[0].startswith("#")
    if peers.TUNED not in path.name:
        return
    plain = (path.parent / path.name.replace(peers.TUNED, "")).read_text().splitlines()
    added = [line for line in lines if line not in plain and not line.strip().startswith("#")]
    explained = [line for line in added if re.search(r"\s# \S", line)]
    assert len(explained) >= len(added) / 3


def test_program_name_means_both_of_its_configurations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "is_installed", lambda _: True)

    assert names(choose_variants(["caddy", "nginx-tuned"])) == ["nginx-tuned", "caddy", "caddy-tuned"]


def test_peer_that_is_not_installed_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "VARIANTS", (absent("absent"), absent("absent-tuned")))

    assert choose_variants(None) == []
    assert capsys.readouterr().err == "left out, not installed: absent (apt-get install absent)\n"


def test_peer_that_was_asked_for_and_is_not_installed_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "VARIANTS", (absent("absent"),))

    with pytest.raises(SystemExit, match=r"missing: absent \(apt-get install absent\)"):
        choose_variants(["absent"])


def absent(name: str) -> Variant:
    return Variant(peer=Peer(name=name, command=("no-such-program",), install="apt-get install absent"))


def names(variants: Sequence[Variant]) -> list[str]:
    return [each.name for each in variants]
