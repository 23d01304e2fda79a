"""One event of the engine, read from its JSON. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# Asked of the engine's side: a container's health check makes three exec events each time, which nobody here needs.
CONTAINER_ACTIONS: Final = frozenset(
    {"start", "kill", "oom", "die", "pause", "unpause", "rename", "update", "health_status", "destroy"}
)
NETWORK_ACTIONS: Final = frozenset({"connect", "disconnect"})
_ACTIONS: Final = {"container": CONTAINER_ACTIONS, "network": NETWORK_ACTIONS}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEvent:
    """What happened to one container.

    `network` is the id of the network it was connected to or disconnected from, else empty; `name` is empty where the
    event does not say it; `signal` is that of a kill, None where the engine does not say it.
    """

    action: str  # one of the two sets above, without details
    container: str  # id
    name: str = ""
    network: str = ""
    signal: int | None = None
    nanoseconds: int = 0  # since the epoch, by the engine's clock

    @property
    def time(self) -> float:
        """Seconds since the epoch, by the engine's clock."""
        return self.nanoseconds / 1e9


def read_event(document: object) -> EngineEvent | None:
    """The event; None when it is of no concern here or not in the engine's format."""
    if not isinstance(document, Mapping):
        return None
    kind = document.get("Type")
    # `health_status: healthy`: the detail is in the action's text.
    action = str(document.get("Action") or "").partition(":")[0]
    actor = document.get("Actor")
    if not isinstance(actor, Mapping) or action not in _ACTIONS.get(str(kind), ()):
        return None
    found = actor.get("Attributes")
    attributes: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    subject = str(actor.get("ID") or "")
    container = str(attributes.get("container") or "") if kind == "network" else subject
    if not container:
        return None
    return EngineEvent(
        action=action,
        container=container,
        name="" if kind == "network" else str(attributes.get("name") or ""),
        network=subject if kind == "network" else "",
        signal=_whole(attributes.get("signal")),
        nanoseconds=_whole(document.get("timeNano")) or (_whole(document.get("time")) or 0) * 1_000_000_000,
    )


def _whole(value: object) -> int | None:
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None
