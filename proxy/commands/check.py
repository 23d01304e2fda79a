"""`seawall check`: what the configuration is and where each value came from, and what becomes of every container.

An engine that does not answer is a problem, unless nobody asked for one and its socket does not exist: then it is said,
and static backends are all there is.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from proxy.commands.configuration import Configuration, read
from proxy.commands.discovery import discover
from proxy.commands.own_labels import resolve_with_labels
from proxy.commands.problems import has_errors, in_words
from proxy.commands.tables import make_console, show, show_containers, show_routes, show_settings
from proxy.control.discovery.docker_api import DockerEngine
from proxy.control.discovery.source import Publication
from proxy.errors import ConfigurationError
from proxy.fleet.routes import RouteTable
from proxy.problem import Problem
from proxy.spec import kinds
from proxy.spec.assemble import assemble
from proxy.spec.config import DEFAULT_ORIGIN, Resolved

FOUND_NOTHING: Final = 0
FOUND_A_PROBLEM: Final = 1
_UNIX: Final = "unix://"


def check(options: Mapping[str, object]) -> int:
    """Print everything to stdout; returns the exit code."""
    console = make_console()
    resolved, seen = asyncio.run(_look(read(options)))
    show_settings(console, resolved)
    if has_errors(resolved.problems):
        _show_problems(console, resolved.problems)
        show(console, "\nContainers are looked at once the configuration holds.")
        return ConfigurationError.exit_code
    # of an engine that does not answer, discovery says more
    problems = [problem for problem in resolved.problems if problem.kind != kinds.ENGINE_UNREACHABLE]
    problems.extend(_show_discovery(console, resolved, seen))
    assembly = assemble(seen.reports, resolved.spec.backends)
    problems.extend(assembly.problems)
    entries = RouteTable.build(assembly.desired.routes, lambda service: service).entries
    if entries:
        show_routes(console, entries, assembly.desired.backends)
    _show_problems(console, problems)
    return FOUND_A_PROBLEM if problems else FOUND_NOTHING


async def _look(configuration: Configuration) -> tuple[Resolved, Publication]:
    resolved = await resolve_with_labels(configuration)
    url = resolved.spec.docker
    if url is None or has_errors(resolved.problems):
        return resolved, Publication()
    return resolved, await discover(DockerEngine(url), resolved.spec)


def _show_discovery(console: Console, resolved: Resolved, seen: Publication) -> Sequence[Problem]:
    """Print what was found; returns the problems of it."""
    url = resolved.spec.docker
    if url is None:
        show(console, "Discovery is off: only static backends are served.\n")
        return ()
    if seen.problems and is_absent_by_default(url, resolved):
        show(console, f"No engine is at {url}, the default: run would serve static backends and keep looking for it.")
        show(console, "If there should be one, say where with --docker; if not, --no-docker says so.\n")
        return ()
    if not seen.problems:
        show_containers(console, seen.reports)
    return (*seen.problems, *(problem for report in seen.reports for problem in report.problems))


def is_absent_by_default(url: str, resolved: Resolved) -> bool:
    """Nobody asked for an engine, and none is here. One that is here and refuses is another matter."""
    if resolved.origins["docker"] != DEFAULT_ORIGIN or not url.startswith(_UNIX):
        return False
    return not Path(url.removeprefix(_UNIX)).exists()


def _show_problems(console: Console, problems: Sequence[Problem]) -> None:
    if not problems:
        show(console, "No problems.")
        return
    show(console, "1 problem:" if len(problems) == 1 else f"{len(problems)} problems:")
    for line in in_words(dict.fromkeys(problems)):
        show(console, f"  {line}")
