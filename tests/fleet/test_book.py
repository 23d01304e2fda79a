"""Several fleets that serve and the one that keeps their books: what is counted once is shown once, whoever ends."""

import random

import pytest

from proxy.failure import Failure
from proxy.fleet.backend import Backend, Unavailable
from proxy.fleet.book import Book
from proxy.fleet.fleet import KEEP_DEPARTED, Fleet
from proxy.fleet.statistics import Histogram, PlaneStatistics, ServiceStatistics
from proxy.fleet.tally import BY_FAILURE, COUNTS, DURATIONS, PLANE_COUNTS, Tally, TallyTaker
from proxy.health.circuit import Cause, State
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, BackendSpec, ServiceSpec

NAMES = ("a", "b")


def spec(name: str) -> BackendSpec:
    return BackendSpec(key=BackendKey(container=name, host="10.0.0.1", port=80), name=name, service="web")


def desired(*names: str) -> Desired:
    return Desired(services=(ServiceSpec(name="web"),), backends=tuple(spec(name) for name in names))


class Serving:
    """A fleet that serves, its taker, and what a data plane would do there."""

    def __init__(self, *names: str) -> None:
        self.fleet = Fleet(random.Random(1))
        self.fleet.reconcile(desired(*names), 0.0)
        self.plane = PlaneStatistics()
        self.taker = TallyTaker(self.fleet, self.plane)

    def backend(self, name: str) -> Backend:
        return self.fleet.services["web"].backends[spec(name).key]

    def answer(self, name: str, seconds: float = 0.002) -> None:
        service, backend = self.fleet.services["web"], self.backend(name)
        backend.statistics.responses[2] += 1
        backend.statistics.first_byte.observe(seconds)
        service.statistics.count_request(b"GET", 200, seconds)
        service.statistics.response_bytes += 10

    def fail(self, name: str, now: float = 1.0) -> None:
        self.fleet.report(self.fleet.services["web"], self.backend(name), Failure.REFUSED, now)


class Scene:
    """Two that serve, and the book."""

    def __init__(self, *names: str) -> None:
        self.fleet = Fleet(random.Random(1))
        self.fleet.reconcile(desired(*names), 0.0)
        self.plane = PlaneStatistics()
        self.book = Book(self.fleet, self.plane)
        self.serving = [Serving(*names), Serving(*names)]

    def reconcile(self, *names: str, now: float = 1.0) -> None:
        for fleet in (self.fleet, *(each.fleet for each in self.serving)):
            fleet.reconcile(desired(*names), now)

    def report(self, *workers: int, now: float = 1.0) -> None:
        for worker in workers:
            self.book.enter(worker, self.serving[worker].taker.take(now), now)

    def backend(self, name: str) -> Backend:
        return self.fleet.services["web"].backends[spec(name).key]


@pytest.fixture
def scene() -> Scene:
    return Scene(*NAMES)


# counts


def test_counts_of_all_workers_are_added_up(scene: Scene) -> None:
    for worker in (0, 1, 1):
        scene.serving[worker].answer("a", 0.002)
    scene.serving[0].plane.count_bad_request(Failure.BAD_HOST)
    scene.serving[1].plane.unrouted += 2
    scene.report(0, 1)
    backend, service = scene.backend("a"), scene.fleet.services["web"]
    assert backend.statistics.responses[2] == 3
    assert backend.statistics.first_byte.count == 3
    assert backend.statistics.first_byte.total == pytest.approx(0.006)
    assert service.statistics.requests == {(b"GET", 200): 3}
    assert service.statistics.response_bytes == 30
    assert scene.plane.bad_requests == {Failure.BAD_HOST: 1}
    assert scene.plane.unrouted == 2


