"""The settings of the proxy itself, resolved from every place that can give them.

Law: every problem is gathered and none raised; the outcome is complete whatever was given. A value that cannot be used
makes way for the next place's, also where an override hides it; it is a problem either way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from proxy.problem import Problem
from proxy.spec import kinds
from proxy.spec.proxy import ProxySpec
from proxy.spec.service_keys import default_service
from proxy.spec.settings import SETTINGS, Setting
from proxy.spec.sources import Given, Source, from_command_line, from_environment, from_file, from_labels
from proxy.spec.values import InvalidValueError

DEFAULT_ORIGIN: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The outcome, where each value came from, and every problem found on the way."""

    spec: ProxySpec
    origins: Mapping[str, str]  # key of labels.md's table, or `default.KEY` → "environment SEAWALL_LISTEN"
    problems: tuple[Problem, ...] = ()


def resolve(
    cli: Mapping[str, object],
    environment: Mapping[str, str],
    own_labels: Mapping[str, str],
    toml_document: Mapping[str, object],
    in_container: bool,
    file: str = "seawall.toml",
) -> Resolved:
    """Command line over environment over own labels over file over defaults. Never raises.

    `cli` maps keys of the table (`listen`, `admin-token`; `no-docker` too) to text, numbers, booleans or lists of
    text; None and the empty list stand for an option that was not given. `environment` is the whole environment, of
    which only `SEAWALL_*` is read; `own_labels` all labels of the proxy's own container. A list given in one place
    replaces the whole list of the next; service-level defaults are each their own setting.
    """
    sources = (
        from_command_line(cli),
        from_environment(environment),
        from_labels(own_labels),
        from_file(toml_document, file),
    )
    outcome = _Outcome(sources, in_container)
    for setting in SETTINGS.values():
        if setting.key not in ("default", "policy"):
            outcome.settle(setting)
    outcome.settle_defaults()
    return Resolved(spec=outcome.spec(), origins=outcome.origins, problems=tuple(outcome.problems))


@dataclass(slots=True)
class _Outcome:
    """What is settled so far."""

    sources: Sequence[Source]
    in_container: bool
    fields: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        for source in self.sources:
            self.problems.extend(source.problems)

    def settle(self, setting: Setting) -> None:
        """The first place with a usable value has it; all are read, for their problems."""
        for source in self.sources:
            given = source.settings.get(setting.key)
            if given is None:
                continue
            values = self._read(setting, given)
            usable = bool(values) or (setting.repeatable and not given.texts)
            if usable and setting.key not in self.origins:
                self._set(setting, values, given.where)
        if setting.key not in self.origins:
            self._set(setting, [setting.parse(text) for text in setting.texts(self.in_container)], DEFAULT_ORIGIN)

    def settle_defaults(self) -> None:
        """Each service-level key by itself; in one place `policy` goes before the `default` of the same."""
        policy = SETTINGS["policy"]
        for source in self.sources:
            given = source.settings.get(policy.key)
            if given is not None and self._read(policy, given):
                self._set_default(policy.key, given.texts[0].strip().lower(), given.where)
            for each in source.defaults:
                for key, text in self._read(SETTINGS["default"], each):
                    self._set_default(key, text, each.where)
        self.origins["policy"] = self.origins.get("default.policy", DEFAULT_ORIGIN)
        self.origins["default"] = self._places_of_defaults()
        self.fields["defaults"] = self.defaults
        self.fields["policy"] = default_service(self.defaults).policy

    def spec(self) -> ProxySpec:
        """Complete: static backends have the defaults of all services."""
        base = default_service(self.defaults)
        backends = tuple(
            replace(claim, service=replace(base, name=claim.service.name)) for claim in self.fields["backends"]
        )
        return ProxySpec(**self.fields | {"backends": backends})

    def _read(self, setting: Setting, given: Given) -> list[Any]:
        """The values that can be used; the others are problems."""
        values = []
        for text in given.texts:
            try:
                values.append(setting.parse(text))
            except InvalidValueError as error:
                self.problems.append(
                    Problem(kind=kinds.INVALID_SETTING, where=given.where, what=str(error), hint=error.hint)
                )
        return values

    def _set(self, setting: Setting, values: list[Any], where: str) -> None:
        self.fields[setting.field] = tuple(dict.fromkeys(values)) if setting.repeatable else values[0]
        self.origins[setting.key] = where

    def _set_default(self, key: str, text: str, where: str) -> None:
        if key not in self.defaults:
            self.defaults[key] = text
            self.origins[f"default.{key}"] = where

    def _places_of_defaults(self) -> str:
        """Where the service-level defaults as a whole came from."""
        places = [where for key, where in self.origins.items() if key.startswith("default.")]
        return ", ".join(dict.fromkeys(places)) or DEFAULT_ORIGIN
