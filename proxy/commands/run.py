"""`seawall run`: from the options to the App."""

import asyncio
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
from proxy.processes.takeover import inherit
from proxy.spec.config import Resolved


def run(options: Mapping[str, object]) -> None:
    """Serve until a signal. Raises ConfigurationError with every problem, and BindError."""
    uvloop.run(_serve(options, read(options)))


async def _serve(options: Mapping[str, object], configuration: Configuration) -> None:
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
    inheritance = await inherit(spec.takeover) if spec.takeover is not None else None
    await App(resolved, workers=spec.workers or usable_cores(), reread=reread, inheritance=inheritance).run()
