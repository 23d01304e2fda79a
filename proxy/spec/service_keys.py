"""Every service-level label but the routes: one table that labels, `--default` and `[defaults]` are read by.

A key's name says where its value goes: `health.fast-interval` to `ServiceSpec.health.fast_interval`.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.problem import did_you_mean
from proxy.spec import values
from proxy.spec.names import parse_probe_path
from proxy.spec.service import PolicyName, ServiceSpec
from proxy.spec.values import InvalidValueError, choice, duration, integer, number, optional, shown

PROBE_HEADER: Final = "health.headers."  # and the field's name
_SHORTEST: Final = 0.01  # seconds; below, a probe or a timeout is a busy loop
_LONGEST_WORD: Final = 64  # of which a close one is looked for: difflib takes quadratic time


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceKey:
    """One label: its key without `seawall.`, how it is read, its default as text, what it means in one line."""

    name: str
    parse: Callable[[str], Any]
    default: str
    meaning: str

    @property
    def group(self) -> str:
        """The field of ServiceSpec that holds the group; empty for a field of ServiceSpec itself."""
        group, dot, _ = self.name.partition(".")
        return group if dot else ""

    @property
    def field(self) -> str:
        """The field's name in its group."""
        return self.name.rpartition(".")[2].replace("-", "_")


def _table(*rows: tuple[str, Callable[[str], Any], str, str]) -> dict[str, ServiceKey]:
    return {
        name: ServiceKey(name=name, parse=parse, default=default, meaning=meaning)
        for name, parse, default, meaning in rows
    }


KEYS: Final[Mapping[str, ServiceKey]] = _table(
    (
        "policy",
        choice("policy", [(policy.value, policy) for policy in PolicyName]),
        "least-connections",
        "which backend takes the next request: random, round-robin or least-connections",
    ),
    ("sticky", optional(values.parse_token), "none", "name of the cookie that keeps a client on its backend"),
    ("strip-prefix", values.parse_boolean, "false", "remove the matched prefix and add X-Forwarded-Prefix"),
    ("slow-start", duration(0), "10s", "a backend that comes up gets its full share only after this long"),
    (
        "drain",
        optional(duration(0), "auto"),
        "auto",
        "time to finish when draining; auto: the container's stop timeout",
    ),
    ("health.path", optional(parse_probe_path), "none", "GET this; none: the container's HEALTHCHECK, else a connect"),
    ("health.port", optional(values.parse_port), "none", "probe this port; none: the one that takes requests"),
    ("health.host", optional(values.parse_printable, ""), "", "Host field of the probe; empty: the address"),
    ("health.method", lambda text: values.parse_token(text).upper(), "GET", "method of the probe"),
    ("health.status", values.parse_status_ranges, "200-399", "statuses that pass: a list of codes and ranges"),
    ("health.body", optional(values.parse_regular_expression, ""), "", "regular expression that the body must match"),
    ("health.interval", duration(_SHORTEST), "2s", "between two probes of a backend, give or take 20 %"),
    ("health.fast-interval", duration(_SHORTEST), "500ms", "the same while a change is pending"),
    ("health.timeout", duration(_SHORTEST), "1s", "how long a probe may take"),
    ("health.fall", integer(1, 100), "3", "failed probes in a row that take a backend down"),
    ("health.rise", integer(1, 100), "2", "passed probes in a row that bring it back"),
    ("circuit.gateway-failures", integer(1, 1_000_000), "3", "opens after so many gateway failures in a row"),
    ("circuit.server-errors", integer(1, 1_000_000), "5", "opens after so many 5xx in a row"),
    ("circuit.ratio", number(0, 1), "0.5", "opens at this share of failures in the window"),
    ("circuit.window", duration(1), "10s", "the window that the share is taken over"),
    ("circuit.min-requests", integer(1, 1_000_000), "10", "requests in the window below which the share says nothing"),
    ("circuit.open", duration(_SHORTEST), "5s", "how long a circuit stays open at first; doubles up to 120s"),
    ("circuit.max-open", number(0, 1), "0.5", "share of a service's backends that circuits may take out"),
    ("retry.attempts", integer(1, 10), "3", "tries of a request in all; 1: no retry"),
    ("retry.statuses", values.parse_statuses, "502,503,504,425", "statuses worth another try"),
    ("retry.non-idempotent", values.parse_boolean, "false", "also repeat POST and PATCH that carry an Idempotency-Key"),
    ("retry.body", values.size(64 << 20), "64KiB", "bodies up to this size are kept to be sent again"),
    ("retry.budget", number(0, 1), "0.2", "retries per request that a service may spend"),
    (
        "retry.try-timeout",
        optional(duration(_SHORTEST), "auto"),
        "auto",
        "when a second try starts beside a slow first",
    ),
    ("limit.inflight", optional(integer(1, 1_000_000)), "none", "requests at once to one backend"),
    ("limit.connections", optional(integer(1, 1_000_000)), "none", "connections at once to one backend"),
    ("limit.queue", integer(0, 1_000_000), "256", "requests of a service that may wait for a backend"),
    ("limit.wait", duration(0), "1s", "how long one waits at most"),
    ("limit.body", optional(values.size(1 << 62)), "none", "largest request body; more is answered with 413"),
    ("timeout.connect", duration(_SHORTEST), "1s", "to connect to a backend"),
    ("timeout.response", duration(_SHORTEST), "60s", "from the request to the head of the response"),
    ("timeout.idle", duration(_SHORTEST), "60s", "between two pieces of a body"),
    ("timeout.keep-alive", duration(0), "30s", "how long an idle connection to a backend is kept"),
    ("timeout.tunnel", duration(_SHORTEST), "1h", "how long a tunnel, such as a WebSocket, may carry nothing"),
)


