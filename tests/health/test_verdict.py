"""Probes to a verdict: rise, fall, the start, and when to ask next. Times are literal."""

import random

import pytest

from proxy.health.verdict import STARTING, STARTING_DELAY, Outcome, ProbeRecord, Verdict
from proxy.spec.service import HealthSpec

PASS = Outcome(passed=True, seconds=0.01)
SLOW = Outcome(passed=False, error="no answer within 1s", seconds=1.0)
REFUSED = Outcome(passed=False, hard=True, error="connection refused")
LETTERS = {"p": PASS, "s": SLOW, "r": REFUSED}

UNKNOWN, PASSING, SOFT, HARD = Verdict.UNKNOWN, Verdict.PASSING, Verdict.FAILING_SOFT, Verdict.FAILING_HARD


def told(letters: str, begin: float = 0.0, spec: HealthSpec | None = None) -> ProbeRecord:
    """A record that was told these outcomes, one a second."""
    record = ProbeRecord(spec or HealthSpec(), 0.0)
    for index, letter in enumerate(letters):
        record.record(LETTERS[letter], begin + index)
    return record


STARTS = {
    "nothing is known before the first probe": ("", UNKNOWN),
    "the first success after a start is enough": ("p", PASSING),
    "a refusal while it may still be starting means not yet": ("rrrrrr", UNKNOWN),
    "so does a wrong answer": ("ssssss", UNKNOWN),
    "and a success after all that": ("rrrsssp", PASSING),
    "one failure does not take it down": ("pr", PASSING),
    "nor do two": ("prr", PASSING),
    "three refusals in a row do, hard": ("prrr", HARD),
    "three timeouts do, softly": ("psss", SOFT),
    "a success between two failures begins anew": ("prrprr", PASSING),
    "two refusals and a timeout are not all refused": ("prrs", SOFT),
    "a timeout and two refusals neither": ("psrr", SOFT),
    "one success does not bring it back": ("prrrp", HARD),
    "two in a row do": ("prrrpp", PASSING),
    "two with a failure between do not": ("prrrprp", HARD),
    "one that answers badly after it was refused is there at least": ("prrrs", SOFT),
    "one that is refused once after it answered badly is not gone yet": ("psssr", SOFT),
    "three times it is": ("psssrrr", HARD),
}


@pytest.mark.parametrize(("letters", "verdict"), STARTS.values(), ids=STARTS)
def test_outcomes_in_a_row_settle_the_verdict(letters: str, verdict: Verdict) -> None:
    assert told(letters).verdict is verdict


def test_one_that_never_passes_is_down_once_it_had_time_to_start() -> None:
    record = told("rrr")
    assert not record.record(REFUSED, STARTING - 0.1)
    assert record.record(REFUSED, STARTING)
    assert record.verdict is HARD


def test_record_says_only_when_the_verdict_flips() -> None:
    record = ProbeRecord(HealthSpec(fall=2, rise=2), 0.0)
    flips = [record.record(LETTERS[letter], float(index)) for index, letter in enumerate("ppsssppp")]
    assert flips == [True, False, False, True, False, False, True, False]


CONFIRMATIONS = {
    "a refusal after a suspicion takes it down at once": ("p", REFUSED, HARD),
    "a timeout does too, softly": ("p", SLOW, SOFT),
    "a success leaves it up": ("p", PASS, PASSING),
    "a success does not bring one back that is down": ("prrr", PASS, HARD),
    "a timeout does not soften what was hard": ("prrr", SLOW, HARD),
}


@pytest.mark.parametrize(("before", "outcome", "verdict"), CONFIRMATIONS.values(), ids=CONFIRMATIONS)
def test_confirming_probe_settles_at_once(before: str, outcome: Outcome, verdict: Verdict) -> None:
    record = told(before)
    was = record.verdict
    assert record.confirm(outcome, 10.0) is (verdict is not was)
    assert record.verdict is verdict


def delays(letters: str, begin: float = 0.0, spec: HealthSpec | None = None) -> tuple[float, float]:
    """The least and the most of many."""
    record = told(letters, begin, spec)
    chance = random.Random(1)
    drawn = [record.next_delay(chance) for _ in range(500)]
    return min(drawn), max(drawn)


DELAYS = {
    "2 s when all is well": ("pp", 2.0),
    "500 ms while a failure is not settled": ("pps", 0.5),
    "1 s when it has just gone down": ("prrr", 1.0),
    "then half as long again": ("prrrr", 1.5),
    "and again": ("prrrrr", 2.25),
    "10 s in the end": ("prrr" + "r" * 40, 10.0),
    "500 ms while a success is not settled": ("prrrrrrp", 0.5),
    "2 s when it is back": ("prrrrrrpp", 2.0),
    "1 s again when it goes down another time": ("prrrrrrppsss", 1.0),
}


@pytest.mark.parametrize(("letters", "middle"), DELAYS.values(), ids=DELAYS)
def test_next_probe_comes_after_a_delay_of_a_fifth_more_or_less(letters: str, middle: float) -> None:
    least, most = delays(letters)
    assert middle * 0.8 <= least < middle * 0.82
    assert middle * 1.18 < most <= middle * 1.2


def test_starting_one_is_asked_four_times_a_second_for_a_minute() -> None:
    assert delays("r", 59.9) == (STARTING_DELAY, STARTING_DELAY)
    least, most = delays("s", STARTING)
    assert 0.4 <= least < most <= 0.6


def test_intervals_are_those_of_the_settings() -> None:
    spec = HealthSpec(interval=10.0, fast_interval=3.0)
    assert delays("p", spec=spec)[0] >= 8.0
    assert 2.4 <= delays("ps", spec=spec)[0] <= 3.6


def test_changed_settings_keep_what_was_learned() -> None:
    record = told("pss").with_spec(HealthSpec(fall=4))
    assert (record.verdict, record.last_error) == (PASSING, SLOW.error)
    assert not record.record(SLOW, 4.0)
    assert record.record(SLOW, 5.0)
    assert record.verdict is SOFT


def test_usual_time_follows_the_probes_that_pass() -> None:
    record = ProbeRecord(HealthSpec(timeout=0.7), 0.0)
    assert record.usual_seconds == 0.7
    record.record(Outcome(passed=True, seconds=0.1), 1.0)
    assert record.usual_seconds == pytest.approx(0.1)
    record.record(Outcome(passed=True, seconds=0.2), 2.0)
    assert record.usual_seconds == pytest.approx(0.12)
    record.record(SLOW, 3.0)
    assert record.usual_seconds == pytest.approx(0.12)


def test_last_error_is_of_the_last_probe() -> None:
    assert told("pr").last_error == "connection refused"
    assert told("prp").last_error == ""


def test_repr_tells_the_counts() -> None:
    assert repr(told("pss")) == "<ProbeRecord passing passes=0 failures=2>"
