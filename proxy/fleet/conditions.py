"""Rules compiled to predicates over a request head: built when routes change, called per request where no index helps.

Law: a compiled rule is in negation normal form, because a path prefix that must not hold is more than the negation of
one that must (see dot_segments).
"""

from collections.abc import Callable
from typing import TypeAlias

from proxy.fleet.dot_segments import certain_path, readings
from proxy.spec.route import AllOf, AnyOf, Condition, Header, Host, Method, Not, Path, PathPrefix, Query, Rule
from proxy.wire.head import RequestHead

Predicate: TypeAlias = Callable[[RequestHead], bool]


def as_bytes(text: str) -> bytes:
    """Text of a label as it would come in a head. A lone surrogate, which cannot come, matches nothing."""
    return text.encode("utf-8", "surrogatepass")


def prefix_segments(prefix: str) -> bytes:
    """A prefix without the slashes at its end: `/api/` asks for the same segments as `/api`, and `/` for none."""
    return as_bytes(prefix.rstrip("/"))


def wildcard_suffix(name: str) -> str | None:
    """What follows the first label of a wildcard host name, None when it is an exact one."""
    return name[2:] if name.startswith("*.") else None


def normalise(rule: Rule, wanted: bool = True) -> Rule:
    """The rule, or its negation unless `wanted`, with negations only directly in front of conditions."""
    match rule:
        case Not(operand):
            return normalise(operand, not wanted)
        case AllOf(operands) | AnyOf(operands):
            parts = tuple(normalise(operand, wanted) for operand in operands)
            return AllOf(parts) if isinstance(rule, AllOf) is wanted else AnyOf(parts)
        case _:
            return rule if wanted else Not(rule)


def compile_rule(rule: Rule) -> Predicate:
    """A predicate for a rule that `normalise` returned."""
    match rule:
        case AllOf(operands):
            needed = tuple(compile_rule(operand) for operand in operands)
            return lambda head: all(predicate(head) for predicate in needed)
        case AnyOf(operands):
            enough = tuple(compile_rule(operand) for operand in operands)
            return lambda head: any(predicate(head) for predicate in enough)
        case Not(PathPrefix(prefix)):
            return _outside(prefix_segments(prefix))
        case Not(Path(path)):
            return _is_not_path(as_bytes(path))
        case Not(operand):
            unwanted = compile_rule(operand)
            return lambda head: not unwanted(head)
        case _:
            return _compile_condition(rule)


def _compile_condition(condition: Condition) -> Predicate:
    match condition:
        case Host(name):
            return _has_host(name)
        case PathPrefix(prefix):
            return _inside(prefix_segments(prefix))
        case Path(text):
            path = as_bytes(text)
            return lambda head: head.path == path
        case Method(text):
            method = as_bytes(text)
            return lambda head: head.method == method
        case Header(name, value):
            return _has_field(as_bytes(name), as_bytes(value))
        case Query(key, value):
            return _has_parameter(as_bytes(key), as_bytes(value))


def _has_host(name: str) -> Predicate:
    suffix = wildcard_suffix(name)
    if suffix is None:
        host = as_bytes(name)
        return lambda head: head.host == host
    rest = as_bytes(suffix)

    def one_label_more(head: RequestHead) -> bool:
        label, _, parent = head.host.partition(b".")
        return label != b"" and parent == rest

    return one_label_more


def _inside(prefix: bytes) -> Predicate:
    below = prefix + b"/"

    def is_inside(head: RequestHead) -> bool:
        path = certain_path(head.path)
        return path == prefix or path.startswith(below)

    return is_inside


def _outside(prefix: bytes) -> Predicate:
    below = prefix + b"/"
    return lambda head: not any(path == prefix or path.startswith(below) for path in readings(head.path))


def _is_not_path(path: bytes) -> Predicate:
    return lambda head: path not in readings(head.path)


def _has_field(name: bytes, value: bytes) -> Predicate:
    return lambda head: value in head.field_values(name)


def _has_parameter(key: bytes, value: bytes) -> Predicate:
    def has_parameter(head: RequestHead) -> bool:
        for parameter in head.target.partition(b"?")[2].split(b"&"):
            name, _, content = parameter.partition(b"=")
            if name == key and content == value:
                return True
        return False

    return has_parameter
