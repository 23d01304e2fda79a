"""Several workers whose balancing sees what all of them have in flight."""

import random
from collections import Counter

import pytest

from proxy.failure import Failure
from proxy.fleet.backend import Backend, Unavailable
from proxy.fleet.fleet import Fleet
from proxy.fleet.service import Service
from proxy.fleet.shared_load import FEW, NO_SLOT, SharedLoad
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, BackendSpec, LimitSpec, PolicyName, ServiceSpec
from proxy.wire.head import RequestHead
from proxy.wire.sticky import token

COLUMNS = 64
SECRET = bytes(16)


def spec(name: str, weight: int = 1) -> BackendSpec:
    key = BackendKey(container=name, host="10.0.0.1", port=80)
    return BackendSpec(key=key, name=name, service="web", weight=weight)


class Scene:
    """Fleets that share a table."""

    def __init__(self, rows: int) -> None:
        self.cells = memoryview(bytearray(4 * rows * COLUMNS)).cast("i")
        self.fleets = [
            Fleet(random.Random(row), secret=SECRET, shared=SharedLoad(self.cells, row, rows)) for row in range(rows)
        ]

    def reconcile(self, *specs: BackendSpec, service: ServiceSpec | None = None, only: int | None = None) -> None:
        desired = Desired(services=(service or ServiceSpec(name="web", slow_start=0.0),), backends=specs)
        for fleet in self.fleets if only is None else [self.fleets[only]]:
            assert fleet.shared is not None
            fleet.shared.assign({(each.service, each.key): slot for slot, each in enumerate(specs)})
            fleet.reconcile(desired, 1.0)

    def service(self, row: int) -> Service:
        return self.fleets[row].services["web"]

    def take(self, row: int) -> str | None:
        backend = self.service(row).take(())
        return None if backend is None else backend.name

    def backend(self, row: int, name: str) -> Backend:
        return self.service(row).backends[spec(name).key]

    def column(self, slot: int) -> list[int]:
        return [self.cells[row * COLUMNS + slot] for row in range(len(self.fleets))]


def kept_at(backend: Backend) -> RequestHead:
    """A request of a client that has been there."""
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: kept=" + token(backend.key, SECRET) + b"\r\n\r\n"
    return RequestHead(
        method=b"GET",
        target=b"/",
        path=b"/",
        host=b"a",
        minor=1,
        persistent=True,
        body=0,
        expects_continue=False,
        forward=raw,
        raw=raw,
    )


@pytest.fixture
def scene() -> Scene:
    return Scene(3)


def test_worker_with_nothing_in_flight_goes_where_the_others_have_least(scene: Scene) -> None:
    scene.reconcile(spec("a"), spec("b"), spec("c"))
    first = {scene.take(row) for row in range(3)}
    assert first == {"a", "b", "c"}
    assert scene.column(0) == [int(scene.backend(row, "a").in_flight > 0) for row in range(3)]


def test_distribution_is_that_of_one_process(scene: Scene) -> None:
    scene.reconcile(spec("a"), spec("b", weight=2), spec("c"))
    names = Counter(scene.take(number % 3) for number in range(40))
    assert names == {"a": 10, "b": 20, "c": 10}


def test_slow_backend_gets_no_more_than_the_others_have_in_flight(scene: Scene) -> None:
    scene.reconcile(spec("slow"), spec("quick"))
    chance = random.Random(5)
    for _ in range(100):
        service = scene.service(chance.randrange(3))
        backend = service.take(())
        assert backend is not None
        if backend.name == "quick":
            service.release(backend)
    assert sum(scene.column(0)) == 1


def test_of_many_a_loaded_one_is_hardly_ever_chosen(scene: Scene) -> None:
    specs = [spec(f"b{number}") for number in range(4 * FEW)]
    scene.reconcile(*specs)
    loaded = scene.backend(0, "b0")
    for _ in range(50):
        scene.service(0).take_again(loaded)
    names = Counter(scene.take(1) for _ in range(20 * FEW))
    assert names["b0"] == 0
    assert max(names.values()) <= 8  # five each on average


def test_of_many_with_all_others_tried_the_last_one_is_found(scene: Scene) -> None:
    specs = [spec(f"b{number}") for number in range(4 * FEW)]
    scene.reconcile(*specs)
    tried = [backend for backend in scene.service(0).backends.values() if backend.name != "b7"]
    last = scene.service(0).take(tried)
    assert last is scene.backend(0, "b7")
    assert scene.service(0).take([*tried, last]) is None


