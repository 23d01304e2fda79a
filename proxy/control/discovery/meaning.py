"""What an event means for a container: the table of docs/life-of-a-docker-event.md. Pure."""

from dataclasses import dataclass
from typing import Final

from proxy.control.discovery.event import EngineEvent
from proxy.spec.container import ContainerReport
from proxy.spec.service import Lifecycle


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What to do: observe tells the fleet at once, inspect asks the engine and then reconciles."""

    observe: Lifecycle | None = None
    inspect: bool = False
    forget: bool = False


NOTHING: Final = Meaning()
INSPECT: Final = Meaning(inspect=True)
FORGET: Final = Meaning(forget=True)
_OBSERVED: Final = {"pause": Lifecycle.PAUSED, "die": Lifecycle.GONE, "oom": Lifecycle.GONE}


def meaning(event: EngineEvent, report: ContainerReport | None, replayed: bool = False) -> Meaning:
    """What to do about the event, given what is known of its container.

    One that is replayed after a lost connection may be long over: it is a reason to look, not a fact.
    """
    if event.action == "destroy":
        return FORGET
    if report is None:
        return INSPECT
    what = _meaning(event, report)
    return INSPECT if replayed and what.observe else what


def _meaning(event: EngineEvent, report: ContainerReport) -> Meaning:
    container = report.container
    if event.action == "kill":
        if event.signal is None:
            return INSPECT
        if event.signal not in container.stop_signals or container.lifecycle in (Lifecycle.PAUSED, Lifecycle.GONE):
            return NOTHING
        return Meaning(observe=Lifecycle.DRAINING)
    if event.action == "disconnect":
        if container.lifecycle is Lifecycle.GONE:
            return NOTHING  # part of every end
        return Meaning(observe=Lifecycle.GONE, inspect=True) if _is_only_way(event.network, report) else INSPECT
    observed = _OBSERVED.get(event.action)
    return INSPECT if observed is None else Meaning(observe=observed)


def _is_only_way(network: str, report: ContainerReport) -> bool:
    """Whether every service of the container is reached through this network."""
    addresses = {attachment.ip for attachment in report.container.attachments if attachment.network_id == network}
    return bool(report.claims) and all(claim.backend.key.host in addresses for claim in report.claims)