def service_with(
    base: ServiceSpec, texts: Mapping[str, str]
) -> tuple[ServiceSpec, list[tuple[str, InvalidValueError]]]:
    """`base` with these keys set, and what is wrong with those that could not be. Keys of other kinds are passed by."""
    groups: dict[str, dict[str, Any]] = {}
    headers: dict[str, str] = {}
    wrong = []
    for name, text in texts.items():
        try:
            if key := KEYS.get(name):
                groups.setdefault(key.group, {})[key.field] = key.parse(text)
            elif name.startswith(PROBE_HEADER):
                headers[name.removeprefix(PROBE_HEADER)] = parse_probe_header(name, text)
        except InvalidValueError as error:
            wrong.append((name, error))
    if headers:
        merged = dict(base.health.headers) | headers
        groups.setdefault("health", {})["headers"] = tuple(sorted(merged.items()))
    changes = groups.pop("", {})
    for group, fields in groups.items():
        changes[group] = replace(getattr(base, group), **fields)
    return (replace(base, **changes) if changes else base), wrong


def parse_probe_header(name: str, text: str) -> str:
    """The value of a `health.headers.NAME`, whose name is checked too."""
    values.parse_token(name.removeprefix(PROBE_HEADER))
    return values.parse_printable(text)


def default_service(defaults: Mapping[str, str]) -> ServiceSpec:
    """The service, still without a name, that these defaults describe; what is wrong in them was reported where they
    were given, and is passed by here."""
    return _default_service(tuple(sorted(defaults.items())))


def check_default(name: str, text: str) -> None:
    """InvalidValueError unless this may be a default: a key of the table with a value it can have."""
    if key := KEYS.get(name):
        key.parse(text)
    elif name.startswith(PROBE_HEADER):
        parse_probe_header(name, text)
    else:
        raise InvalidValueError(f"there is no service-level key {shown(name)}", closest(name, KEYS))


@functools.lru_cache(maxsize=4096)
def _closest(word: str, known: tuple[str, ...]) -> str:
    return did_you_mean(word, known)


def closest(word: str, known: Iterable[str]) -> str:
    """`did_you_mean`, remembered: ten thousand replicas make the same mistake."""
    return _closest(word, tuple(known)) if len(word) <= _LONGEST_WORD else ""


@functools.lru_cache(maxsize=16)
def _default_service(items: tuple[tuple[str, str], ...]) -> ServiceSpec:
    service, _ = service_with(ServiceSpec(name=""), dict(items))
    return service
