"""The table of what is in flight: who gets which column, and that other processes see the cells."""

import os

from proxy.fleet.shared_load import NO_SLOT
from proxy.processes.table import COLUMNS, Slots, Table, cells
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, BackendSpec, ServiceSpec


def desired(*names: str) -> Desired:
    backends = tuple(
        BackendSpec(key=BackendKey(container=name, host="10.0.0.1", port=80), name=name, service="web")
        for name in names
    )
    return Desired(services=(ServiceSpec(name="web"),), backends=backends)


def test_backend_keeps_its_slot_whoever_comes_and_goes() -> None:
    slots = Slots(4)
    assert slots.assign(desired("a", "b")) == (0, 1)
    assert slots.assign(desired("c", "b", "a")) == (2, 1, 0)
    assert slots.assign(desired("c")) == (2,)


def test_slot_of_one_that_left_is_given_away_last() -> None:
    slots = Slots(4)
    slots.assign(desired("a", "b"))
    slots.assign(desired("b"))
    assert slots.assign(desired("b", "c", "d", "e")) == (1, 2, 3, 0)


def test_backend_that_finds_the_table_full_has_none_until_another_leaves() -> None:
    slots = Slots(2)
    assert slots.assign(desired("a", "b", "c")) == (0, 1, NO_SLOT)
    assert slots.assign(desired("b", "c")) == (1, 0)


def test_cells_are_seen_wherever_they_are_mapped_and_a_row_is_cleared_alone() -> None:
    table = Table(2)
    one, other = (cells(os.dup(table.descriptor)) for _ in range(2))
    one[3] = 5
    one[COLUMNS + 3] = 7
    assert (other[3], other[COLUMNS + 3]) == (5, 7)
    table.clear(0)
    assert (other[3], other[COLUMNS + 3]) == (0, 7)
    table.close()
