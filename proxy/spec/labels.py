"""What a container's labels ask for: the decision about it, its services, backends and routes, and every problem.

Laws: `interpret` never raises, whatever the labels. A mistake takes down no more than the service of the container it
stands in; one that is safe to pass by takes down nothing.

Where labels.md leaves it open:
- The name a service has by itself: `PROJECT-SERVICE` of compose, else the Swarm service's, else the container's.
- `seawall.services.NAME.KEY`: `seawall.enable` and `seawall.network` hold for every service of the container unless
  it has its own. The other keys without a NAME make one more service if one of `service`, `port`, `host`, `path`,
  `rule` is among them; else they have no effect, and a warning says so. NAME is read in lower case.
- `seawall.rule` beside `host` or `path`: all of them must hold.
"""

from collections.abc import Iterator
from typing import Final

from proxy.problem import Problem, Severity
from proxy.spec import kinds
from proxy.spec.address import COMPOSE_PROJECT
from proxy.spec.claim import ClaimReading
from proxy.spec.container import Claim, Container, ContainerReport, Decision, Surroundings
from proxy.spec.label_set import NAMED, PREFIX, LabelSet, sort_labels
from proxy.spec.service import Lifecycle
from proxy.spec.values import InvalidValueError, parse_boolean

_COMPOSE_SERVICE: Final = "com.docker.compose.service"
_COMPOSE_ONE_OFF: Final = "com.docker.compose.oneoff"
_SWARM_SERVICE: Final = "com.docker.swarm.service.name"
_OF_ALL_SERVICES: Final = frozenset({"enable", "network"})
_MAKE_A_SERVICE: Final = frozenset({"service", "port", "host", "path", "rule"})


def interpret(container: Container, surroundings: Surroundings) -> ContainerReport:
    """The decision about one container, with every problem found. Never raises."""
    reason = _why_left_out(container, surroundings)
    if reason:
        return _report(container, Decision.IGNORED, reason)
    labels = sort_labels(container)
    problems = list(labels.problems)
    services = list(_enabled_services(container, labels, surroundings, problems))
    if not services:
        return _not_enabled(container, labels, problems)
    if container.lifecycle is Lifecycle.GONE and not any(attachment.ip for attachment in container.attachments):
        return _report(container, Decision.IGNORED, "not running")
    claims = []
    for name, prefix, values in services:
        reading = ClaimReading(container, surroundings, name, prefix, values)
        claim = reading.claim()
        if claim is not None:
            claims.append(claim)
        problems.extend(reading.problems)
    if not claims:
        return _report(container, Decision.PROBLEM, _first_error(problems), problems=problems)
    return _report(container, Decision.ROUTED, "; ".join(map(_described, claims)), claims, problems)


def service_name(container: Container) -> str:
    """The name of the service of a container that names none."""
    labels = container.labels
    project, service = labels.get(COMPOSE_PROJECT), labels.get(_COMPOSE_SERVICE)
    if project and service:
        return f"{project}-{service}"
    return labels.get(_SWARM_SERVICE) or container.name


def _why_left_out(container: Container, surroundings: Surroundings) -> str:
    """Why a container is none of our business whatever its `seawall.` labels say; empty when it is."""
    if surroundings.own_id and container.id.startswith(surroundings.own_id):
        return "the proxy's own container"
    labels = container.labels
    if labels.get(_COMPOSE_ONE_OFF, "").lower() == "true":
        return "a one-off container of docker compose run"
    for key, value in surroundings.constraints:
        if key not in labels or (value is not None and labels[key] != value):
            return f"the constraint {key if value is None else f'{key}={value}'} does not hold"
    return ""


def _enabled_services(
    container: Container, labels: LabelSet, surroundings: Surroundings, problems: list[Problem]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Name, label prefix and values of each service that is to be routed."""
    by_default = _enabled(container, labels.plain, PREFIX, surroundings.expose_by_default, problems)
    if not labels.named or not _MAKE_A_SERVICE.isdisjoint(labels.plain):
        if by_default:
            yield labels.plain.get("service", service_name(container)), PREFIX, labels.plain
    elif labels.plain.keys() - _OF_ALL_SERVICES:
        problems.extend(_unused(container, key) for key in labels.plain if key not in _OF_ALL_SERVICES)
    for name in sorted(labels.named):
        values = labels.named[name]
        prefix = f"{PREFIX}{NAMED}{name}."
        if "network" in labels.plain:
            values.setdefault("network", labels.plain["network"])
        if _enabled(container, values, prefix, by_default, problems):
            yield name, prefix, values


def _enabled(container: Container, values: dict[str, str], prefix: str, default: bool, problems: list[Problem]) -> bool:
    text = values.get("enable")
    if text is None:
        return default
    try:
        return parse_boolean(text)
    except InvalidValueError as error:
        where = f"container {container.name}, label {prefix}enable"
        problems.append(Problem(kind=kinds.BAD_ENABLE, where=where, what=str(error), hint=error.hint))
        return False


def _unused(container: Container, key: str) -> Problem:
    return Problem(
        kind=kinds.UNUSED_KEY,
        where=f"container {container.name}, label {PREFIX}{key}",
        what="it has no effect beside seawall.services labels",
        hint=f"write {PREFIX}{NAMED}NAME.{key}",
        severity=Severity.WARNING,
    )


def _not_enabled(container: Container, labels: LabelSet, problems: list[Problem]) -> ContainerReport:
    if any(problem.severity is Severity.ERROR for problem in problems):
        return _report(container, Decision.PROBLEM, _first_error(problems), problems=problems)
    reason = "seawall.enable is not true" if labels else "no seawall label"
    return _report(container, Decision.IGNORED, reason, problems=problems)


def _first_error(problems: list[Problem]) -> str:
    return next(problem.what for problem in problems if problem.severity is Severity.ERROR)


def _described(claim: Claim) -> str:
    key = claim.backend.key
    host = f"[{key.host}]" if ":" in key.host else key.host
    return f"service {claim.service.name} at {claim.backend.scheme}://{host}:{key.port}"


def _report(
    container: Container,
    decision: Decision,
    reason: str,
    claims: list[Claim] | None = None,
    problems: list[Problem] | None = None,
) -> ContainerReport:
    return ContainerReport(
        container=container,
        decision=decision,
        reason=reason,
        claims=tuple(claims or ()),
        problems=tuple(problems or ()),
    )