def test_everything_that_a_service_counts_is_carried(scene: Scene) -> None:
    fresh = ServiceStatistics()
    counted = {name for name in dir(fresh) if not name.startswith("_") and not callable(getattr(fresh, name))}
    assert counted == {"requests", *COUNTS, *BY_FAILURE, *DURATIONS}
    statistics = scene.serving[0].fleet.services["web"].statistics
    for number, name in enumerate(COUNTS, start=1):
        setattr(statistics, name, number)
    for name in BY_FAILURE:
        getattr(statistics, name)[Failure.RESET] = 3
    for name in DURATIONS:
        getattr(statistics, name).observe(0.5)
    scene.report(0, 0)
    entered = scene.fleet.services["web"].statistics
    assert [getattr(entered, name) for name in COUNTS] == list(range(1, len(COUNTS) + 1))
    assert [getattr(entered, name) for name in BY_FAILURE] == [{Failure.RESET: 3}] * len(BY_FAILURE)
    durations: list[Histogram] = [getattr(entered, name) for name in DURATIONS]
    assert [(each.count, each.total) for each in durations] == [(1, 0.5)] * len(DURATIONS)


def test_everything_that_a_data_plane_counts_is_carried(scene: Scene) -> None:
    fresh = PlaneStatistics()
    counted = {name for name in dir(fresh) if not name.startswith("_") and not callable(getattr(fresh, name))}
    assert counted == {"bad_requests", *PLANE_COUNTS}
    for number, name in enumerate(PLANE_COUNTS, start=1):
        setattr(scene.serving[0].plane, name, number)
    scene.report(0, 0)
    assert [getattr(scene.plane, name) for name in PLANE_COUNTS] == list(range(1, len(PLANE_COUNTS) + 1))


def test_those_who_wait_are_counted_over_all_workers(scene: Scene) -> None:
    for worker, count in ((0, 2), (1, 3)):
        line = scene.serving[worker].fleet.services["web"].line
        for who in range(count):
            line.join(who, 1.0)
    scene.report(0, 1)
    service = scene.fleet.services["web"]
    assert service.waiting == 5
    scene.book.forget(1, 2.0)
    assert service.waiting == 2


def test_what_was_reported_is_not_reported_again(scene: Scene) -> None:
    scene.serving[0].answer("a")
    scene.report(0)
    assert scene.serving[0].taker.take(1.0) == Tally()
    scene.report(0, 0)
    assert scene.backend("a").statistics.responses[2] == 1


def test_only_those_with_news_are_reported(scene: Scene) -> None:
    scene.serving[0].answer("b")
    tally = scene.serving[0].taker.take(1.0)
    assert [each.key.container for each in tally.backends] == ["b"]


def test_a_few_at_a_time_everybody_has_a_turn(scene: Scene) -> None:
    for name in NAMES:
        scene.serving[0].answer(name)
    taker = scene.serving[0].taker
    tallies = [taker.take(1.0, 1) for _ in range(3)]  # the service and its two backends
    assert [(len(tally.services), len(tally.backends)) for tally in tallies] == [(1, 0), (0, 1), (0, 1)]
    assert taker.take(1.0) == Tally()
    scene.serving[0].answer("b")
    assert [len(taker.take(1.0, 1).backends) for _ in range(3)] == [0, 0, 1]


def test_turn_that_is_begun_anew_has_those_again_who_had_theirs(scene: Scene) -> None:
    serving = scene.serving[0]
    serving.taker.take(1.0, most=2)
    serving.answer("a")
    serving.taker.begin_turn(1.0)
    tallies = []
    while serving.taker.left:
        tallies.append(serving.taker.take(1.0, most=1))
    assert sum(each.responses[2] for tally in tallies for each in tally.backends) == 1
    assert len(tallies) == 1 + len(NAMES)


def test_whole_tally_leaves_nobody_out_whose_turn_has_not_come(scene: Scene) -> None:
    taker = scene.serving[0].taker
    taker.take(1.0, 1)
    for name in NAMES:
        scene.serving[0].answer(name)
    assert len(taker.take(1.0).backends) == 2


