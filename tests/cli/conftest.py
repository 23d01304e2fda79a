"""The command line as tests call it, untouched by what the machine's environment says."""

import os
from pathlib import Path

import pytest

from proxy.commands import configuration
from tests.cli.seawall import Seawall


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, no file in /etc, and not in a container, wherever the tests run."""
    for name in [name for name in os.environ if name.startswith("SEAWALL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(configuration.IN_CONTAINER, "false")
    monkeypatch.setattr(configuration, "DEFAULT_FILE", tmp_path / "etc" / "seawall.toml")


@pytest.fixture
def seawall() -> Seawall:
    return Seawall()
