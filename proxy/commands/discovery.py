"""One look at a container engine, by the very source that `run` has: what it decides is what `run` would."""

import asyncio
import io
import logging
import random

import structlog
from structlog.typing import FilteringBoundLogger

from proxy.control.discovery.docker import DockerSource
from proxy.control.discovery.engine import Engine
from proxy.control.discovery.own_container import possible_own_ids
from proxy.control.discovery.source import Publication
from proxy.fleet.fleet import Fleet
from proxy.spec.container import Surroundings
from proxy.spec.proxy import ProxySpec


async def discover(engine: Engine, spec: ProxySpec) -> Publication:
    """Everything the engine has; or why it cannot be asked, among its problems. Closes the engine."""
    surroundings = Surroundings(
        expose_by_default=spec.expose_by_default, constraints=spec.constraints, defaults=spec.defaults
    )
    fleet = Fleet(random.Random())
    source = DockerSource(engine, fleet, surroundings, _silent_log(), possible_own_ids=possible_own_ids())
    changed = asyncio.Event()
    source.on_change = changed.set
    watching = asyncio.create_task(source.run())
    try:
        while not (source.published.is_complete or source.published.problems):
            changed.clear()
            await changed.wait()
        return source.published
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await engine.close()


def _silent_log() -> FilteringBoundLogger:
    """Discovery logs nothing that is critical."""
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(io.StringIO()), wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )
    return log
