"""One circuit: what opens it, for how long, and how it comes back. Times are literal."""

import random

import pytest

from proxy.health.circuit import LONGEST_OPEN, PATIENCE, TRANSITIONS, Cause, Circuit, Event, State, most_open
from proxy.health.window import Window
from proxy.spec.service import CircuitSpec

CLOSED, OPEN, HALF_OPEN = State.CLOSED, State.OPEN, State.HALF_OPEN


class Middle(random.Random):
    """Chance that draws the middle: open times are as configured."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


CHANCE = Middle()


def circuit(spec: CircuitSpec | None = None, rest: tuple[int, int] = (0, 0)) -> Circuit:
    """A closed one at 0 s, whose peers have had so many successes and failures."""
    spec = spec or CircuitSpec()
    whole = Window(spec.window)
    whole.add(*rest, 0.0)
    made = Circuit(spec, whole, 0.0)
    made.sample(0, 0.0)
    return made


def fed(made: Circuit, letters: str, now: float = 0.0) -> Cause | None:
    """The cause after these: g gateway failure, e other server error, . success."""
    successes = made._seen
    for letter in letters:
        if letter == ".":
            successes += 1
            continue
        made.sample(successes, now)
        made.count(now, gateway=letter == "g")
    return made.cause()


GATEWAY, ERRORS, RATIO, OUTLIER = Cause.GATEWAY_FAILURES, Cause.SERVER_ERRORS, Cause.RATIO, Cause.OUTLIER
CAUSES = {
    "two gateway failures are not enough": ("gg", None),
    "three in a row are": ("ggg", GATEWAY),
    "a success between begins anew": ("gg.gg", None),
    "another server error between does too": ("ggegg", ERRORS),
    "four server errors are not enough": ("eeee", None),
    "five in a row are": ("eeeee", ERRORS),
    "a success between begins anew for them as well": ("eeee.eeee", None),
    "gateway failures are server errors": ("ggeeg", ERRORS),
    "half of nine requests say nothing": ("e.e.e.e.e", None),
    "half of ten requests do": ("e.e.e.e..e", RATIO),
    "less than half is not enough": ("e.e.e.e...e", None),
}


@pytest.mark.parametrize(("letters", "cause"), CAUSES.values(), ids=CAUSES)
def test_what_has_failed_opens_it(letters: str, cause: Cause | None) -> None:
    assert fed(circuit(), letters) is cause


RESTS = {
    "the rest is well": ((100, 0), RATIO),
    "the rest fails a little": ((90, 10), RATIO),
    "half here and a fifth there is no difference of 0.3 more": ((79, 21), None),
    "half here and a fifth there is one of 0.3": ((80, 20), None),
    "a sixth there is a third of half": ((100, 20), RATIO),
    "all of the service fails": ((0, 50), None),
    "half of the rest fails too": ((50, 50), None),
}


@pytest.mark.parametrize(("rest", "cause"), RESTS.values(), ids=RESTS)
def test_ratio_counts_only_where_the_rest_is_better(rest: tuple[int, int], cause: Cause | None) -> None:
    assert fed(circuit(rest=rest), "e.e.e.e..e") is cause


def test_all_fail_here_and_a_third_of_the_rest_at_most() -> None:
    spec = CircuitSpec(server_errors=100)
    assert fed(circuit(spec, (70, 30)), "e" * 10) is RATIO
    assert fed(circuit(spec, (60, 40)), "e" * 10) is None


THIRD = "..e" * 5  # five of fifteen
OUTLIERS = {
    "a third here and none there": (THIRD, (60, 0), OUTLIER),
    "four failures are not enough": (THIRD[3:] + "..", (60, 0), None),
    "a third of nine there says nothing": (THIRD, (9, 0), None),
    "nobody else was asked": (THIRD, (0, 0), None),
    "a third here and some there may be chance": (THIRD, (54, 6), None),
    "a third everywhere": (THIRD, (40, 20), None),
    "a third here and half there": (THIRD, (100, 100), None),
    "a quarter here and a sixth there is too little, however sure": ("...e" * 250, (50_000, 10_000), None),
    "a quarter here and an eighth there is not": ("...e" * 250, (52_500, 7_500), OUTLIER),
}


@pytest.mark.parametrize(("letters", "rest", "cause"), OUTLIERS.values(), ids=OUTLIERS)
def test_smaller_share_opens_it_where_it_is_none_by_chance(
    letters: str, rest: tuple[int, int], cause: Cause | None
) -> None:
    assert fed(circuit(rest=rest), letters) is cause


def test_outlier_has_failed_as_often_as_server_errors_says() -> None:
    assert fed(circuit(CircuitSpec(server_errors=6), (600, 0)), THIRD) is None
    assert fed(circuit(CircuitSpec(server_errors=6), (600, 0)), THIRD + "..e") is OUTLIER


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("backends", [2, 5, 20])
def test_hardly_anybody_is_an_outlier_where_all_fail_alike(share: float, backends: int) -> None:
    """And never the most of them, as when one URL makes everybody fail."""
    chance, spec, outliers = random.Random(backends), CircuitSpec(), 0
    whole = Window(spec.window)
    circuits = [Circuit(spec, whole, 0.0) for _ in range(backends)]
    successes = [0] * backends
    for number in range(20_000):
        now, which = number / 50, chance.randrange(backends)
        if chance.random() >= share:
            successes[which] += 1
            continue
        circuits[which].sample(successes[which], now)
        circuits[which].count(now, gateway=False)
        outliers += circuits[which].cause() is OUTLIER
        if not number % 10:
            for each, total in zip(circuits, successes, strict=True):
                each.sample(total, now)
    assert outliers <= 4


def test_ratio_is_of_the_window_only() -> None:
    made = circuit(CircuitSpec(server_errors=100))
    fed(made, "e" * 9, 0.0)
    assert fed(made, "e", 10.0) is None
    assert fed(made, "e" * 9, 11.0) is RATIO


def test_successes_of_a_long_silence_are_of_unknown_age() -> None:
    made = circuit(CircuitSpec(gateway_failures=100))
    made.sample(500, 60.0)
    assert made.window.successes == 0
    made.sample(510, 61.0)
    assert made.window.successes == 10


def test_success_that_was_none_ends_no_run() -> None:
    made = circuit()
    for total in (1, 2, 3):  # each response began well and was cut
        made.discount()
        made.sample(total, 1.0)
        made.count(1.0, gateway=True)
    assert made.cause() is GATEWAY


def test_changed_settings_apply_to_what_was_counted() -> None:
    made = circuit()
    assert fed(made, "ggee") is None
    made.apply(CircuitSpec(server_errors=4), 1.0)
    assert made.cause() is ERRORS
    assert made.window.failures == 4


def test_table_has_every_way_and_no_other() -> None:
    made = circuit()
    assert not made.pass_trial(0.0)
    assert not made.fail_trial(0.0, CHANCE)
    assert not made.cool(1000.0)
    assert made.trip(GATEWAY, 0.0, CHANCE)
    assert not made.trip(GATEWAY, 0.0, CHANCE)
    assert not made.doubt(0.0)
    assert not made.pass_trial(0.0)
    assert set(TRANSITIONS.values()) == set(State)
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_open_time_ends_with_a_trial() -> None:
    made = circuit()
    made.trip(GATEWAY, 100.0, CHANCE)
    assert not made.may_try
    assert not made.cool(104.9)
    assert made.cool(105.0)
    assert made.may_try
    made.begin_trial()
    assert not made.may_try
    assert made.pass_trial(106.0)
    assert made.state is CLOSED


def open_seconds(made: Circuit, now: float) -> float:
    return made.until - now


def test_open_time_doubles_up_to_two_minutes() -> None:
    made, now, seen = circuit(), 0.0, []
    made.trip(GATEWAY, now, CHANCE)
    for _ in range(8):
        seen.append(open_seconds(made, now))
        now = made.until
        made.cool(now)
        made.fail_trial(now, CHANCE)
    assert seen == [5.0, 10.0, 20.0, 40.0, 80.0, 120.0, 120.0, 120.0]


HEALTHY = {
    "none": (0.0, 40.0),
    "less than a minute of it": (59.9, 40.0),
    "a minute": (60.0, 20.0),
    "two minutes": (120.0, 10.0),
    "an hour": (3600.0, 5.0),
}


@pytest.mark.parametrize(("healthy", "expected"), HEALTHY.values(), ids=HEALTHY)
def test_each_minute_of_health_halves_the_open_time(healthy: float, expected: float) -> None:
    made = circuit()
    made.trip(GATEWAY, 0.0, CHANCE)
    for _ in range(2):
        made.cool(made.until)
        made.fail_trial(made.until, CHANCE)
    closed = made.until
    made.cool(closed)
    made.pass_trial(closed)
    made.trip(GATEWAY, closed + healthy, CHANCE)
    assert open_seconds(made, closed + healthy) == pytest.approx(expected)


def test_open_time_differs_by_a_quarter() -> None:
    chance, seen = random.Random(1), []
    for _ in range(500):
        made = circuit()
        made.trip(GATEWAY, 0.0, chance)
        seen.append(made.until)
    assert 3.75 <= min(seen) < 3.8
    assert 6.2 < max(seen) <= 6.25


def test_open_time_longer_than_the_longest_does_not_double() -> None:
    made = circuit(CircuitSpec(open=2 * LONGEST_OPEN))
    made.trip(GATEWAY, 0.0, CHANCE)
    assert made.until == 2 * LONGEST_OPEN


def test_closed_circuit_has_forgotten_what_failed() -> None:
    made = circuit(CircuitSpec(gateway_failures=10, server_errors=100))
    made.trip(fed(made, "g" * 10) or RATIO, 0.0, CHANCE)
    made.cool(made.until)
    made.pass_trial(made.until)
    assert fed(made, "g" * 9, made.until) is None
    assert made._whole.failures == 9


DEADLINES = {"5 s at most": (60.0, 5.0), "the response timeout when that is less": (2.0, 2.0)}


@pytest.mark.parametrize(("allowed", "seconds"), DEADLINES.values(), ids=DEADLINES)
def test_trial_that_hangs_is_over_at_its_deadline(allowed: float, seconds: float) -> None:
    made = circuit()
    made.doubt(0.0)
    assert not made.is_trial_over(100.0, allowed)
    made.begin_trial()
    assert not made.is_trial_over(10.0, allowed)  # the first look: the time runs from here
    assert not made.is_trial_over(10.0 + seconds - 0.1, allowed)
    assert made.is_trial_over(10.0 + seconds, allowed)
    made.end_trial()
    assert made.may_try


def test_half_open_circuit_waits_for_a_trial_only_so_long() -> None:
    made = circuit()
    made.doubt(0.0)
    assert not made.has_waited(PATIENCE - 0.1)
    assert made.has_waited(PATIENCE)
    made.begin_trial()
    assert not made.has_waited(PATIENCE)


def test_openings_are_counted_by_cause() -> None:
    made = circuit()
    made.trip(RATIO, 0.0, CHANCE)
    made.cool(made.until)
    made.fail_trial(made.until, CHANCE)
    assert made.opened == {RATIO: 1, Cause.TRIAL: 1}


SHARES = {
    "nobody of none": (0, 0.5, 0),
    "nobody of one": (1, 0.5, 0),
    "one of two": (2, 0.5, 1),
    "one of three": (3, 0.5, 1),
    "two of five": (5, 0.5, 2),
    "one of two at least": (2, 0.1, 1),
    "one of nine at a tenth": (9, 0.1, 1),
    "all where all are allowed": (3, 1.0, 3),
    "none where none are": (10, 0.0, 0),
}


@pytest.mark.parametrize(("backends", "share", "expected"), SHARES.values(), ids=SHARES)
def test_most_open_is_a_share_rounded_down(backends: int, share: float, expected: int) -> None:
    assert most_open(backends, share) == expected


WORDS = {
    "gateway failures": ("ggg", "3 gateway failures in a row"),
    "server errors": ("eeeee", "5 server errors in a row"),
    "a share": ("e.e.e.e..e", "5 of 10 requests failed"),
    "an outlier": (THIRD, "5 of 15 requests failed, 1 of 121 elsewhere"),
}


@pytest.mark.parametrize(("letters", "words"), WORDS.values(), ids=WORDS)
def test_cause_in_words_has_the_numbers(letters: str, words: str) -> None:
    made = circuit(rest=(120, 1))
    cause = fed(made, letters)
    assert cause is not None
    assert made.in_words(cause) == words


def test_repr_tells_the_state() -> None:
    made = circuit()
    fed(made, "gg")
    assert repr(made) == "<Circuit CLOSED 2/2 in a row <Window 2/2 failed>>"
    made.doubt(0.0)
    made.begin_trial()
    assert "HALF_OPEN trying" in repr(made)
