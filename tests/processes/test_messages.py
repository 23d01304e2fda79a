"""What is sent is what arrives, for everything that the control plane can say and a worker can answer."""

import random

import msgspec
import pytest

from proxy.failure import Failure
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Transition
from proxy.fleet.spans import AttemptSpan, RequestSpan
from proxy.fleet.tally import BackendTally, Durations, Facts, ServiceTally, Tally
from proxy.health.circuit import Cause, State
from proxy.health.verdict import Verdict
from proxy.processes import messages
from proxy.processes.broadcast import Broadcast
from proxy.processes.calls import apply
from proxy.processes.messages import Call, decode_down, decode_up, encode
from proxy.spec.desired import Desired
from proxy.spec.route import AllOf, AnyOf, Header, Host, Method, Not, Path, PathPrefix, Query, RouteSpec
from proxy.spec.service import (
    BackendKey,
    BackendSpec,
    CircuitSpec,
    HealthSpec,
    Lifecycle,
    LimitSpec,
    PolicyName,
    RetrySpec,
    ServiceSpec,
    TimeoutSpec,
)

KEY = BackendKey(container="c1", host="10.0.0.1", port=80)
OTHER = BackendKey(container="c2", host="10.0.0.2", port=80)
RULE = AllOf(
    (
        Host("*.example.com"),
        AnyOf((PathPrefix("/a"), Path("/b"), Not(Header("x-a", "1")))),
        Not(AnyOf((Method("GET"), Query("k", "v")))),
        AllOf(()),
    )
)
SERVICE = ServiceSpec(
    name="web",
    policy=PolicyName.ROUND_ROBIN,
    sticky="cookie",
    health=HealthSpec(path="/up", status=((200, 204), (418, 418)), headers=(("A", "b"),), body="ok"),
    circuit=CircuitSpec(gateway_failures=7, ratio=0.25),
    retry=RetrySpec(statuses=(503,), try_timeout=0.5),
    limit=LimitSpec(inflight=3, body=None),
    timeout=TimeoutSpec(tunnel=1.5),
)
DESIRED = Desired(
    services=(SERVICE,),
    backends=(
        BackendSpec(key=KEY, name="web-1", service="web", weight=3, backup=True, started=12.5),
        BackendSpec(key=OTHER, name="web-2", service="web", lifecycle=Lifecycle.PENDING, has_healthcheck=True),
    ),
    routes=(
        RouteSpec(rule=RULE, service="web", priority=5, started=1.5, text="a rule"),
        RouteSpec(rule=Host("a"), service="web"),
    ),
)
DOWN: dict[str, messages.Call | messages.Order] = {
    "a container was seen to change": messages.Observe(2, "c1", Lifecycle.PAUSED),
    "a verdict": messages.Probed(3, KEY, Verdict.FAILING_HARD, "refused"),
    "a confirmation": messages.Confirmed(4, KEY, False),
    "the operator drains": messages.Drain(5, "web-1", True),
    "to answer clients": messages.Serve(),
    "a question": messages.Ask(6),
    "to wind down": messages.WindDown(1.5),
    "to end": messages.Stop(),
    "the first message": messages.Setup(
        (messages.Listening(3, "", 80, True),),
        messages.Settings({"head_timeout": 1.5, "max_connections": None}, ("10.0.0.0/8",), 30.0),
        b"\x00\xff",
        "json",
        0.5,
        None,
        1,
        messages.Shared(4, 1, 2),
    ),
}
TALLY = Tally(
    services=(
        ServiceTally(
            name="web",
            waiting=2,
            requests=((b"GET", 200, 3),),
            counts={"response_bytes": 2},
            by_failure={"retries": {"refused": 1}},
            durations={"duration": Durations(total=1.5)},
        ),
    ),
    backends=(
        BackendTally(
            service="web",
            key=KEY,
            facts=Facts(in_flight=2, circuit=State.HALF_OPEN, is_suspect=True),
            responses=(0,) * 10,
            first_byte=Durations(),
            failures={"reset": 2},
            opened={Cause.RATIO: 1},
        ),
    ),
    bad_requests={"bad-host": 1},
    counts={"unrouted": 4},
)
SPAN = RequestSpan(
    trace=b"a" * 32,
    span=b"b" * 16,
    parent=b"",
    began=1,
    ended=2,
    client=b"10.0.0.9",
    method=b"GET",
    host=b"a",
    path=b"/\xff",
    minor=1,
    request_id=b"",
    service="web",
    status=502,
    failure=Failure.RESET,
    request_bytes=0,
    response_bytes=1,
    queued=0.5,
    attempts=(
        AttemptSpan(b"c" * 16, "web-1", "10.0.0.1", 80, 1, 2, Failure.REFUSED),
        AttemptSpan(b"d" * 16, "web-2", "10.0.0.2", 80, 1, 2, 503),
        AttemptSpan(b"e" * 16, "web-3", "10.0.0.3", 80, 1, 2, None),
    ),
)
UP: dict[str, messages.Word] = {
    "the version that is served": messages.Served(7),
    "clients are answered": messages.Serving(),
    "a transition": messages.Flipped(
        Transition(service="web", backend="web-1", before="available", after="suspect", reason="refused")
    ),
    "a suspicion": messages.Suspected(KEY),
    "a report": messages.Report(8, TALLY, (1, 2, 3, 4)),
    "what is to be traced": messages.Spans([messages.written_span(SPAN)], 3),
    "the end": messages.WoundDown(True),
}


