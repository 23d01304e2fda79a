"""The configuration with the labels of the proxy's own container, which only the engine knows."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from proxy.commands.configuration import Configuration
from proxy.control.discovery.docker_api import DockerEngine
from proxy.control.discovery.own_container import find_own_container, possible_own_ids
from proxy.errors import EngineError
from proxy.problem import Problem, Severity
from proxy.spec import kinds
from proxy.spec.config import Resolved

PATIENCE: Final = 3.0  # seconds; an engine that hangs must not keep the proxy from starting


async def resolve_with_labels(configuration: Configuration) -> Resolved:
    """The settings with own labels where there are any. An engine that does not answer makes a warning, no more."""
    before = configuration.resolve()
    possible_ids = possible_own_ids()
    if before.spec.docker is None or not possible_ids:
        return before
    try:
        labels = await _ask(before.spec.docker, possible_ids)
    except EngineError as error:
        problem = Problem(
            kind=kinds.ENGINE_UNREACHABLE,
            where=before.spec.docker,
            what=f"labels of the proxy's own container, if any, are not known: {error}",
            severity=Severity.WARNING,
        )
        return replace(before, problems=(*before.problems, problem))
    return configuration.resolve(labels)


async def _ask(url: str, possible_ids: tuple[str, ...]) -> Mapping[str, str]:
    """None on a host."""
    engine = DockerEngine(url)
    try:
        async with asyncio.timeout(PATIENCE):
            own = await find_own_container(engine, possible_ids)
    except TimeoutError:
        raise EngineError(f"no answer within {PATIENCE:g} s") from None
    finally:
        await engine.close()
    return {} if own is None else own.labels
