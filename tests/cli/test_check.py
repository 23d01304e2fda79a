"""`seawall check`: the configuration, the containers and their problems, and the exit code."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console

from proxy.commands.check import is_absent_by_default
from proxy.commands.configuration import read
from proxy.commands.discovery import discover
from proxy.commands.tables import show_containers
from proxy.spec.container import Decision
from proxy.spec.proxy import ProxySpec
from tests.cli.seawall import Ended, Seawall, end, start
from tests.support.fake_engine import FakeContainer, FakeEngine
from tests.support.http_engine import HttpEngine

GIVEN = {
    "listen": ":81",
    "admin": ":82",
    "admin-token": "s3cret",
    "workers": "1",
    "takeover": "none",
    "constraint": "com.example.stage=blue",
    "backend": "web=http://127.0.0.1:1",
    "trusted-proxies": "10.0.0.0/8",
    "request-head-timeout": "1s",
    "body-timeout": "2s",
    "keep-alive-timeout": "3s",
    "default": "timeout.response=5s",
    "policy": "random",
    "drain": "4s",
    "access-log": "json",
    "log-format": "text",
}
SHOWN = {"admin-token": "(hidden)", "default": "default timeout.response  5s"}


def test_every_option_is_shown_with_its_value_and_origin(seawall: Seawall) -> None:
    options = [part for key, value in GIVEN.items() for part in (f"--{key}", value)]
    ended = seawall("check", "--no-docker", "--expose-by-default", "--pin-workers", *options)
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert ended.code == 0, ended.out
    for key, value in GIVEN.items():
        expected = f"{key} {SHOWN.get(key, value)}" if key != "default" else "default timeout.response 5s"
        assert f"{expected} command line --{key}" in lines
    assert "expose-by-default true command line --expose-by-default" in lines
    assert "pin-workers true command line --pin-workers" in lines
    assert "docker none command line --no-docker" in lines
    assert "s3cret" not in ended.out
    assert "everything web 127.0.0.1:1" in lines
    assert lines[-1] == "No problems."


def test_repeatable_options_keep_every_value(seawall: Seawall) -> None:
    ended = seawall("check", "--no-docker", "--listen", ":81", "--listen", ":82", "--listen", "[::1]:83")
    assert ":81, :82, [::1]:83" in ended.out


def test_wrong_configuration_is_exit_2_with_settings_and_all_problems(seawall: Seawall) -> None:
    ended = seawall("check", "--listen", "80", "--drain", "5")
    assert ended.code == 2
    assert "2 problems:" in ended.out
    assert "command line --listen" in ended.out
    assert "command line --drain" in ended.out
    assert "once the configuration holds" in ended.out


def test_warning_is_a_problem_too(seawall: Seawall) -> None:
    ended = seawall("check", "--no-docker", SEAWALL_LISTN=":80")
    assert ended.code == 1
    assert "1 problem:\n  warning: environment SEAWALL_LISTN" in ended.out


def test_two_services_for_every_request_are_a_problem(seawall: Seawall) -> None:
    backends = ("--backend", "a=http://127.0.0.1:1", "--backend", "b=http://127.0.0.1:2")
    ended = seawall("check", "--no-docker", *backends)
    assert ended.code == 1
    assert "service a has the same route" in ended.out


# engines


def test_engine_that_was_asked_for_and_is_away_is_a_problem(seawall: Seawall, tmp_path: Path) -> None:
    ended = seawall("check", "--docker", f"unix://{tmp_path}/none.sock", "--backend", "http://127.0.0.1:1")
    assert ended.code == 1
    assert f"error: unix://{tmp_path}/none.sock: No such file or directory" in ended.out
    assert "everything" in ended.out  # what is static is shown all the same


def test_engine_may_be_absent_when_nobody_asked_for_one(tmp_path: Path) -> None:
    by_default, asked_for = read({}, {}).resolve(), read({"docker": "unix:///var/run/docker.sock"}, {}).resolve()
    absent, there = f"unix://{tmp_path}/none.sock", f"unix://{tmp_path}"
    assert is_absent_by_default(absent, by_default)
    assert not is_absent_by_default(there, by_default)
    assert not is_absent_by_default("tcp://127.0.0.1:1", by_default)
    assert not is_absent_by_default(absent, asked_for)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[HttpEngine]:
    engine = HttpEngine(tmp_path / "engine.sock")
    await engine.start()
    yield engine
    await engine.stop()


def run_containers(engine: HttpEngine, *containers: FakeContainer) -> None:
    engine.answers["/containers/json"] = (200, [container.listed() for container in containers])
    for container in containers:
        engine.answers[f"/containers/{container.id}/json"] = (200, container.inspected())


async def check(engine: HttpEngine) -> Ended:
    return await end(await start("check", "--docker", engine.url))


ENABLED = {"seawall.enable": "true", "seawall.service": "web"}


async def test_containers_are_shown_with_decision_and_reason(engine: HttpEngine) -> None:
    run_containers(
        engine,
        FakeContainer("database", {}, {"net": "10.0.0.3"}),
        FakeContainer("web-1", {**ENABLED, "seawall.host": "example.com"}, {"net": "10.0.0.2"}),
    )
    ended = await check(engine)
    assert ended.code == 0, ended
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    first = lines.index("CONTAINER DECISION WHY")
    assert lines[first + 1 : first + 3] == [
        "web-1 routed service web at http://10.0.0.2:80",
        "database ignored no seawall label",
    ]
    assert any("example.com" in line and line.endswith("web web-1") for line in lines)
    assert lines[-1] == "No problems."
    assert {request.method for request in engine.requests} == {"GET"}


async def test_problem_of_a_container_is_exit_1_with_its_hint(engine: HttpEngine) -> None:
    run_containers(
        engine,
        FakeContainer("web-1", {**ENABLED, "seawall.prot": "80"}, {"net": "10.0.0.2"}),
        FakeContainer("web-2", {**ENABLED, "seawall.port": "http"}, {"net": "10.0.0.3"}),
    )
    ended = await check(engine)
    assert ended.code == 1
    assert "2 problems:" in ended.out
    assert "warning: container web-1, label seawall.prot: there is no such label" in ended.out
    assert "did you mean seawall.port?" in ended.out
    assert "error: container web-2, label seawall.port: 'http' is not a port" in ended.out


async def test_discovery_uses_the_settings_of_the_proxy() -> None:
    engine = FakeEngine()
    engine.run("web-1", {})
    engine.run("other", {"seawall.enable": "true"})
    spec = ProxySpec(expose_by_default=True, constraints=(("stage", None),))
    engine.containers["web-1"].labels["stage"] = "blue"
    seen = await discover(engine, spec)
    decisions = {report.container.name: report.decision for report in seen.reports}
    assert decisions == {"web-1": Decision.ROUTED, "other": Decision.IGNORED}
    assert engine.calls[-1] == "close"


async def test_discovery_of_a_lost_engine_says_so_and_leaves_no_task() -> None:
    engine = FakeEngine(is_up=False)
    seen = await discover(engine, ProxySpec())
    assert [problem.where for problem in seen.problems] == [engine.url]
    assert engine.calls[-1] == "close"
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_terminal_gets_a_table_that_fits() -> None:
    engine = FakeEngine()
    engine.run("web-1")
    seen = await discover(engine, ProxySpec())
    output = io.StringIO()
    show_containers(Console(file=output, force_terminal=True, width=60, markup=False), seen.reports)
    assert "routed" in output.getvalue()
    assert "\x1b[" in output.getvalue()
