"""One service of one container, read from its labels."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from proxy.problem import Problem, Severity
from proxy.spec import kinds
from proxy.spec.address import locate
from proxy.spec.container import Claim, Container, Surroundings
from proxy.spec.names import parse_service_name
from proxy.spec.route import EVERYTHING, RouteSpec, Rule
from proxy.spec.rule import all_of, parse_rule, render, rule_of
from proxy.spec.service import BackendKey, BackendSpec, ServiceSpec
from proxy.spec.service_keys import default_service, service_with
from proxy.spec.values import InvalidValueError, choice, integer, parse_boolean, parse_port

T = TypeVar("T")

_parse_scheme: Final = choice("scheme", [("http", "http"), ("https", "https")])
_parse_weight: Final = integer(1, 256)
_parse_priority: Final = integer(-1_000_000_000, 1_000_000_000)


class ClaimReading:
    """The labels of one service being read: every problem is gathered before the claim is given or withheld."""

    __slots__ = ("_container", "_name", "_prefix", "_surroundings", "_values", "problems")

    def __init__(
        self, container: Container, surroundings: Surroundings, name: str, prefix: str, values: dict[str, str]
    ) -> None:
        self._container = container
        self._surroundings = surroundings
        self._name = name
        self._prefix = prefix
        self._values = values
        self.problems: list[Problem] = []

    def claim(self) -> Claim | None:
        """The claim; None when a problem leaves the container unrouted."""
        name = self._service_name()
        host, port = self._host(), self._port()
        scheme = self._read("scheme", _parse_scheme, "http", kinds.BAD_SCHEME)
        weight = self._read("weight", _parse_weight, 1)
        backup = self._read("backup", parse_boolean, False)
        service = self._service(name)
        route = self._route(name)
        if any(problem.severity is Severity.ERROR for problem in self.problems):
            return None
        container = self._container
        backend = BackendSpec(
            key=BackendKey(container=container.id, host=host, port=port),
            name=container.name,
            service=name,
            scheme=scheme,
            weight=weight,
            backup=backup,
            lifecycle=container.lifecycle,
            started=container.started,
            stop_timeout=container.stop_timeout,
            has_healthcheck=container.has_healthcheck,
        )
        return Claim(service=service, backend=backend, routes=(route,))

    def _service_name(self) -> str:
        try:
            return parse_service_name(self._name)
        except InvalidValueError as error:
            key = "service" if "service" in self._values else ""
            self._note(kinds.BAD_SERVICE, key, str(error), error.hint)
            return self._name

    def _host(self) -> str:
        """The address; empty, and a problem noted, where there is none."""
        wanted = self._values.get("network", "").strip()
        place = locate(self._container, self._surroundings, wanted or None)
        if place.kind:
            severity = Severity.WARNING if place.ip else Severity.ERROR
            self._note(place.kind, "network", place.what, place.hint, severity)
        return place.ip

    def _port(self) -> int:
        """The port; 0, and a problem noted, where there is none."""
        if "port" in self._values:
            return self._read("port", parse_port, 0, kinds.BAD_PORT)
        ports = self._container.ports
        if len(ports) == 1:
            return ports[0]
        hint = f"say which with {self._prefix}port"
        if ports:
            listed = ", ".join(map(str, ports[:20])) + (" …" if len(ports) > 20 else "")
            self._note(kinds.SEVERAL_PORTS, "port", f"several TCP ports are exposed: {listed}", hint)
        else:
            self._note(kinds.NO_PORT, "port", "no TCP port is exposed", hint)
        return 0

    def _service(self, name: str) -> ServiceSpec:
        base = replace(default_service(self._surroundings.defaults), name=name)
        service, wrong = service_with(base, self._values)
        for key, error in wrong:
            if key == "policy":
                self._note(kinds.BAD_POLICY, key, str(error), error.hint)
            else:
                self._note_kept(key, error)
        return service

    def _route(self, service: str) -> RouteSpec:
        rule, text = self._rule()
        return RouteSpec(
            rule=rule,
            service=service,
            priority=self._read("priority", _parse_priority, None),
            started=self._container.started,
            text=text,
        )

    def _rule(self) -> tuple[Rule, str]:
        """The rule and its text; everything when no label says what."""
        values = self._values
        fallback: Rule = EVERYTHING
        operands: list[Rule] = []
        texts: list[str] = []
        if "rule" in values:
            rule = self._read("rule", parse_rule, fallback, kinds.BAD_RULE)
            operands.append(rule)
            texts.append(values["rule"].strip())
        for key in ("host", "path"):
            if key in values:
                rule = self._read(key, _RULES[key], fallback, kinds.BAD_RULE)
                operands.append(rule)
                texts.append(render(rule))
        if not operands:
            return EVERYTHING, render(EVERYTHING)
        rule = all_of(operands)
        return rule, texts[0] if len(texts) == 1 else render(rule)

    def _read(self, key: str, parse: Callable[[str], T], default: T, kind: str = "") -> T:
        """The value of a key; where it is bad, a problem of this kind, without one a warning, and the default."""
        text = self._values.get(key)
        if text is None:
            return default
        try:
            return parse(text)
        except InvalidValueError as error:
            if kind:
                self._note(kind, key, str(error), error.hint)
            else:
                self._note_kept(key, error)
            return default

    def _note_kept(self, key: str, error: InvalidValueError) -> None:
        self._note(kinds.INVALID_VALUE, key, f"{error}; the default is kept", error.hint, Severity.WARNING)

    def _note(self, kind: str, key: str, what: str, hint: str = "", severity: Severity = Severity.ERROR) -> None:
        where = f"container {self._container.name}" + (f", label {self._prefix}{key}" if key else "")
        self.problems.append(Problem(kind=kind, where=where, what=what, hint=hint, severity=severity))


def _host_rule(text: str) -> Rule:
    return rule_of(text, None)


def _path_rule(text: str) -> Rule:
    return rule_of(None, text)


_RULES: Final = {"host": _host_rule, "path": _path_rule}
