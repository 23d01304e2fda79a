"""What a source of backends is: it publishes everything it knows, whole, and says when that has changed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from proxy.problem import Problem
from proxy.spec.container import Claim, ContainerReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a source knows at one moment.

    `is_complete`: everything there is was seen at least once. `observations` counts what the fleet was told directly:
    when it has grown the fleet may differ from the last Desired.
    """

    reports: tuple[ContainerReport, ...] = ()
    static: tuple[Claim, ...] = ()
    problems: tuple[Problem, ...] = ()  # of the source itself, not of a container
    is_connected: bool = True
    is_complete: bool = True
    observations: int = 0


class Source(Protocol):
    """Something that finds backends. Its task is owned by whoever calls `run`."""

    on_change: Callable[[], None]  # called in the loop after what is published has changed

    @property
    def name(self) -> str:
        """For people."""

    @property
    def published(self) -> Publication:
        """Everything it knows now."""

    async def run(self) -> None:
        """Watch, until cancelled."""


def nobody_listens() -> None:
    """The `on_change` of a source that nobody has asked to be told."""