@pytest.mark.parametrize("message", DOWN.values(), ids=DOWN)
def test_what_a_supervisor_says_arrives(message: messages.Message) -> None:
    assert decode_down(encode(message)) == message


@pytest.mark.parametrize("message", UP.values(), ids=UP)
def test_what_a_worker_says_arrives(message: messages.Message) -> None:
    assert decode_up(encode(message)) == message


def test_span_arrives_with_every_outcome() -> None:
    arrived = decode_up(encode(messages.Spans([messages.written_span(SPAN)], 0)))
    assert isinstance(arrived, messages.Spans)
    assert [messages.read_span(each) for each in arrived.requests] == [SPAN]
    well = SPAN._replace(failure=None, attempts=())
    assert messages.read_span(messages.written_span(well)) == well


def test_desired_arrives_with_every_rule_and_setting() -> None:
    arrived = decode_down(encode(messages.Reconcile(1, messages.plan(DESIRED))))
    assert isinstance(arrived, messages.Reconcile)
    assert messages.desired(arrived.plan) == DESIRED


REFUSED = {
    "no message": b"\xc1",
    "a message of the other direction": encode(messages.Serving()),
    "an unknown verdict": msgspec.msgpack.encode(["Probed", 1, {"container": "c", "host": "h", "port": 1}, "fine", ""]),
    "a version in words": msgspec.msgpack.encode(
        ["Confirmed", "one", {"container": "c", "host": "h", "port": 1}, True]
    ),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_down(data)


# calls


class Pair:
    """The book, and a worker that gets each call through the wire as long as it listens."""

    def __init__(self) -> None:
        self.book = Fleet(random.Random(1), probes=True)
        self.worker = Fleet(random.Random(1), probes=True)
        self.calls = Broadcast(self.book, self._send)
        self.listens = True
        self.versions: list[int] = []

    def _send(self, call: Call) -> None:
        self.versions.append(call.version)
        if self.listens:
            self.arrive(call)

    def arrive(self, call: Call) -> None:
        arrived = decode_down(encode(call))
        assert isinstance(arrived, Call)
        apply(arrived, self.worker, 50.0)

    def states(self, fleet: Fleet) -> dict[str, str]:
        return {backend.name: backend.state for backend in fleet.backends()}


@pytest.fixture
def pair() -> Pair:
    pair = Pair()
    pair.calls.reconcile(DESIRED, 1.0)
    return pair


def everything(pair: Pair) -> None:
    """One of each call, so that no two backends stand alike."""
    pair.calls.probed(KEY, Verdict.PASSING, "", 2.0)
    pair.calls.observe("c2", Lifecycle.RUNNING, 3.0)
    pair.calls.probed(OTHER, Verdict.PASSING, "", 3.0)
    pair.calls.confirmed(OTHER, False, 4.0)
    pair.calls.drain("web-1", 5.0)


def test_worker_stands_like_the_book_after_every_call(pair: Pair) -> None:
    assert pair.states(pair.worker) == pair.states(pair.book)
    everything(pair)
    assert pair.states(pair.worker) == {"web-1": "drained by the operator", "web-2": "unreachable"}
    pair.calls.undrain("web-1", 6.0)
    pair.calls.confirmed(OTHER, True, 6.0)
    assert pair.states(pair.worker) == pair.states(pair.book)


def test_every_call_has_a_version_of_its_own_also_one_that_changes_nothing(pair: Pair) -> None:
    everything(pair)
    pair.calls.undrain("nobody", 6.0)
    assert pair.versions == sorted(set(pair.versions))
    assert len(pair.versions) == 7


def test_worker_that_is_new_is_told_everything_at_once(pair: Pair) -> None:
    everything(pair)
    pair.worker = Fleet(random.Random(2), probes=True)
    pair.arrive(pair.calls.whole())
    assert pair.states(pair.worker) == pair.states(pair.book)


def test_worker_that_missed_calls_is_brought_to_what_it_missed(pair: Pair) -> None:
    pair.calls.drain("web-2", 2.0)
    pair.listens = False
    everything(pair)
    pair.calls.undrain("web-2", 6.0)
    assert pair.states(pair.worker) != pair.states(pair.book)
    pair.arrive(pair.calls.whole())
    assert pair.states(pair.worker) == pair.states(pair.book)
    pair.arrive(pair.calls.whole())  # once more changes nothing
    assert pair.states(pair.worker) == pair.states(pair.book)


def test_lifecycle_that_was_observed_is_part_of_the_whole(pair: Pair) -> None:
    pair.calls.observe("c1", Lifecycle.DRAINING, 2.0)
    pair.worker = Fleet(random.Random(2), probes=True)
    pair.arrive(pair.calls.whole())
    assert pair.states(pair.worker)["web-1"] == "draining"
