"""Who starts slowly, how slowly, and for how long. Times are literal."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.failure import Failure
from proxy.health.verdict import Verdict
from proxy.spec.service import Lifecycle, PolicyName
from tests.fleet.scene import Scene


def joined(**settings: Any) -> Scene:
    """At 100 s a second one has joined one that is warm."""
    scene = Scene("a", policy=PolicyName.ROUND_ROBIN, **settings)
    scene.describe("b", 100.0)
    return scene


def share(scene: Scene, now: float) -> int:
    """What of 1100 requests the newcomer gets."""
    scene.fleet.sweep(now)
    return scene.picks(1100).get("b", 0)


def test_newcomer_beside_a_warm_peer_gets_its_share_bit_by_bit() -> None:
    scene = joined()
    assert share(scene, 100.0) == 100  # a tenth of the other's
    assert share(scene, 101.0) == 100
    assert share(scene, 105.0) == pytest.approx(367, abs=1)  # a half
    assert share(scene, 109.9) == 550
    assert scene["b"].is_warming
    assert share(scene, 110.0) == 550
    assert not scene["b"].is_warming
    assert (scene["a"].weight, scene["b"].weight) == (1, 1)


def test_weights_of_the_others_keep_their_proportion() -> None:
    scene = joined()
    scene.describe("c", 100.0, weight=4)
    scene.fleet.sweep(105.0)
    assert [scene[name].weight for name in "abc"] == [10, 5, 20]


def test_newcomer_has_few_requests_at_once() -> None:
    scene = joined(slow_start=20.0)
    with scene.in_flight("a", 10):
        scene.fleet.sweep(105.0)
        assert scene["b"].most_in_flight == 3  # a quarter of ten, rounded up
        with scene.in_flight("b", 3):
            assert scene.picks() == {"a": 40}
            assert scene.service.take([scene["a"]]) is scene["b"]  # rather than nobody
            scene.service.release(scene["b"])


def test_slow_start_of_none_is_none() -> None:
    scene = joined(slow_start=0.0)
    assert not scene["b"].is_warming
    assert share(scene, 100.1) == 550


def test_first_ones_start_at_once() -> None:
    scene = Scene("a", "b")
    assert not any(backend.is_warming for backend in scene.service.backends.values())


def test_those_that_came_up_together_share_at_once() -> None:
    scene = Scene("a", "b", "c", probes=True)
    for name, now in (("a", 0.1), ("b", 0.4), ("c", 9.0)):
        scene.probe(name, Verdict.PASSING, now)
        assert not scene[name].is_warming


def test_slow_start_ends_when_no_warm_peer_is_left() -> None:
    scene = joined()
    scene.observe("a", Lifecycle.GONE, 102.0)
    scene.fleet.sweep(102.1)
    assert not scene["b"].is_warming
    assert scene.picks() == {"b": 40}


COMES_BACK = {
    "from failing probes slowly": (
        lambda scene: (scene.probe("b", Verdict.FAILING_HARD, 50.0), scene.probe("b", Verdict.PASSING, 60.0)),
        True,
    ),
    "from the operator at once": (
        lambda scene: (scene.fleet.drain("b", 50.0), scene.fleet.undrain("b", 60.0)),
        False,
    ),
    "from a suspicion at once": (
        lambda scene: (scene.fail("b", Failure.REFUSED, 50.0), scene.confirm("b", True, 60.0)),
        False,
    ),
}


@pytest.mark.parametrize(("come_back", "slowly"), COMES_BACK.values(), ids=COMES_BACK)
def test_backend_comes_back_as_warm_as_it_was(come_back: Callable[[Scene], object], slowly: bool) -> None:
    scene = Scene("a", "b")
    come_back(scene)
    assert scene.states == {"a": "available", "b": "available"}
    assert scene["b"].is_warming is slowly


def test_backup_does_not_warm_up() -> None:
    scene = Scene("a")
    scene.describe("b", 100.0, backup=True)
    assert not scene["b"].is_warming


def test_slow_start_survives_a_changed_configuration() -> None:
    scene = joined()
    scene.fleet.sweep(105.0)
    scene.describe("c", 105.0)
    assert scene["b"].warmth == 0.5
    assert [scene[name].weight for name in "abc"] == [10, 5, 1]
