"""The engine's `GET /containers/{id}/json` read into a Container.

Law: a document that is not in the engine's format raises ValueError that says where; nothing is guessed.
"""

import ipaddress
import re
import signal
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from proxy.spec.container import Attachment, Container
from proxy.spec.service import Lifecycle
from proxy.spec.values import shown

T = TypeVar("T")

_STOP_TIMEOUT: Final = 10.0  # seconds, the engine's own default
_FOREVER: Final = 86_400.0  # a stop timeout of -1 waits for ever; a finite number can be written in any format
_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL})
_EXPOSED: Final = re.compile(r"([0-9]{1,5})(?:/(tcp|udp|sctp))?")
_REAL_TIME: Final = re.compile(r"RT(MIN|MAX)(?:([+-])([0-9]{1,2}))?")
_LAST_SIGNAL: Final = 64
_HEALTH: Final = {"starting": Lifecycle.PENDING, "unhealthy": Lifecycle.UNHEALTHY}


def read_container(document: Mapping[str, Any]) -> Container:
    """The facts of one container; ValueError says where in the document and what is wrong with it."""
    state = _get(document, "State", dict)
    config = _get(document, "Config", dict)
    health = _get(_get(state, "Health", dict, "State", {}), "Status", str, "State.Health", "none")
    return Container(
        id=_text(document, "Id"),
        name=_text(document, "Name").removeprefix("/"),
        labels=_labels(config),
        lifecycle=_lifecycle(state, health),
        started=_moment(_get(state, "StartedAt", str, "State", "")),
        ports=_ports(config),
        attachments=_attachments(_get(document, "NetworkSettings", dict, default={})),
        host_network=_get(document, "HostConfig", dict, default={}).get("NetworkMode") == "host",
        has_healthcheck=health != "none",
        stop_signals=_ENDING | {_signal_number(_get(config, "StopSignal", str, "Config", "") or "SIGTERM")},
        stop_timeout=_stop_timeout(config),
    )


def _get(document: Mapping[str, Any], key: str, kind: type[T], where: str = "", default: T | None = None) -> T:
    """A member of this type; `default` when it is absent or null."""
    value = document.get(key) if isinstance(document, Mapping) else None
    place = f"{where}.{key}" if where else key
    if value is None:
        if default is None:
            raise ValueError(f"{place} is missing")
        return default
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise ValueError(f"{place} is {shown(str(value))}, not of type {kind.__name__}")
    return value


def _text(document: Mapping[str, Any], key: str) -> str:
    text = _get(document, key, str)
    if not text.strip("/"):
        raise ValueError(f"{key} is empty")
    return text


def _labels(config: Mapping[str, Any]) -> dict[str, str]:
    labels: dict[str, Any] = _get(config, "Labels", dict, "Config", {})
    for key, value in labels.items():
        if not isinstance(value, str):
            raise ValueError(f"Config.Labels.{key} is {shown(str(value))}, not of type str")
    return labels


def _lifecycle(state: Mapping[str, Any], health: str) -> Lifecycle:
    """One of PENDING, RUNNING, UNHEALTHY, PAUSED, GONE; DRAINING is known from events only."""
    status = _get(state, "Status", str, "State")
    if status == "paused" or (status == "running" and state.get("Paused") is True):
        return Lifecycle.PAUSED
    if status != "running":
        return Lifecycle.GONE
    return _HEALTH.get(health, Lifecycle.RUNNING)


def _moment(text: str) -> float:
    """RFC 3339 with nanoseconds to seconds since the epoch; the engine's zero time, year 1, and nothing to 0."""
    if not text:
        return 0.0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"State.StartedAt is {shown(text)}, not a time") from None
    if moment.tzinfo is None:
        raise ValueError(f"State.StartedAt is {shown(text)}, without a time zone")
    return 0.0 if moment.year < 1970 else moment.timestamp()


def _ports(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The exposed TCP ports in ascending order."""
    ports = set()
    for text in _get(config, "ExposedPorts", dict, "Config", {}):
        match = _EXPOSED.fullmatch(text)
        if match is None or not 0 < int(match[1]) <= 65535:
            raise ValueError(f"Config.ExposedPorts has {shown(text)}, not a port")
        if match[2] in (None, "tcp"):
            ports.add(int(match[1]))
    return tuple(sorted(ports))


def _attachments(settings: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """The networks it is in, by name; IPv4 where there is one."""
    networks: dict[str, Any] = _get(settings, "Networks", dict, "NetworkSettings", {})
    attachments = []
    for name in sorted(networks):
        where = f"NetworkSettings.Networks.{name}"
        network = _get(networks, name, dict, "NetworkSettings.Networks", {})
        ip = _get(network, "IPAddress", str, where, "") or _get(network, "GlobalIPv6Address", str, where, "")
        if ip:
            _check_address(ip, where)
        attachments.append(Attachment(network=name, network_id=_get(network, "NetworkID", str, where, ""), ip=ip))
    return tuple(attachments)


def _check_address(ip: str, where: str) -> None:
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        raise ValueError(f"{where} has the address {shown(ip)}, which is none") from None


def _signal_number(text: str) -> int:
    """`SIGTERM`, `TERM`, `15`, `SIGRTMIN+3` as the engine understands them (moby/sys signal)."""
    name = text.strip().upper().removeprefix("SIG")
    number = 0
    if re.fullmatch(r"[0-9]{1,2}", name):
        number = int(name)
    elif match := _REAL_TIME.fullmatch(name):
        edge = signal.SIGRTMIN if match[1] == "MIN" else signal.SIGRTMAX
        number = int(edge) + int(f"{match[2] or '+'}{match[3] or 0}")
    elif f"SIG{name}" in signal.Signals.__members__:
        number = int(signal.Signals[f"SIG{name}"])
    if not 0 < number <= _LAST_SIGNAL:
        raise ValueError(f"Config.StopSignal is {shown(text)}, not a signal")
    return number


def _stop_timeout(config: Mapping[str, Any]) -> float:
    seconds = config.get("StopTimeout")
    if seconds is None:
        return _STOP_TIMEOUT
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise ValueError(f"Config.StopTimeout is {shown(str(seconds))}, not a number of seconds")
    return min(float(seconds), _FOREVER) if seconds >= 0 else _FOREVER
