"""Who is due when, in literal times and against a dictionary that does the same slowly."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.control.probes.schedule import NEVER, Schedule


def test_earliest_comes_first_and_only_when_due() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.put("b", 2.0)
    schedule.put("a", 1.0)
    assert schedule.take_due(0.9) is None
    assert [schedule.take_due(2.0), schedule.take_due(2.0), schedule.take_due(2.0)] == ["a", "b", None]


def test_of_the_same_time_the_first_put_comes_first() -> None:
    schedule: Schedule[str] = Schedule()
    for subject in ("c", "a", "b"):
        schedule.put(subject, 1.0)
    assert [schedule.take_due(1.0) for _ in range(3)] == ["c", "a", "b"]


def test_put_again_replaces_when() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.put("a", 1.0)
    schedule.put("a", 5.0)
    assert schedule.take_due(4.0) is None
    schedule.put("a", 2.0)
    assert schedule.take_due(4.0) == "a"
    assert schedule.take_due(9.0) is None


def test_dropped_is_due_no_more() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.put("a", 1.0)
    schedule.drop("a")
    schedule.drop("nobody")
    assert (schedule.take_due(2.0), schedule.next_due, len(schedule)) == (None, NEVER, 0)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.one_of(st.none(), st.integers(0, 9)))))
def test_any_order_of_puts_and_drops_ends_as_the_last_of_each_says(steps: list[tuple[str, int | None]]) -> None:
    schedule: Schedule[str] = Schedule()
    expected: dict[str, int] = {}
    for subject, due in steps:
        if due is None:
            schedule.drop(subject)
            expected.pop(subject, None)
        else:
            schedule.put(subject, due)
            expected[subject] = due
    assert schedule.next_due == min(expected.values(), default=NEVER)
    taken = []
    while (due_now := schedule.take_due(9.0)) is not None:
        taken.append(due_now)
    assert sorted(taken) == sorted(expected)
    assert [expected[subject] for subject in taken] == sorted(expected.values())
