"""The rule language of labels: text into a tree of conditions, and back.

    rule      = all *( "||" all )
    all       = unary *( "&&" unary )
    unary     = "!" unary / "(" rule ")" / condition
    condition = NAME "(" argument *( "," argument ) ")"
    argument  = "`" … "`" / '"' … '"' / "'" … "'" / bare

Law: whatever the text, the parser returns a rule or raises RuleError. Labels are written by others than the operator,
so length, depth and number of conditions are bounded.
"""

import functools
import re
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from proxy.problem import did_you_mean
from proxy.spec import names
from proxy.spec.route import EVERYTHING, AllOf, AnyOf, Header, Host, Method, Not, Path, PathPrefix, Query, Rule
from proxy.spec.values import InvalidValueError, list_items, parse_printable, parse_token, shown

LONGEST: Final = 8192  # characters
DEEPEST: Final = 32  # levels of parentheses and negations, the condition itself included
MOST_CONDITIONS: Final = 256

_SPACE: Final = re.compile(r"\s*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_QUOTED: Final = re.compile(r"`[^`]*`|\"[^\"]*\"|'[^']*'")
_BARE: Final = re.compile(r"[^\s,()`\"']+")
_QUOTES: Final = "`\"'"


_EXAMPLE: Final = "Host(`a.example`) && (PathPrefix(`/api`) || Header(`X-Key`, `value`))"


class RuleError(InvalidValueError):
    """A rule that cannot be read. `position` counts characters from 1."""

    def __init__(self, position: int, what: str, hint: str = "") -> None:
        super().__init__(f"at character {position}: {what}", hint or f"a rule looks like {_EXAMPLE}")
        self.position = position


@functools.lru_cache(maxsize=4096)  # replicas carry the same text
def parse_rule(text: str) -> Rule:
    """The tree of a rule's text. Chains of one operator come out flat; names of functions in any case."""
    if len(text) > LONGEST:
        raise RuleError(LONGEST + 1, f"the rule is longer than {LONGEST} characters")
    return _Reading(text).rule_to_the_end()


@functools.lru_cache(maxsize=4096)
def rule_of(hosts: str | None, paths: str | None) -> Rule:
    """The rule that the comma lists of `seawall.host` and `seawall.path` stand for: any host and any prefix."""
    operands: list[Rule] = []
    if hosts is not None:
        operands.append(_any_of(_listed("host", hosts, _host)))
    if paths is not None:
        operands.append(_any_of(_listed("path", paths, _prefix)))
    return all_of(operands)


def all_of(operands: Sequence[Rule]) -> Rule:
    """Every one of these, flat; a single one is itself."""
    flat: list[Rule] = []
    for operand in operands:
        flat.extend(operand.operands if isinstance(operand, AllOf) else (operand,))
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def render(rule: Rule) -> str:
    """A rule as text that `parse_rule` reads back to the same tree; EVERYTHING, which has none, as a word."""
    if rule == EVERYTHING:
        return "everything"
    match rule:
        case AllOf(operands):
            return " && ".join(_enclosed(operand, AnyOf) for operand in operands)
        case AnyOf(operands):
            return " || ".join(render(operand) for operand in operands)
        case Not(operand):
            return "!" + _enclosed(operand, AllOf, AnyOf)
        case Header(key, value) | Query(key, value):
            return f"{type(rule).__name__}({_quoted(key)}, {_quoted(value)})"
        case Host(value) | Path(value) | PathPrefix(value) | Method(value):
            return f"{type(rule).__name__}({_quoted(value)})"


def meaning(rule: Rule) -> Hashable:
    """A value that is equal for rules that differ only in order, repetition or the prefix `/`, which always holds."""
    match rule:
        case AllOf(operands):
            return _set("all", {meaning(operand) for operand in operands} - {_ALWAYS})
        case AnyOf(operands):
            return _set("any", {meaning(operand) for operand in operands})
        case Not(operand):
            return ("not", meaning(operand))
        case PathPrefix("/"):
            return _ALWAYS
        case _:
            return rule


_ALWAYS: Final = ("all", frozenset[Hashable]())


def _set(kind: str, members: set[Hashable]) -> Hashable:
    return members.pop() if len(members) == 1 else (kind, frozenset(members))


def _enclosed(rule: Rule, *loose: type[Rule]) -> str:
    return f"({render(rule)})" if isinstance(rule, loose) else render(rule)


