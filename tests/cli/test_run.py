"""`seawall run` until it serves; what it does then is in tests/integration/test_process.py."""

from pathlib import Path

import pytest

from proxy.commands import own_labels
from proxy.commands.configuration import read
from proxy.errors import EngineError
from proxy.problem import Severity
from tests.cli.seawall import Seawall
from tests.support.fake_engine import identity
from tests.support.http_engine import HttpEngine

OWN_ID = identity("seawall")


def test_all_mistakes_come_at_once_with_place_and_hint(seawall: Seawall, tmp_path: Path) -> None:
    file = tmp_path / "seawall.toml"
    file.write_text('lisen = [":80"]\ndrain = 5\n')
    ended = seawall(
        *("run", "--no-docker", "--listen", "80", "--config", str(file), "--default", "timeout.respons=5s"),
        SEAWALL_POLICY="ring",
        SEAWALL_LISTN=":80",
    )
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines() == [
        f"error: file {file}: lisen: there is no such key",
        "       did you mean listen?",
        "error: command line --listen: '80' is not an address to listen on",
        "       did you mean :80?",
        f"error: file {file}: drain: '5' has no unit",
        "       write 5ms, 5s, 5m or 5h",
        "error: command line --default: there is no service-level key 'timeout.respons'",
        "       did you mean timeout.response?",
        "error: environment SEAWALL_POLICY: 'ring' is not a policy",
        "       one of random, round-robin, least-connections",
        "warning: environment SEAWALL_LISTN: there is no such setting",
        "         did you mean SEAWALL_LISTEN?",
    ]


def test_broken_file_ends_it(seawall: Seawall, tmp_path: Path) -> None:
    ended = seawall("run", "--no-docker", SEAWALL_CONFIG=str(tmp_path / "none.toml"))
    assert ended.code == 2
    assert ended.err.startswith("error: environment SEAWALL_CONFIG: ")


# labels of the proxy's own container


@pytest.fixture
def in_own_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_labels, "possible_own_ids", lambda: (OWN_ID,))


def own_document(labels: dict[str, str]) -> dict[str, object]:
    return {
        "Id": OWN_ID,
        "Name": "/seawall",
        "State": {"Status": "running", "StartedAt": "2026-01-01T00:00:00Z"},
        "Config": {"Labels": labels},
    }


@pytest.mark.usefixtures("in_own_container")
async def test_labels_of_the_own_container_are_settings(tmp_path: Path) -> None:
    engine = HttpEngine(tmp_path / "engine.sock")
    engine.answers[f"/containers/{OWN_ID}/json"] = (200, own_document({"seawall.proxy.drain": "5s"}))
    await engine.start()
    try:
        resolved = await own_labels.resolve_with_labels(read({"docker": engine.url}, {}))
    finally:
        await engine.stop()
    assert resolved.spec.drain == 5.0
    assert resolved.origins["drain"] == "label seawall.proxy.drain"
    assert resolved.problems == ()


@pytest.mark.usefixtures("in_own_container")
async def test_engine_that_is_away_leaves_a_warning_and_everything_else(tmp_path: Path) -> None:
    options = {"docker": f"unix://{tmp_path}/none.sock", "drain": "5s"}
    resolved = await own_labels.resolve_with_labels(read(options, {}))
    (problem,) = resolved.problems
    assert problem.severity is Severity.WARNING
    assert "No such file" in problem.what
    assert resolved.spec.drain == 5.0


@pytest.mark.usefixtures("in_own_container")
async def test_engine_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_labels, "PATIENCE", 0.05)
    engine = HttpEngine(tmp_path / "engine.sock", silent={f"/containers/{OWN_ID}/json"})
    await engine.start()
    try:
        resolved = await own_labels.resolve_with_labels(read({"docker": engine.url}, {}))
    finally:
        await engine.stop()
    assert "no answer within" in resolved.problems[0].what


@pytest.mark.usefixtures("in_own_container")
async def test_nobody_is_asked_without_discovery(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> dict[str, str]:
        raise EngineError("asked")

    monkeypatch.setattr(own_labels, "_ask", refuse)
    assert (await own_labels.resolve_with_labels(read({"no-docker": True}, {}))).problems == ()
