"""The places that can give settings, each read into the same form: command line, environment, own labels, file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.problem import Problem, Severity, did_you_mean
from proxy.spec import kinds
from proxy.spec.settings import DEFAULTS_TABLE, LABEL_PREFIX, OTHER_VARIABLES, SETTINGS, VARIABLE_PREFIX, Setting
from proxy.spec.values import InvalidValueError, list_items, shown

_LONGEST_WORD: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What one place gives for one setting: one text, or one per item; `where` it stands, for people."""

    texts: tuple[str, ...]
    where: str


@dataclass(slots=True, kw_only=True)
class Source:
    """Everything one place gives, by key; service-level defaults each with their own place; and its problems."""

    settings: dict[str, Given] = field(default_factory=dict)
    defaults: list[Given] = field(default_factory=list)  # one KEY=VALUE each
    problems: list[Problem] = field(default_factory=list)

    def give(self, setting: Setting, texts: Iterable[str], where: str) -> None:
        """Take one in."""
        if setting.key == "default":
            self.defaults.extend(Given(texts=(text,), where=where) for text in texts)
        else:
            self.settings[setting.key] = Given(texts=tuple(texts), where=where)

    def complain(self, kind: str, where: str, what: str, hint: str = "", severity: Severity = Severity.ERROR) -> None:
        """Note a problem."""
        self.problems.append(Problem(kind=kind, where=where, what=what, hint=hint, severity=severity))


def from_command_line(cli: Mapping[str, object]) -> Source:
    """Options by key. Their values are texts, numbers, booleans or lists of texts; None and no items: not given."""
    source = Source()
    for name, value in cli.items():
        key = name.replace("_", "-")
        if value is None or value == () or value == []:
            continue
        if key == "no-docker":
            if value:
                source.give(SETTINGS["docker"], ("none",), "command line --no-docker")
            continue
        where = f"command line --{key}"
        if setting := SETTINGS.get(key):
            _give_value(source, setting, value, where)
        else:
            source.complain(kinds.UNKNOWN_SETTING, where, "there is no such option", _closest(key, SETTINGS))
    return source


def from_environment(environment: Mapping[str, str]) -> Source:
    """Variables `SEAWALL_*`. One that is empty is not given.

    An unknown one is a warning only: an orchestrator makes variables such as SEAWALL_PORT and SEAWALL_SERVICE_HOST for
    whatever runs under the name seawall.
    """
    source = Source()
    by_variable = {setting.variable: setting for setting in SETTINGS.values()}
    for name, text in environment.items():
        if not name.startswith(VARIABLE_PREFIX) or name in OTHER_VARIABLES or not text.strip():
            continue
        where = f"environment {name}"
        if setting := by_variable.get(name):
            source.give(setting, split(setting, text), where)
        else:
            hint = _closest(name, by_variable)
            source.complain(kinds.UNKNOWN_SETTING, where, "there is no such setting", hint, Severity.WARNING)
    return source


def from_labels(labels: Mapping[str, str]) -> Source:
    """Labels `seawall.proxy.*` of the proxy's own container, in any case. One that is empty is not given."""
    source = Source()
    for label, text in sorted(labels.items()):
        key = label.lower()
        if not key.startswith(LABEL_PREFIX) or not text.strip():
            continue
        where = f"label {label}"
        if setting := SETTINGS.get(key.removeprefix(LABEL_PREFIX)):
            source.give(setting, split(setting, text), where)
        else:
            hint = _closest(key, [setting.label for setting in SETTINGS.values()])
            source.complain(kinds.UNKNOWN_SETTING, where, "there is no such setting", hint, Severity.WARNING)
    return source


def from_file(document: Mapping[str, object], file: str) -> Source:
    """The file, parsed; lists are arrays, and the service-level defaults a table, nested or with dotted keys."""
    source = Source()
    by_key = {setting.file_key: setting for setting in SETTINGS.values()}
    for key, value in document.items():
        where = f"file {file}: {key}"
        if key == DEFAULTS_TABLE:
            _give_defaults(source, value, where)
        elif setting := by_key.get(key):
            _give_value(source, setting, value, where)
        else:
            source.complain(kinds.UNKNOWN_SETTING, where, "there is no such key", _closest(key, by_key))
    return source


def split(setting: Setting, text: str) -> list[str]:
    """The items of a comma list; a KEY=VALUE may have commas in its value: an item without `=` continues it."""
    if not setting.repeatable:
        return [text]
    items: list[str] = []
    for item in list_items(text):
        if setting.key == "default" and "=" not in item and items:
            items[-1] += f",{item}"
        else:
            items.append(item)
    return items


def _give_value(source: Source, setting: Setting, value: object, where: str) -> None:
    try:
        source.give(setting, _texts(setting, value), where)
    except InvalidValueError as error:
        source.complain(kinds.WRONG_TYPE, where, str(error), error.hint)


def _give_defaults(source: Source, value: object, where: str) -> None:
    if not isinstance(value, Mapping):
        source.complain(kinds.WRONG_TYPE, where, "it is not a table", f"write [{DEFAULTS_TABLE}] and its keys below")
        return
    for key, leaf in _leaves(value):
        place = f"{where}.{key}"
        try:
            text = ",".join(map(_text, leaf)) if isinstance(leaf, list) else _text(leaf)
        except InvalidValueError as error:
            source.complain(kinds.WRONG_TYPE, place, str(error), error.hint)
        else:
            source.defaults.append(Given(texts=(f"{key}={text}",), where=place))


def _leaves(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _texts(setting: Setting, value: object) -> list[str]:
    """A value as texts to parse; InvalidValueError when its type cannot be."""
    if isinstance(value, list | tuple):
        if not setting.repeatable:
            raise InvalidValueError("it takes one value, not a list", f"write {setting.key} = …, without brackets")
        return [_text(item) for item in value]
    return [_text(value)]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise InvalidValueError(f"{shown(str(value))} is of type {type(value).__name__}", "write text between quotes")


def _closest(word: str, known: Iterable[str]) -> str:
    return did_you_mean(word, known) if len(word) <= _LONGEST_WORD else ""
