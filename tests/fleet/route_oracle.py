"""Routes evaluated one by one, straight from the definitions: slow, and with nothing in common with the index."""

from collections.abc import Iterator, Sequence
from itertools import product

from proxy.spec.route import (
    AllOf,
    AnyOf,
    Condition,
    Header,
    Host,
    Method,
    Not,
    Path,
    PathPrefix,
    Query,
    RouteSpec,
    Rule,
)
from proxy.wire.head import RequestHead

_DOTS = {".": ".", "%2e": ".", "..": "..", "%2e.": "..", ".%2e": "..", "%2e%2e": ".."}


def _alternatives(rule: Rule, wanted: bool = True) -> Iterator[dict[tuple[Condition, bool], None]]:
    """Sets of conditions, each with whether it must hold, of which one must be met."""
    if isinstance(rule, Not):
        yield from _alternatives(rule.operand, not wanted)
        return
    if not isinstance(rule, AllOf | AnyOf):
        yield {(rule, wanted): None}
        return
    if isinstance(rule, AnyOf) is wanted:
        for operand in rule.operands:
            yield from _alternatives(operand, wanted)
        return
    for choice in product(*(list(_alternatives(operand, wanted)) for operand in rule.operands)):
        yield {literal: None for part in choice for literal in part}


def _without_dots(path: str) -> str:
    output: list[str] = []
    segments = [_DOTS.get(segment.lower(), segment) for segment in path[1:].split("/")]
    for place, segment in enumerate(segments):
        last = place == len(segments) - 1
        if segment == "..":
            output = output[:-1]
        elif segment != ".":
            output = [*output, segment]
            continue
        if last:
            output = [*output, ""]
    return "/" + "/".join(output)


def _readings(path: str) -> set[str]:
    if path == "*" or not any(segment.lower() in _DOTS for segment in path.split("/")):
        return {path}
    merged = path
    while "//" in merged:
        merged = merged.replace("//", "/")
    return {path, _without_dots(path), _without_dots(merged)}


def _holds(condition: Condition, wanted: bool, head: RequestHead) -> bool:
    path = head.path.decode()
    if isinstance(condition, PathPrefix):
        prefix = condition.prefix.rstrip("/")
        inside = [(reading + "/").startswith(prefix + "/") for reading in _readings(path)]
        if path == "*":
            inside = [False]
        return all(inside) if wanted else not any(inside)
    if isinstance(condition, Path):
        return condition.path == path if wanted else condition.path not in _readings(path)
    return _is_met(condition, head) is wanted


def _is_met(condition: Host | Header | Method | Query, head: RequestHead) -> bool:
    if isinstance(condition, Host):
        host = head.host.decode()
        if condition.name[0] != "*":
            return host == condition.name
        ending = condition.name[1:]
        label = host.removesuffix(ending)
        return host.endswith(ending) and label != "" and "." not in label
    if isinstance(condition, Header):
        return condition.value.encode() in head.field_values(condition.name.encode())
    if isinstance(condition, Method):
        return head.method.decode() == condition.name
    parameters = head.target.decode().partition("?")[2].split("&")
    complete = [parameter if "=" in parameter else parameter + "=" for parameter in parameters]
    return f"{condition.key}={condition.value}" in complete


def _specificity(literals: dict[tuple[Condition, bool], None]) -> tuple[float, int, int]:
    path, host = 0.0, 0
    for condition, wanted in literals:
        if wanted and isinstance(condition, PathPrefix):
            path = max(path, len(condition.prefix.rstrip("/")))
        if wanted and isinstance(condition, Path):
            path = max(path, len(condition.path) + 0.5)
        if wanted and isinstance(condition, Host):
            host = max(host, 1 if condition.name[0] == "*" else 2)
    return path, host, len(literals)


class Oracle:
    """A table that tries everything."""

    def __init__(self, routes: Sequence[RouteSpec]) -> None:
        self.routes = routes

    def match(self, head: RequestHead) -> str | None:
        found = []
        for route in self.routes:
            for literals in _alternatives(route.rule):
                if all(_holds(condition, wanted, head) for condition, wanted in literals):
                    path, host, conditions = _specificity(literals)
                    order = (-(route.priority or 0), -path, -host, -conditions, route.started, route.service)
                    found.append((order, route.service))
        return min(found)[1] if found else None
