"""One line of the engine's list of containers: enough to say whether its container must be inspected. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_LABEL_PREFIX: Final = "seawall."
_ENDED: Final = frozenset({"created", "exited", "dead", "removing"})
_DETAIL: Final = re.compile(r"\((?:healthy|unhealthy|health: starting|paused)\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A container as the list has it.

    `fingerprint` changes when the container was started, stopped, paused, renamed, connected or disconnected, or its
    health changed: its endpoint in each network is a new one at every start. It does not change with time, as the
    status text `Up 5 minutes` does. The list says nothing of stop signals and the moment of start.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    fingerprint: str
    is_of_concern: bool  # running, or ended and labelled for us: thousands of ended ones are none of our business


def read_listing(documents: Iterable[object]) -> list[Listed]:
    """The containers; what is not in the engine's format is left out."""
    return [listed for document in documents if (listed := _read(document)) is not None]


def _read(document: object) -> Listed | None:
    if not isinstance(document, Mapping) or not isinstance(document.get("Id"), str) or not document["Id"]:
        return None
    found = document.get("Labels")
    labels = {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}
    return Listed(
        id=document["Id"],
        name=_name(document),
        labels=labels,
        fingerprint=_fingerprint(document),
        is_of_concern=document.get("State") not in _ENDED
        or any(key.lower().startswith(_LABEL_PREFIX) for key in labels),
    )


def _name(document: Mapping[str, Any]) -> str:
    """Its own name; with links it also has others, `/other/alias`."""
    names = document.get("Names")
    own = [str(name)[1:] for name in names if str(name).count("/") == 1] if isinstance(names, list) else []
    return own[0] if own else document["Id"][:12]


def _fingerprint(document: Mapping[str, Any]) -> str:
    detail = _DETAIL.search(str(document.get("Status") or ""))
    parts = (document.get("Names"), document.get("State"), detail and detail[0], document.get("NetworkSettings"))
    return json.dumps(parts, sort_keys=True, default=str)
