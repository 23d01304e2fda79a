"""`seawall run`: from the options to the App."""

import asyncio
import socket
from collections.abc import Mapping

import structlog
import uvloop

from proxy import logs
from proxy.app import App
from proxy.commands.configuration import Configuration, read
from proxy.commands.own_labels import resolve_with_labels
from proxy.commands.problems import has_errors
from proxy.errors import ConfigurationError
from proxy.processes.cores import usable_cores
from proxy.processes.successor import take_connection
from proxy.processes.takeover import Inheritance, inherit, inherit_from
from proxy.spec.config import Resolved


def run(options: Mapping[str, object]) -> None:
    """Serve until a signal. Raises ConfigurationError with every problem, and BindError."""
    predecessor = take_connection()  # first of all: it is no setting
    uvloop.run(_serve(options, read(options), predecessor))


async def _serve(
    options: Mapping[str, object], configuration: Configuration, predecessor: socket.socket | None
) -> None:
    async def reread() -> Resolved:
        return await resolve_with_labels(await asyncio.to_thread(read, options))

    resolved = await resolve_with_labels(configuration)
    if has_errors(resolved.problems):
        raise ConfigurationError(resolved.problems)
    logs.configure(resolved.spec.log_format)
    log = structlog.get_logger("seawall")
    for problem in resolved.problems:
        log.warning("problem", kind=problem.kind, where=problem.where, what=problem.what, hint=problem.hint)
    spec = resolved.spec
    inheritance = await _inherit(spec.takeover, predecessor)
    await App(resolved, workers=spec.workers or usable_cores(), reread=reread, inheritance=inheritance).run()


async def _inherit(path: str | None, predecessor: socket.socket | None) -> Inheritance | None:
    """What another proxy hands over: the one that has started this one, or whoever listens at the path."""
    if predecessor is not None:
        return await inherit_from(predecessor)
    return await inherit(path) if path is not None else None
