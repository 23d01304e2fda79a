"""A container's `seawall.` labels, sorted by the service that each speaks of."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from proxy.problem import Problem, Severity
from proxy.spec import kinds
from proxy.spec.container import Container
from proxy.spec.service_keys import KEYS, PROBE_HEADER, closest

PREFIX: Final = "seawall."
NAMED: Final = "services."  # and NAME.KEY
BACKEND_KEYS: Final = ("enable", "port", "scheme", "network", "weight", "backup")
ROUTE_KEYS: Final = ("host", "path", "rule", "priority")
OF_A_NAMED_SERVICE: Final = (*BACKEND_KEYS, *ROUTE_KEYS, *KEYS)
OF_THE_CONTAINER: Final = ("service", *OF_A_NAMED_SERVICE)

_KNOWN: Final = frozenset(OF_THE_CONTAINER)
_PROXY: Final = "proxy."  # settings of a proxy that is itself a backend: none of our business here
_NAMED_FORM: Final = "write seawall.services.NAME.KEY"
_MOST_UNKNOWN: Final = 20  # problems of this kind per container; hostile labels must not flood the list


@dataclass(slots=True, kw_only=True)
class LabelSet:
    """Values by lower-case key without prefix: of the container's one service, and of each named one."""

    plain: dict[str, str] = field(default_factory=dict)
    named: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.plain or self.named or self.problems)


def sort_labels(container: Container) -> LabelSet:
    """Sort out the labels; what means nothing becomes a warning."""
    labels = LabelSet()
    unknown = 0
    for label, text in sorted(_ours(container)):
        key = label[len(PREFIX) :].lower()
        if key.startswith(_PROXY):
            continue
        values, name = _table_of(labels, key)
        if name is None:
            unknown += 1
            if unknown <= _MOST_UNKNOWN:
                labels.problems.append(_unknown(container, label, key))
        elif name in values:
            labels.problems.append(_duplicate(container, label))
        else:
            values[name] = text
    return labels


def _ours(container: Container) -> Iterable[tuple[str, str]]:
    """In any case; an exact test first would not be faster."""
    length = len(PREFIX)
    return [item for item in container.labels.items() if item[0][:length].lower() == PREFIX]


def _table_of(labels: LabelSet, key: str) -> tuple[dict[str, str], str | None]:
    """The table that a key belongs to, and its name there; None for a key that means nothing."""
    if key in _KNOWN or key.startswith(PROBE_HEADER):
        return labels.plain, key
    if not key.startswith(NAMED):
        return labels.plain, None
    service, _, name = key.removeprefix(NAMED).partition(".")
    if not service or name == "service" or not (name in _KNOWN or name.startswith(PROBE_HEADER)):
        return labels.plain, None
    return labels.named.setdefault(service, {}), name


def _unknown(container: Container, label: str, key: str) -> Problem:
    if key.startswith("service."):
        hint = "several services of one container are written seawall.services.NAME.KEY"
    elif key.startswith(NAMED):
        service, dot, name = key.removeprefix(NAMED).partition(".")
        close = closest(name, OF_A_NAMED_SERVICE)
        hint = close.replace("mean ", f"mean {PREFIX}{NAMED}{service}.") if service and dot else _NAMED_FORM
    else:
        hint = closest(key, OF_THE_CONTAINER).replace("mean ", f"mean {PREFIX}")
    return Problem(
        kind=kinds.UNKNOWN_KEY,
        where=f"container {container.name}, label {label}",
        what="there is no such label",
        hint=hint,
        severity=Severity.WARNING,
    )


def _duplicate(container: Container, label: str) -> Problem:
    return Problem(
        kind=kinds.DUPLICATE_KEY,
        where=f"container {container.name}, label {label}",
        what="it is given twice, in different upper and lower case; this one is left out",
        hint="keep one of the two",
        severity=Severity.WARNING,
    )