def test_worker_that_ends_leaves_its_counts_and_takes_its_facts(scene: Scene) -> None:
    scene.serving[0].answer("a")
    scene.serving[0].backend("a").in_flight = 2
    scene.serving[1].backend("a").in_flight = 3
    scene.report(0, 1)
    assert scene.backend("a").in_flight == 5
    scene.book.forget(0, 2.0)
    assert scene.backend("a").in_flight == 3
    assert scene.backend("a").statistics.responses[2] == 1
    scene.serving[0] = Serving(*NAMES)  # the one that takes its place begins at nothing
    scene.serving[0].answer("a")
    scene.report(0)
    assert scene.backend("a").statistics.responses[2] == 2


def test_request_that_ends_at_a_backend_that_left_is_counted(scene: Scene) -> None:
    gone = scene.backend("a")
    serving_gone = scene.serving[0].backend("a")
    serving_gone.in_flight = 1
    scene.reconcile("b")
    scene.report(0)
    assert gone.in_flight == 1
    serving_gone.in_flight = 0
    serving_gone.statistics.responses[2] += 1
    scene.report(0)
    assert (gone.in_flight, gone.statistics.responses[2]) == (0, 1)


def test_request_that_ends_in_a_service_that_left_is_counted(scene: Scene) -> None:
    service = scene.fleet.services["web"]
    statistics = scene.serving[0].fleet.services["web"].statistics
    scene.serving[0].answer("a")
    scene.report(0)
    for fleet in (scene.fleet, scene.serving[0].fleet):
        fleet.reconcile(Desired(), 2.0)
    statistics.count_request(b"GET", 200, 1.0)
    scene.report(0, now=2.0)
    assert service.statistics.requests == {(b"GET", 200): 2}


def test_service_that_left_long_ago_is_forgotten_by_its_taker(scene: Scene) -> None:
    statistics = scene.serving[0].fleet.services["web"].statistics
    scene.report(0)
    scene.serving[0].fleet.reconcile(Desired(), 2.0)
    scene.report(0, now=2.0)
    scene.report(0, now=2.0 + KEEP_DEPARTED)
    statistics.count_request(b"GET", 200, 1.0)
    assert scene.serving[0].taker.take(3.0 + KEEP_DEPARTED) == Tally()


def test_failures_and_openings_are_counted_by_their_names(scene: Scene) -> None:
    for number in range(3):
        scene.serving[0].fail("a", 1.0 + number)
    scene.report(0)
    backend = scene.backend("a")
    assert backend.statistics.failures == {Failure.REFUSED: 3}
    assert backend.circuit.opened == {Cause.GATEWAY_FAILURES: 1}


# facts


def test_backend_stands_like_the_worst_that_a_worker_says(scene: Scene) -> None:
    for number in range(3):
        scene.serving[0].fail("a", 1.0 + number)
    scene.report(0, 1)
    backend = scene.backend("a")
    assert (backend.circuit.state, backend.unavailable) == (State.OPEN, Unavailable.CIRCUIT_OPEN)
    scene.book.forget(0, 5.0)
    assert (backend.circuit.state, backend.unavailable) == (State.CLOSED, None)


def test_suspicion_of_a_worker_is_known_before_its_report(scene: Scene) -> None:
    scene.serving[0].backend("a").in_flight = 1
    scene.report(0)
    scene.book.suspect(0, spec("a").key, 1.0)
    backend = scene.backend("a")
    assert (backend.unavailable, backend.in_flight) == (Unavailable.SUSPECT, 1)
    scene.serving[0].backend("a").in_flight = 0
    scene.report(0)
    assert backend.unavailable is None


def test_suspicion_at_an_unknown_address_is_nothing(scene: Scene) -> None:
    scene.book.suspect(0, BackendKey(container="x", host="10.0.0.9", port=1), 1.0)
    assert all(backend.unavailable is None for backend in scene.fleet.backends())
