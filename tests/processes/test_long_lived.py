"""What stays is not walked through again, and what has gone is not kept for ever."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from proxy.processes.long_lived import SOME, LongLived


class Selfish:
    """Refers to itself, so that counting references never frees it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_full_collection_after_a_change_walks_through_nothing_that_was_there() -> None:
    kept = [[number] for number in range(10_000)]
    LongLived().on_change(len(kept))
    assert gc.get_freeze_count() >= 10_000
    assert not any(each is kept for each in gc.get_objects())


def test_what_refers_to_itself_goes_after_some_changes() -> None:
    selfish = Selfish()
    gone = weakref.ref(selfish)
    long_lived = LongLived()
    long_lived.on_change(1)
    del selfish
    for _ in range(SOME - 1):
        long_lived.on_change(1)
    assert gone() is not None
    long_lived.on_change(1)
    assert gone() is None


def test_what_refers_to_itself_goes_when_a_quarter_of_a_large_fleet_has_gone() -> None:
    selfish = Selfish()
    gone = weakref.ref(selfish)
    long_lived = LongLived()
    long_lived.on_change(10_000)
    del selfish
    long_lived.on_change(8_100)
    assert gone() is not None
    long_lived.on_change(7_900)
    assert gone() is None


def test_what_refers_to_nobody_is_freed_at_once() -> None:
    backend = type("Backend", (), {})()
    gone = weakref.ref(backend)
    LongLived().on_change(1)
    del backend
    assert gone() is None
