"""The laws that hold in every world: each yields how it is broken, and nothing where it holds.

Those of WHEN_MOVED hold whenever nothing more happens at a moment, and need no look where neither bytes nor verdicts
have moved. Those of ALL_THE_TIME are about how long something lasts. Those of AT_END hold when the last client has
gone, and those of WHEN_STOPPED when all is closed.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from proxy.dataplane.attempts import Phase
from proxy.dataplane.plane import SWEEP_INTERVAL
from proxy.failure import Failure
from proxy.fleet.backend import Tier, Unavailable
from proxy.fleet.evidence import UNANSWERED_SUSPICION
from proxy.health.circuit import State, most_open
from proxy.retry.backoff import LONGEST_RETRY_AFTER
from proxy.retry.budget import TRICKLE, WORTH
from proxy.retry.try_timeout import HEDGED
from tests.simulation.journal import IDEMPOTENT
from tests.simulation.loop import SimulatedLoop

if TYPE_CHECKING:
    from tests.simulation.world import World

Law = Callable[["World"], Iterator[str]]
SERVICE: Final = "web"
_ON_THE_WAY: Final = 1.0  # seconds for the pieces of a response, and for all latencies together


def in_flight_counts_are_true(world: "World") -> Iterator[str]:
    """What a backend counts as in flight is what is really connecting or served there (life-of-a-request)."""
    counted: dict[str, int] = {}
    for backend in (*world.backends(), *(backend for backend, _ in world.fleet.departed)):
        if backend.in_flight:
            counted[backend.key.host] = counted.get(backend.key.host, 0) + backend.in_flight
    really = world.network.in_flight()
    if counted != really:
        yield f"counted {counted}, really {really}"


def circuits_take_out_no_more_than_their_share(world: "World") -> Iterator[str]:
    """A circuit opens only while those that are not closed are within max-open (resilience.md, "Circuit per backend").

    Those that are open already stay so when the service shrinks: it holds for moments at which one opens.
    """
    service = world.fleet.services.get(SERVICE)
    if service is None:
        return
    serving = {backend.name for backend in service.backends.values() if backend.tier is not Tier.NEVER}
    opened = {backend.name for backend in service.backends.values() if backend.circuit.state is State.OPEN}
    has_opened = not opened <= world.last_open
    size = max(len(serving), world.last_serving)
    world.last_open, world.last_serving = opened, len(serving)
    most = most_open(size, service.spec.circuit.max_open)
    if has_opened and len(opened & serving) > most:
        yield f"{sorted(opened & serving)} of {size} are open, which is more than {most}"


def suspicions_end(world: "World") -> Iterator[str]:
    """One failure makes a backend suspect, and a probe or time clears it (resilience.md, principle 2)."""
    now = world.loop.time()
    for backend in world.backends():
        until = backend.suspect_until
        if until and not now - 2 * SWEEP_INTERVAL <= until <= now + UNANSWERED_SUSPICION:
            yield f"{backend!r} is suspect until {backend.suspect_until - 1000.0:.3f}"


def each_request_ends_once(world: "World") -> Iterator[str]:
    """Who waits gets one whole response or sees the connection end; never two, never another's (RFC 9112 section 9)."""
    for request in world.journal.requests.values():
        if not request.sent_at or request.has_left:
            continue
        if len(request.answers) + request.is_cut != 1:
            yield f"{request!r}"
        for answer in request.answers:
            if answer.request not in (None, request.id) or not answer.is_sound:
                yield f"{request!r} was answered with {answer!r}"


def non_idempotent_requests_are_sent_once(world: "World") -> Iterator[str]:
    """A POST of which a byte was written is never sent again (RFC 9110 section 9.2.2)."""
    for request in world.journal.requests.values():
        if request.method not in IDEMPOTENT and (len(request.sendings) > 1 or len(request.seen_by) > 1):
            yield f"{request!r}"


def nothing_is_sent_after_an_answer_has_begun(world: "World") -> Iterator[str]:
    """After a response byte went downstream nothing is retried (resilience.md, "Retry")."""
    for request in world.journal.requests.values():
        if any(sending.was_answering for sending in request.sendings):
            yield f"{request!r}"


def tries_are_bounded(world: "World") -> Iterator[str]:
    """No request is sent more often than `retry.attempts` says (resilience.md, "Retry")."""
    for request in world.journal.requests.values():
        if len(request.sendings) > request.most_tries:
            yield f"{request!r}"


def where_one_backend_is_well_nobody_notices(world: "World") -> Iterator[str]:
    """While one container is stopped, killed, paused or closed to all, and events tell, what may be sent elsewhere is
    answered, and not with an error of ours (design.md, "Deploys and failures are invisible")."""
    if not world.is_mild:
        return
    for request in world.journal.requests.values():
        if request.method in (b"GET", b"HEAD", b"DELETE") and any(each.request is None for each in request.answers):
            yield f"{request!r}"


def nobody_waits_longer_than_limits(world: "World") -> Iterator[str]:
    """A request takes no longer than its time to be held, to connect, to be answered (once again) and to stream."""
    spec = world.service_spec
    tries = spec.retry.attempts
    connecting = tries * (spec.timeout.connect + SWEEP_INTERVAL)
    pausing = tries * (LONGEST_RETRY_AFTER + SWEEP_INTERVAL)
    # One try, one more, and the trial of a half-open circuit before them.
    answering = min(tries, 3) * (spec.timeout.response + SWEEP_INTERVAL) + spec.timeout.idle + SWEEP_INTERVAL
    most = spec.limit.wait + SWEEP_INTERVAL + connecting + pausing + answering + _ON_THE_WAY
    for request in world.journal.requests.values():
        if request.sent_at and (request.ended_at or world.loop.time()) - request.sent_at > most:
            yield f"{request!r} took longer than {most:g} s"


