"""Where a container is reached: which of its networks, which address. Never one at random."""

from dataclasses import dataclass
from typing import Final

from proxy.spec import kinds
from proxy.spec.container import Attachment, Container, Surroundings
from proxy.spec.values import shown

COMPOSE_PROJECT: Final = "com.docker.compose.project"
_LOOPBACK: Final = "127.0.0.1"
# Swarm's routing mesh: tasks with a published port are in it beside their own network, and are not meant to talk in it
_MESH: Final = "ingress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The outcome: `ip`, or the problem that left it empty. A problem beside an address is a warning."""

    ip: str = ""
    kind: str = ""
    what: str = ""
    hint: str = ""


def locate(container: Container, surroundings: Surroundings, wanted: str | None) -> Place:
    """The address to reach `container` at; `wanted` is the network its label names."""
    if container.host_network:
        return _in_host_network(surroundings)
    if wanted is not None:
        return _in_network(container, surroundings, wanted)
    candidates = [attachment for attachment in container.attachments if attachment.network != _MESH]
    if surroundings.networks is not None:
        shared = [attachment for attachment in candidates if attachment.network_id in surroundings.networks]
        if not shared:
            return Place(
                kind=kinds.NO_NETWORK,
                what=f"it shares no network with the proxy; it is in {_names(container.attachments)}",
                hint="attach one of the two to a network of the other",
            )
        candidates = shared
    if not candidates:
        return Place(
            kind=kinds.NO_NETWORK,
            what="it is in no network of its own (network mode none, or another container's)",
            hint="attach it to a network",
        )
    if len(candidates) > 1:
        return Place(
            kind=kinds.SEVERAL_NETWORKS,
            what=f"several networks lead to it: {_names(candidates)}",
            hint="name one with seawall.network",
        )
    return _at(candidates[0])


def _in_host_network(surroundings: Surroundings) -> Place:
    if surroundings.networks is None:
        return Place(ip=_LOOPBACK)
    return Place(
        kind=kinds.NO_NETWORK,
        what="it is in the host's network, which the proxy's container is not",
        hint="run the proxy in the host's network too, or give it as a static backend",
    )


def _in_network(container: Container, surroundings: Surroundings, wanted: str) -> Place:
    """By the network's name, or the name it has in the compose file of the container's project."""
    by_name = {attachment.network: attachment for attachment in container.attachments}
    project = container.labels.get(COMPOSE_PROJECT)
    attachment = by_name.get(wanted) or (by_name.get(f"{project}_{wanted}") if project else None)
    if attachment is None:
        return Place(
            kind=kinds.UNKNOWN_NETWORK,
            what=f"it is not in the network {shown(wanted)}",
            hint=f"it is in {_names(container.attachments)}",
        )
    place = _at(attachment)
    if place.kind or surroundings.networks is None or attachment.network_id in surroundings.networks:
        return place
    return Place(
        ip=place.ip,
        kind=kinds.FOREIGN_NETWORK,
        what=f"the proxy is not in the network {attachment.network}",
        hint="attach the proxy to it, unless it is reached another way",
    )


def _at(attachment: Attachment) -> Place:
    if attachment.ip:
        return Place(ip=attachment.ip)
    return Place(kind=kinds.NO_ADDRESS, what=f"it has no address in the network {attachment.network}")


def _names(attachments: tuple[Attachment, ...] | list[Attachment]) -> str:
    return ", ".join(sorted(attachment.network for attachment in attachments)) or "none"
