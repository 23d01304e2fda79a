"""What the command line takes, refuses and says about itself."""

import re

import pytest

from proxy import __version__
from proxy.commands.options import HELP
from proxy.spec.settings import SETTINGS
from tests.cli.seawall import Seawall, end, start

# As the specification of labels has it, "Command line" and "Of the proxy itself"
OPTIONS = (
    *(
        "--config",
        "--listen",
        "--admin",
        "--admin-token",
        "--workers",
        "--pin-workers",
        "--takeover",
        "--docker",
        "--no-docker",
        "--constraint",
    ),
    *("--backend", "--expose-by-default", "--trusted-proxies", "--request-head-timeout", "--body-timeout"),
    *("--keep-alive-timeout", "--policy", "--default", "--drain", "--access-log", "--log-format"),
    *("--min-rate", "--max-head", "--max-target", "--max-fields", "--max-connections", "--max-connections-per-client"),
    *("--forwarded", "--request-id", "--sticky-secret", "--access-log-sample", "--otlp-endpoint", "--trace-sample"),
)
COMMANDS = ("run", "check", "demo", "healthcheck", "status", "drain", "undrain", "version")


def test_every_setting_has_an_option_with_its_own_text() -> None:
    assert sorted(HELP) == sorted(SETTINGS)


@pytest.mark.parametrize("command", ["run", "check"])
def test_help_lists_the_options_of_the_docs_and_no_others(seawall: Seawall, command: str) -> None:
    listed = re.findall(r"^  (?:-h, )?(--[a-z-]+)", seawall(command, "--help").out, re.MULTILINE)
    assert sorted(listed) == sorted((*OPTIONS, "--help"))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal_of_80_columns(seawall: Seawall, command: str) -> None:
    shown = seawall(*command.split(), "--help")
    assert shown.code == 0
    assert max(map(len, shown.out.splitlines())) <= 80


def test_help_names_every_command_uncut(seawall: Seawall) -> None:
    out = seawall("--help").out
    assert all(re.search(rf"^  {command}  +\S", out, re.MULTILINE) for command in COMMANDS)
    assert "..." not in out.partition("Commands:")[2]


def test_help_says_the_default_in_force(seawall: Seawall) -> None:
    out = " ".join(seawall("run", "--help").out.split())
    assert "[default: unix:///var/run/docker.sock]" in out
    assert "[default: least-connections]" in out
    assert "SEAWALL_CONFIG" in out


WRONG = {
    "no such command": ("serve",),
    "no such option": ("run", "--lisen", ":80"),
    "an option without its value": ("run", "--listen"),
    "an engine and none": ("run", "--docker", "unix:///a.sock", "--no-docker"),
    "an argument too many": ("check", "web"),
    "a rate that is no number": ("demo", "--rate", "many"),
    "a rate out of range": ("demo", "--rate", "-1"),
    "an option of run to healthcheck": ("healthcheck", "--listen", ":80"),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_wrong_usage_is_exit_2_and_says_why(seawall: Seawall, arguments: tuple[str, ...]) -> None:
    ended = seawall(*arguments)
    assert ended.code == 2
    assert "Error: " in ended.err
    assert "Traceback" not in ended.err


def test_no_command_shows_the_help(seawall: Seawall) -> None:
    ended = seawall()
    assert "Commands:" in ended.out + ended.err


@pytest.mark.parametrize("arguments", [("version",), ("--version",)])
def test_version_is_printed(seawall: Seawall, arguments: tuple[str, ...]) -> None:
    ended = seawall(*arguments)
    assert (ended.code, ended.out) == (0, f"seawall {__version__}\n")


async def test_module_is_the_command() -> None:
    version = await end(await start("version"))
    assert (version.code, version.out) == (0, f"seawall {__version__}\n")
    shown = await end(await start("--help"))
    assert shown.code == 0
    assert shown.out.startswith("Usage: seawall [OPTIONS] COMMAND")