@pytest.mark.parametrize("policy", PolicyName)
def test_limit_is_that_of_all_workers(scene: Scene, policy: PolicyName) -> None:
    limited = ServiceSpec(name="web", policy=policy, limit=LimitSpec(inflight=2), slow_start=0.0)
    scene.reconcile(spec("a"), spec("b"), service=limited)
    assert [scene.take(row) is not None for row in (0, 1, 2, 0, 1, 2)] == [True] * 4 + [False] * 2
    scene.service(0).release(next(each for each in scene.service(0).backends.values() if each.in_flight))
    assert scene.take(2) is not None
    assert scene.take(2) is None


def test_kept_client_goes_elsewhere_where_its_backend_is_full_over_all_workers(scene: Scene) -> None:
    limited = ServiceSpec(name="web", sticky="kept", limit=LimitSpec(inflight=2), slow_start=0.0)
    scene.reconcile(spec("a"), spec("b"), service=limited)
    head = kept_at(scene.backend(2, "a"))
    for row in (0, 1):
        scene.service(row).take_again(scene.backend(row, "a"))
    assert scene.service(2).take_kept(head) is None
    scene.service(0).release(scene.backend(0, "a"))
    assert scene.service(2).take_kept(head) is scene.backend(2, "a")
    assert scene.column(0) == [0, 1, 1]
    assert scene.service(1).take_kept(head) is None


def test_kept_client_is_kept_whatever_is_in_flight_where_there_is_no_limit(scene: Scene) -> None:
    scene.reconcile(spec("a"), spec("b"), service=ServiceSpec(name="web", sticky="kept", slow_start=0.0))
    head = kept_at(scene.backend(2, "a"))
    for row in (0, 1, 1):
        scene.service(row).take_again(scene.backend(row, "a"))
    assert scene.service(2).take_kept(head) is scene.backend(2, "a")


def test_trial_waits_while_its_backend_is_full_over_all_workers(scene: Scene) -> None:
    limited = ServiceSpec(name="web", limit=LimitSpec(inflight=1), slow_start=0.0)
    scene.reconcile(spec("a"), spec("b"), service=limited)
    scene.service(0).take_again(scene.backend(0, "a"))
    tried = scene.backend(1, "a")
    for _ in range(10):
        scene.fleets[1].report(scene.service(1), tried, Failure.RESET, 2.0)
    scene.fleets[1].sweep(200.0)
    assert tried.unavailable is Unavailable.ON_TRIAL
    assert scene.service(1).take((), trial_ok=True) is scene.backend(1, "b")
    scene.service(0).release(scene.backend(0, "a"))
    assert scene.service(1).take((), trial_ok=True) is tried


def test_row_of_a_worker_that_ended_counts_no_more_when_it_is_cleared(scene: Scene) -> None:
    scene.reconcile(spec("a"), spec("b"))
    for _ in range(10):
        scene.take(0)
    for slot in range(COLUMNS):
        scene.cells[slot] = 0  # as the supervisor does
    assert Counter(scene.take(1) for _ in range(4)) == {"a": 2, "b": 2}


def test_backend_that_left_has_nothing_in_flight_for_whoever_gets_its_slot(scene: Scene) -> None:
    scene.reconcile(spec("a"), spec("b"))
    gone = scene.backend(0, "a")
    scene.service(0).take_again(gone)
    scene.reconcile(spec("c"), spec("b"))
    assert scene.column(0) == [0, 0, 0]
    scene.service(0).release(gone)
    assert scene.column(0) == [0, 0, 0]


def test_what_is_in_flight_is_told_again_when_policies_are_built_anew(scene: Scene) -> None:
    scene.reconcile(spec("a"), spec("b"))
    scene.take(0)
    scene.service(0).rebuild()
    assert sum(scene.column(0) + scene.column(1)) == 1


def test_backend_without_a_slot_is_counted_by_each_worker_alone(scene: Scene) -> None:
    scene.reconcile(spec("a"), spec("b"))
    for fleet in scene.fleets:
        assert fleet.shared is not None
        fleet.shared.assign({("web", spec("a").key): NO_SLOT, ("web", spec("b").key): NO_SLOT})
        fleet.services["web"].rebuild()
    assert Counter(scene.take(0) for _ in range(4)) == {"a": 2, "b": 2}
    assert list(scene.cells) == [0] * len(scene.cells)


def test_one_process_alone_has_the_policies_it_always_had() -> None:
    fleet = Fleet(random.Random(1))
    fleet.reconcile(Desired(services=(ServiceSpec(name="web"),), backends=(spec("a"),)), 1.0)
    (backend,) = fleet.backends()
    assert "LeastConnections" in type(backend.policy).__name__