def retries_are_within_budget(world: "World") -> Iterator[str]:
    """What backends see twice is at most 20 % and 3 a second, with 10 s of that at once (resilience.md, "Retry").

    Beside it go hedges, which have a budget of their own, trials, which are on us, and rescues, of which there are
    never more than requests in flight.
    """
    service = world.fleet.services[SERVICE]
    requests = [each for each in world.journal.requests.values() if each.id <= world.requests_until_healed]
    count, seconds = len(requests), world.healed_at - world.started
    twice = sum(max(len(request.seen_by) - 1, 0) for request in requests)
    income = service.spec.retry.budget * count + TRICKLE * (seconds + WORTH)
    beside = world.journal.trials + _hedges(world) + sum(service.statistics.rescues.values())
    if twice > income + beside:
        yield f"{twice} of {count} requests were seen twice, which is more than {income:.0f} and {beside}"


def hedges_are_few(world: "World") -> Iterator[str]:
    """At most 5 % of requests have a second try beside a slow one (resilience.md, "Try timeout")."""
    if SERVICE not in world.fleet.services:
        return
    hedges, count = _hedges(world), len(world.journal.requests)
    if hedges > HEDGED * count + 1:
        yield f"{hedges} of {count}"


def lines_are_no_longer_than_their_limit(world: "World") -> Iterator[str]:
    """No more than limit.queue wait (resilience.md, "Limits")."""
    for service in world.fleet.services.values():
        if len(service.line) > service.spec.limit.queue:
            yield f"{service.line!r} of at most {service.spec.limit.queue}"


def nobody_has_more_in_flight_than_its_limit(world: "World") -> Iterator[str]:
    """A backend serves no more than limit.inflight at once (resilience.md, "Limits")."""
    most = world.service_spec.limit.inflight
    if most is None:
        return
    for backend in world.backends():
        if backend.in_flight > most:
            yield f"{backend!r} of at most {most}"


def nobody_waits_in_vain(world: "World") -> Iterator[str]:
    """Who waits for a backend that is gone is sent elsewhere, or told within 5 s (resilience.md, "Rescue")."""
    now = world.loop.time()
    longest = world.plane.settings.last_words + 2 * SWEEP_INTERVAL
    for downstream in world.plane.downstreams:
        exchange = downstream.exchange
        if exchange is None or exchange.phase is not Phase.WAITING or exchange.backend is None:
            continue
        backend = exchange.backend
        is_gone = backend.unavailable in (Unavailable.GONE, Unavailable.PAUSED)
        if is_gone and exchange.request_complete and now > backend.since + longest:
            yield f"{exchange!r} at {backend!r}"


def there_is_always_a_way_back(world: "World") -> Iterator[str]:
    """After 95 s in which all backends were well everyone is available and every circuit closed (principle 5)."""
    names = {backend.name for backend in world.backends()}
    for name in sorted(world.fates.backends.keys() - names):
        yield f"{name} runs and is not known"
    for backend in world.backends():
        if backend.unavailable is not None or backend.circuit.state is not State.CLOSED:
            yield f"{backend!r} {backend.circuit!r}"


def _hedges(world: "World") -> int:
    return world.fleet.services[SERVICE].statistics.retries.get(Failure.TRY_TIMEOUT, 0)


def all_is_given_back(world: "World") -> Iterator[str]:
    """When the last client has gone nobody is counted, and nobody waits in line, any more."""
    for service in world.fleet.services.values():
        if len(service.line) or service.is_waited_for:
            yield f"{service.line!r}"
    for backend in (*world.backends(), *(backend for backend, _ in world.fleet.departed)):
        if backend.in_flight:
            yield f"{backend!r}"
    if world.plane.downstreams:
        yield f"clients are left: {world.plane.downstreams}"
    if world.plane.admissions.total:
        yield f"{world.plane.admissions!r}"


def nothing_is_left(world: "World") -> Iterator[str]:
    """When all is closed there is no task, timer or connection left (style.md, rule 18)."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:
        yield f"tasks: {tasks}"
    loop = asyncio.get_running_loop()
    if isinstance(loop, SimulatedLoop) and loop.timers():
        yield f"timers: {loop.timers()}"
    if world.plane.pool.open or world.plane.pool.idle:
        yield f"connections: {world.plane.pool.open} open, {world.plane.pool.idle} idle"


WHEN_MOVED: Final[tuple[Law, ...]] = (
    in_flight_counts_are_true,
    circuits_take_out_no_more_than_their_share,
    lines_are_no_longer_than_their_limit,
    nobody_has_more_in_flight_than_its_limit,
    hedges_are_few,
)
ALL_THE_TIME: Final[tuple[Law, ...]] = (suspicions_end, nobody_waits_in_vain)
AT_END: Final[tuple[Law, ...]] = (
    each_request_ends_once,
    non_idempotent_requests_are_sent_once,
    nothing_is_sent_after_an_answer_has_begun,
    tries_are_bounded,
    where_one_backend_is_well_nobody_notices,
    nobody_waits_longer_than_limits,
    retries_are_within_budget,
    there_is_always_a_way_back,
    all_is_given_back,
)
WHEN_STOPPED: Final[tuple[Law, ...]] = (nothing_is_left,)
