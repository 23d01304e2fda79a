"""What crosses the link between supervisor and worker, and how it is written: MessagePack, by type.

Down go the calls of FleetInterface, each with the version that the fleet has with it, and orders; up go flips,
suspicions, tallies, and the version that is served. Only a rule needs help: which kind a condition is, is in its type.
"""

from typing import Any, Final, TypeAlias

import msgspec

from proxy.failure import Failure
from proxy.fleet.interface import Transition
from proxy.fleet.spans import AttemptSpan, RequestSpan
from proxy.fleet.tally import Tally
from proxy.health.verdict import Verdict
from proxy.spec.desired import Desired
from proxy.spec.route import AllOf, AnyOf, Header, Host, Method, Not, Path, PathPrefix, Query, RouteSpec, Rule
from proxy.spec.service import BackendKey, BackendSpec, Lifecycle, ServiceSpec

FAILURES: Final = {failure.label: failure for failure in Failure}
_FAILURE: Final = RequestSpan._fields.index("failure")
_ATTEMPTS: Final = RequestSpan._fields.index("attempts")
_CONDITIONS: Final = {
    kind.__name__: kind for kind in (Host, PathPrefix, Path, Header, Method, Query)
}  # their fields are text


class Message(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Anything that crosses."""


class Route(msgspec.Struct, array_like=True, frozen=True):
    """A RouteSpec; `rule` as `plain` writes it."""

    rule: list[Any]
    service: str
    priority: int | None
    started: float
    text: str


class Plan(msgspec.Struct, array_like=True, frozen=True):
    """A Desired. `slots` are the columns of the backends in the table of what is in flight; empty without one."""

    services: tuple[ServiceSpec, ...]
    backends: tuple[BackendSpec, ...]
    routes: tuple[Route, ...]
    slots: tuple[int, ...]


# down: calls


class Reconcile(Message, frozen=True):
    """See FleetInterface, as for all calls."""

    version: int
    plan: Plan


class Observe(Message, frozen=True):
    """A container was seen to change."""

    version: int
    container: str
    lifecycle: Lifecycle


class Probed(Message, frozen=True):
    """A settled verdict has flipped."""

    version: int
    key: BackendKey
    verdict: Verdict
    error: str


class Confirmed(Message, frozen=True):
    """A confirming probe has ended."""

    version: int
    key: BackendKey
    passed: bool


class Drain(Message, frozen=True):
    """The operator takes a backend out of service, or gives it back."""

    version: int
    backend: str
    drained: bool


class Whole(Message, frozen=True):
    """All that calls have brought about so far: for a worker that is new, or has missed some.

    `plan` has the lifecycles of now, `verdicts` those that are known, `down` the addresses that a confirming probe
    found down, `drained` the names of backends the operator took out.
    """

    version: int
    plan: Plan
    verdicts: tuple[tuple[BackendKey, Verdict], ...]
    down: tuple[BackendKey, ...]
    drained: tuple[str, ...]


# down: orders


class Listening(msgspec.Struct, array_like=True, frozen=True):
    """A socket that the worker has inherited by this descriptor."""

    descriptor: int
    host: str
    port: int
    proxy_protocol: bool


class Shared(msgspec.Struct, array_like=True, frozen=True):
    """The table of what is in flight, and which of its rows is the worker's."""

    descriptor: int
    row: int
    rows: int


class Settings(Message, frozen=True):
    """What can change while it runs. `clients` are those of ClientSettings but for `trusted`; `drain` is in seconds."""

    clients: dict[str, Any]
    trusted: tuple[str, ...]
    drain: float


class Setup(Message, frozen=True):
    """The first message. `core` is the one to keep to, None: any; without `trace_sample` nothing is traced."""

    listening: tuple[Listening, ...]
    settings: Settings
    secret: bytes
    access_log: str | None
    access_log_sample: float
    trace_sample: float | None
    core: int | None
    shared: Shared | None


class Serve(Message, frozen=True):
    """Answer clients from now on."""


class Ask(Message, frozen=True):
    """Send a report now, with this number."""

    number: int


class WindDown(Message, frozen=True):
    """Take no more clients, let what is under way finish for so many seconds, and end."""

    seconds: float


class Stop(Message, frozen=True):
    """End now."""


# up


class Served(Message, frozen=True):
    """The version that the worker serves."""

    version: int


class Serving(Message, frozen=True):
    """Clients are answered from now on."""


class Flipped(Message, frozen=True):
    """A transition that requests or time caused."""

    transition: Transition


class Suspected(Message, frozen=True):
    """A backend became suspect: it is to be probed now."""

    key: BackendKey


class Report(Message, frozen=True):
    """A few times a second, and when asked; `answer` is the number of the question, else 0.

    `connections` is of clients active and idle, then of backends.
    """

    answer: int
    tally: Tally
    connections: tuple[int, int, int, int]


class Spans(Message, frozen=True):
    """Requests to be traced, as `written_span` has them; and how many spans were dropped since the last time."""

    requests: list[list[Any]]
    dropped: int


class WoundDown(Message, frozen=True):
    """The end of winding down; whether everything finished."""

    whole: bool


Call: TypeAlias = Reconcile | Observe | Probed | Confirmed | Drain | Whole
Order: TypeAlias = Setup | Settings | Serve | Ask | WindDown | Stop
Word: TypeAlias = Served | Serving | Flipped | Suspected | Report | Spans | WoundDown

_encoder: Final = msgspec.msgpack.Encoder()
_down: Final[msgspec.msgpack.Decoder[Call | Order]] = msgspec.msgpack.Decoder(Call | Order)
_up: Final[msgspec.msgpack.Decoder[Word]] = msgspec.msgpack.Decoder(Word)


def encode(message: Message) -> bytes:
    """One message as bytes."""
    return _encoder.encode(message)


def decode_down(data: bytes) -> Call | Order:
    """What a supervisor sent. Raises msgspec.DecodeError."""
    return _down.decode(data)


def decode_up(data: bytes) -> Word:
    """What a worker sent. Raises as `decode_down`."""
    return _up.decode(data)


# the Desired


def plan(desired: Desired, slots: tuple[int, ...] = ()) -> Plan:
    """A Desired as it is written."""
    routes = tuple(
        Route(plain(route.rule), route.service, route.priority, route.started, route.text) for route in desired.routes
    )
    return Plan(desired.services, desired.backends, routes, slots)


def desired(plan: Plan) -> Desired:
    """A Desired as it was read."""
    routes = tuple(
        RouteSpec(
            rule=rule(each.rule),
            service=each.service,
            priority=each.priority,
            started=each.started,
            text=each.text,
        )
        for each in plan.routes
    )
    return Desired(services=plan.services, backends=plan.backends, routes=routes)


def plain(rule: Rule) -> list[Any]:
    """A rule as nested lists: the name of its kind, then what it holds."""
    match rule:
        case Not(operand):
            return ["Not", plain(operand)]
        case AllOf(operands) | AnyOf(operands):
            return [type(rule).__name__, *(plain(operand) for operand in operands)]
        case _:
            return [type(rule).__name__, *(getattr(rule, name) for name in rule.__slots__)]


def rule(written: list[Any]) -> Rule:
    """A rule from what `plain` made of it."""
    kind, *parts = written
    if kind == "Not":
        return Not(rule(parts[0]))
    if kind in ("AllOf", "AnyOf"):
        operands = tuple(rule(part) for part in parts)
        return AllOf(operands) if kind == "AllOf" else AnyOf(operands)
    return _CONDITIONS[kind](*parts)


# spans


def written_span(span: RequestSpan) -> list[Any]:
    """A request to be traced: a failure by its label."""
    fields: list[Any] = list(span)
    fields[_FAILURE] = None if span.failure is None else span.failure.label
    fields[_ATTEMPTS] = [[*attempt[:-1], _written_outcome(attempt.outcome)] for attempt in span.attempts]
    return fields


def read_span(written: list[Any]) -> RequestSpan:
    """A request from what `written_span` made of it."""
    fields = list(written)
    fields[_FAILURE] = None if fields[_FAILURE] is None else FAILURES[fields[_FAILURE]]
    fields[_ATTEMPTS] = tuple(
        AttemptSpan._make((*attempt[:-1], FAILURES.get(attempt[-1], attempt[-1]))) for attempt in fields[_ATTEMPTS]
    )
    return RequestSpan(*fields)


def _written_outcome(outcome: Failure | int | None) -> str | int | None:
    return outcome.label if isinstance(outcome, Failure) else outcome
