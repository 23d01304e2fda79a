"""The waiting line: nobody lost, nobody served twice, bounded, and in whose turn it is."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.fleet.waiting import STANDING, WaitingLine


def line(*names: str, limit: int = 10, now: float = 100.0) -> WaitingLine[str]:
    made = WaitingLine[str](limit)
    for name in names:
        assert made.join(name, now)
    return made


def test_short_line_serves_the_oldest_first() -> None:
    waiting = line("a", "b", "c")
    assert [waiting.next(100.05) for _ in range(4)] == ["a", "b", "c", None]


def test_line_that_stood_for_100_ms_serves_the_newest_first() -> None:
    waiting = line("a", "b", "c")
    assert [waiting.next(100.125) for _ in range(4)] == ["c", "b", "a", None]


def test_line_that_was_empty_in_between_serves_the_oldest_first_again() -> None:
    waiting = line("a")
    assert waiting.next(105.0) == "a"
    waiting.join("b", 105.0)
    waiting.join("c", 105.0)
    assert waiting.next(105.05) == "b"


def test_line_that_all_left_serves_the_oldest_first_again() -> None:
    waiting = line("a")
    assert waiting.leave("a")
    waiting.join("b", 105.0)
    waiting.join("c", 105.0)
    assert waiting.next(105.05) == "b"


def test_full_line_turns_away_and_counts_it() -> None:
    waiting = line("a", "b", limit=2)
    assert not waiting.join("c", 100.0)
    assert (len(waiting), waiting.refused, waiting.dropped) == (2, 1, 1)
    assert waiting.next(100.0) == "a"
    assert waiting.join("c", 100.0)


def test_line_of_none_turns_everybody_away() -> None:
    assert not line(limit=0).join("a", 100.0)


def test_lower_limit_keeps_those_who_stand_there() -> None:
    waiting = line("a", "b", "c")
    waiting.limit = 1
    assert not waiting.join("d", 100.0)
    assert len(waiting) == 3


def test_joining_twice_keeps_the_place() -> None:
    waiting = line("a", "b", limit=2)
    assert waiting.join("a", 100.02)
    assert [waiting.next(100.05) for _ in range(3)] == ["a", "b", None]


def test_client_that_left_is_not_served() -> None:
    waiting = line("a", "b", "c")
    assert waiting.leave("b")
    assert not waiting.leave("b")
    assert [waiting.next(100.0) for _ in range(3)] == ["a", "c", None]
    assert waiting.dropped == 0


def test_those_who_waited_for_nothing_are_counted_as_dropped() -> None:
    waiting = line("a", "b")
    waiting.outwait("a")
    waiting.outwait("a")
    waiting.outwait("nobody")
    assert (len(waiting), waiting.outwaited, waiting.dropped) == (1, 1, 1)


def test_waits_of_those_whose_turn_came_are_counted() -> None:
    waiting = line("a", "b", "c")
    waiting.next(100.25)
    waiting.leave("a")
    waiting.outwait("b")
    assert waiting.waits.count == 1
    assert waiting.waits.total == pytest.approx(0.25)


def test_representation_tells_the_state() -> None:
    assert repr(line("a", limit=2)) == "<WaitingLine 1/2 refused=0 outwaited=0>"


class _Model:
    """The same line as a plain list, slow and plain to see."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.stand: list[int] = []
        self.since = 0.0

    def join(self, who: int, now: float) -> bool:
        if who in self.stand:
            return True
        if len(self.stand) >= self.limit:
            return False
        if not self.stand:
            self.since = now
        self.stand.append(who)
        return True

    def leave(self, who: int) -> bool:
        before = len(self.stand)
        self.stand = [other for other in self.stand if other != who]
        return len(self.stand) < before

    def next(self, now: float) -> int | None:
        if not self.stand:
            return None
        return self.stand.pop(-1 if now - self.since >= STANDING else 0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("join", "join", "join", "leave", "next", "next")),
        st.integers(0, 12),
        st.sampled_from((0.0, 0.01, 0.05, 0.1, 0.3, 1.0)),
    ),
    max_size=80,
)


@given(STEPS, st.integers(0, 6))
def test_any_course_of_events_is_that_of_a_plain_list(steps: list[tuple[str, int, float]], limit: int) -> None:
    waiting, model, now = WaitingLine[int](limit), _Model(limit), 0.0
    for step, who, gap in steps:
        now += gap
        if step == "join":
            assert waiting.join(who, now) == model.join(who, now)
        elif step == "leave":
            assert waiting.leave(who) == model.leave(who)
        else:
            assert waiting.next(now) == model.next(now)
        assert len(waiting) == len(model.stand) <= limit


@given(STEPS, st.integers(0, 6))
def test_nobody_is_lost_and_nobody_is_served_twice(steps: list[tuple[str, int, float]], limit: int) -> None:
    waiting, now = WaitingLine[int](limit), 0.0
    joined: list[int] = []
    ended: list[int] = []
    for number, (step, place, gap) in enumerate(steps):
        now += gap
        if step == "join":
            if waiting.join(number, now):
                joined.append(number)
        elif step == "leave":
            ended += [who for who in joined[place : place + 1] if waiting.leave(who)]
        else:
            ended += [who for who in (waiting.next(now),) if who is not None]
    while (who := waiting.next(now)) is not None:
        ended.append(who)
    assert Counter(ended) == Counter(joined)


class _Counted:
    """Counts how often anybody of its kind is looked at."""

    looks = 0

    def __hash__(self) -> int:
        _Counted.looks += 1
        return id(self)

    def __eq__(self, other: object) -> bool:
        _Counted.looks += 1
        return self is other


def looks(length: int) -> list[int]:
    """How many looks each operation takes in a line of `length`."""
    waiting = WaitingLine[_Counted](length + 1)
    people = [_Counted() for _ in range(length)]
    for who in people:
        waiting.join(who, 0.0)
    counts = []
    for operation in (
        lambda: waiting.join(_Counted(), 0.0),
        lambda: waiting.leave(people[length // 2]),
        lambda: waiting.next(0.0),
        lambda: waiting.next(STANDING),
    ):
        before = _Counted.looks
        operation()
        counts.append(_Counted.looks - before)
    return counts


def test_operations_take_no_more_looks_in_a_long_line() -> None:
    assert max(looks(20_000)) <= max(looks(10)) + 4  # a hash table may see a few that fall into the same place