def _quoted(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    quote = next((quote for quote in _QUOTES if quote not in value), "`")
    return f"{quote}{value}{quote}"


def _listed(key: str, text: str, build: Callable[[str], Rule]) -> list[Rule]:
    items = list_items(text)
    if not items:
        raise InvalidValueError(f"the {key} is empty", "leave the label out when it is not meant to say anything")
    if len(items) > MOST_CONDITIONS:
        raise InvalidValueError(f"the {key} lists more than {MOST_CONDITIONS}")
    return [build(item) for item in items]


def _any_of(operands: Sequence[Rule]) -> Rule:
    """Any one of these, flat and each once; a single one is itself."""
    flat: list[Rule] = []
    for operand in operands:
        flat.extend(operand.operands if isinstance(operand, AnyOf) else (operand,))
    distinct = tuple(dict.fromkeys(flat))
    return distinct[0] if len(distinct) == 1 else AnyOf(distinct)


# conditions: from their arguments as written


def _host(text: str) -> Rule:
    return Host(names.parse_host(text))


def _prefix(text: str) -> Rule:
    return PathPrefix(names.parse_prefix(text))


def _path(text: str) -> Rule:
    return Path(names.parse_path(text))


def _method(text: str) -> Rule:
    return Method(parse_token(text).upper())


def _header(key: str, value: str) -> Rule:
    return Header(parse_token(key).lower(), parse_printable(value))


def _query(key: str, value: str) -> Rule:
    return Query(names.parse_query_part(key), names.parse_query_part(value))


_OF_ONE: Final[dict[str, Callable[[str], Rule]]] = {
    "Host": _host,
    "PathPrefix": _prefix,
    "Path": _path,
    "Method": _method,
}
_OF_TWO: Final[dict[str, Callable[[str, str], Rule]]] = {"Header": _header, "Query": _query}
_FUNCTIONS: Final = {name.lower(): name for name in (*_OF_ONE, *_OF_TWO)}


class _Reading:
    """One text being read; `_at` is where."""

    __slots__ = ("_at", "_conditions", "_depth", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._conditions = 0

    def rule_to_the_end(self) -> Rule:
        rule = self._rule()
        if self._at < len(self._text):
            raise self._unexpected("&&, || or the end")
        return rule

    def _rule(self) -> Rule:
        operands = [self._all()]
        while self._take("||"):
            operands.append(self._all())
        return _any_of(operands) if len(operands) > 1 else operands[0]

    def _all(self) -> Rule:
        operands = [self._unary()]
        while self._take("&&"):
            operands.append(self._unary())
        return all_of(operands) if len(operands) > 1 else operands[0]

    def _unary(self) -> Rule:
        self._skip_space()
        self._depth += 1
        if self._depth > DEEPEST:
            raise RuleError(self._at + 1, f"more than {DEEPEST} levels of ( and !")
        rule = self._enclosed()
        self._depth -= 1
        return rule

    def _enclosed(self) -> Rule:
        if self._take("!"):
            return Not(self._unary())
        if not self._take("("):
            return self._condition()
        rule = self._rule()
        self._expect(")", "&&, || or )")
        return rule

    def _condition(self) -> Rule:
        start = self._at
        match = _NAME.match(self._text, start)
        if match is None:
            raise self._unexpected("a condition such as Host(a.example), ! or (")
        name = _FUNCTIONS.get(match[0].lower())
        if name is None:
            hint = did_you_mean(match[0], _FUNCTIONS.values()) or f"there are {', '.join(_FUNCTIONS.values())}"
            raise RuleError(start + 1, f"there is no function {shown(match[0])}", hint)
        self._at = match.end()
        self._expect("(", f"( after {name}")
        return self._build(name, start, self._arguments())

    def _arguments(self) -> list[tuple[int, str]]:
        """Position and text of each, up to and with the closing parenthesis."""
        arguments = [self._argument()]
        while self._take(","):
            arguments.append(self._argument())
        self._expect(")", ", or )")
        return arguments

    def _argument(self) -> tuple[int, str]:
        self._skip_space()
        self._conditions += 1
        if self._conditions > MOST_CONDITIONS:
            raise RuleError(self._at + 1, f"the rule has more than {MOST_CONDITIONS} arguments")
        start = self._at
        quoted = self._text[start : start + 1] in tuple(_QUOTES)
        match = (_QUOTED if quoted else _BARE).match(self._text, start)
        if match is None:
            if quoted:
                raise RuleError(start + 1, f"the quote {self._text[start]} is never closed")
            raise self._unexpected("an argument")
        self._at = match.end()
        return start + 1, match[0][1:-1] if quoted else match[0]

    def _build(self, name: str, start: int, arguments: list[tuple[int, str]]) -> Rule:
        if name in _OF_TWO:
            if len(arguments) != 2:
                raise RuleError(start + 1, f"{name} takes a name and a value", f"write {name}(NAME, VALUE)")
            (position, key), (_, value) = arguments
            try:
                return _OF_TWO[name](key, value)
            except InvalidValueError as error:
                raise RuleError(position, str(error), error.hint) from None
        operands = []
        for position, text in arguments:
            try:
                operands.append(_OF_ONE[name](text))
            except InvalidValueError as error:
                raise RuleError(position, str(error), error.hint) from None
        return _any_of(operands)

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _take(self, symbol: str) -> bool:
        self._skip_space()
        if not self._text.startswith(symbol, self._at):
            return False
        self._at += len(symbol)
        return True

    def _expect(self, symbol: str, expected: str) -> None:
        if not self._take(symbol):
            raise self._unexpected(expected)

    def _unexpected(self, expected: str) -> RuleError:
        self._skip_space()
        found = self._text[self._at : self._at + 12]
        hint = f"write {found[0] * 2}" if found[:1] in ("&", "|") else ""
        return RuleError(self._at + 1, f"expected {expected}, found {shown(found) if found else 'the end'}", hint)
