"""Reports and problems about what the engine could not or would not say. Pure."""

import signal
from dataclasses import replace
from typing import Final

from proxy.control.discovery.known import Known
from proxy.errors import EngineError
from proxy.problem import Problem, Severity
from proxy.spec import kinds
from proxy.spec.container import Container, ContainerReport, Decision
from proxy.spec.service import Lifecycle

_UNIX: Final = "unix://"
_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL})


def unreachable(url: str, error: EngineError) -> Problem:
    """The engine is lost."""
    return Problem(kind=kinds.ENGINE_UNREACHABLE, where=url, what=str(error), hint=_hint(url, error.__cause__))


def failed_inspect(known: Known, reason: str) -> ContainerReport:
    """What was known of the container stays, and a problem beside it; with nothing known it is not routed."""
    before = known.report
    keeps = before is not None and bool(before.claims)
    problem = Problem(
        kind=kinds.UNREADABLE,
        where=f"container {known.name}",
        what=f"it cannot be inspected: {reason}",
        hint="what was known of it before stays in force" if keeps else "see what docker inspect says of it",
        severity=Severity.WARNING if keeps else Severity.ERROR,
    )
    if before is not None and keeps:
        others = tuple(other for other in before.problems if other.kind != kinds.UNREADABLE)
        return replace(before, problems=(*others, problem))
    return ContainerReport(
        container=before.container if before is not None else _unknown(known),
        decision=Decision.PROBLEM,
        reason=problem.what,
        problems=(problem,),
    )


def _unknown(known: Known) -> Container:
    return Container(
        id=known.id,
        name=known.name,
        labels={},
        lifecycle=Lifecycle.GONE,
        started=0.0,
        ports=(),
        attachments=(),
        host_network=False,
        has_healthcheck=False,
        stop_signals=_ENDING,
        stop_timeout=0.0,
    )


def _hint(url: str, cause: BaseException | None) -> str:
    if isinstance(cause, PermissionError):
        return "run the proxy with a group that may use the socket: --group-add"
    if url.startswith(_UNIX) and isinstance(cause, FileNotFoundError):
        return (
            f"start the engine; in a container mount its socket: -v {url.removeprefix(_UNIX)}:/var/run/docker.sock:ro"
        )
    if isinstance(cause, ConnectionRefusedError):
        return "start the engine, or say where it is with --docker"
    return "what was found before stays in force; say where the engine is with --docker"
