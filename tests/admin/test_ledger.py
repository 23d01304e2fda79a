"""Counters never lose what they have shown while their series lives. Times are literal."""

from proxy.admin.ledger import Ledger, total_of_backends, total_of_services
from proxy.failure import Failure
from proxy.fleet.fleet import KEEP_DEPARTED
from proxy.fleet.statistics import BackendStatistics, ServiceStatistics


def statistics(count: int) -> BackendStatistics:
    made = BackendStatistics()
    made.responses[2] = count
    return made


def ledger() -> Ledger[str, BackendStatistics]:
    return Ledger(total_of_backends)


def answers(sums: dict[str, BackendStatistics]) -> dict[str, int]:
    return {name: total.responses[2] for name, total in sums.items()}


def test_single_holder_is_its_series() -> None:
    only = statistics(3)
    assert ledger().settle({only: "a"}, {}, 0.0) == {"a": only}


def test_holders_of_one_name_are_added_up_and_not_changed() -> None:
    one, other = statistics(3), statistics(4)
    assert answers(ledger().settle({one: "a", other: "a"}, {}, 0.0)) == {"a": 7}
    assert (one.responses[2], other.responses[2]) == (3, 4)


def test_departed_counts_until_its_time_is_over() -> None:
    book, leaver = ledger(), statistics(3)
    book.settle({leaver: "a"}, {}, 0.0)
    departed = {leaver: ("a", 10.0)}
    leaver.responses[2] += 1  # in flight when it left
    assert answers(book.settle({}, departed, 10.0 + KEEP_DEPARTED - 1)) == {"a": 4}
    assert answers(book.settle({}, departed, 10.0 + KEEP_DEPARTED)) == {}
    assert answers(book.settle({}, departed, 11.0 + KEEP_DEPARTED)) == {}


def test_departed_counts_although_nobody_scraped_while_it_was_there() -> None:
    assert answers(ledger().settle({}, {statistics(3): ("a", 10.0)}, 11.0)) == {"a": 3}


def test_departed_part_is_carried_on_while_the_series_has_others() -> None:
    book, old, new = ledger(), statistics(1000), statistics(5)
    book.settle({old: "a"}, {}, 0.0)
    departed = {old: ("a", 10.0)}
    for now in (20.0, 10.0 + KEEP_DEPARTED, 11.0 + KEEP_DEPARTED, 9999.0):
        assert answers(book.settle({new: "a"}, departed, now)) == {"a": 1005}


def test_several_that_departed_one_after_another_are_all_carried_on() -> None:
    book, old, middle, new = ledger(), statistics(1000), statistics(50), statistics(5)
    book.settle({old: "a"}, {}, 0.0)
    book.settle({middle: "a"}, {old: ("a", 10.0)}, 10.0)
    book.settle({new: "a"}, {old: ("a", 10.0), middle: ("a", 200.0)}, 200.0)
    for now in (10.0 + KEEP_DEPARTED, 200.0 + KEEP_DEPARTED, 9999.0):
        assert answers(book.settle({new: "a"}, {}, now)) == {"a": 1055}


def test_carried_part_goes_with_its_series() -> None:
    book, old, new = ledger(), statistics(1000), statistics(5)
    book.settle({old: "a"}, {}, 0.0)
    book.settle({new: "a"}, {old: ("a", 0.0)}, KEEP_DEPARTED)
    book.settle({}, {new: ("a", KEEP_DEPARTED)}, KEEP_DEPARTED)
    assert answers(book.settle({}, {}, 2 * KEEP_DEPARTED)) == {}
    assert answers(book.settle({statistics(7): "a"}, {}, 2 * KEEP_DEPARTED + 1)) == {"a": 7}
    assert "carried=0" in repr(book)


def test_holder_whose_time_of_leaving_is_not_known_left_now() -> None:
    book, leaver = ledger(), statistics(3)
    book.settle({leaver: "a"}, {}, 0.0)
    assert answers(book.settle({}, {}, 100.0)) == {"a": 3}
    assert answers(book.settle({}, {}, 99.0 + KEEP_DEPARTED)) == {"a": 3}
    assert answers(book.settle({}, {}, 100.0 + KEEP_DEPARTED)) == {}


def test_renamed_holder_takes_its_counts_along() -> None:
    book, holder = ledger(), statistics(3)
    book.settle({holder: "a"}, {}, 0.0)
    assert answers(book.settle({holder: "b"}, {}, 1.0)) == {"b": 3}


def test_total_of_backends_adds_everything() -> None:
    parts = []
    for _ in range(2):
        part = statistics(2)
        part.first_byte.observe(0.5)
        part.count_failure(Failure.REFUSED)
        parts.append(part)
    total = total_of_backends(parts)
    assert (total.responses[2], total.first_byte.count, total.first_byte.total) == (4, 2, 1.0)
    assert total.failures == {Failure.REFUSED: 2}


def test_total_of_services_adds_everything() -> None:
    parts = []
    for _ in range(2):
        part = ServiceStatistics()
        part.count_request(b"GET", 200, 0.5)
        part.count_retry(Failure.REFUSED)
        part.request_bytes, part.response_bytes = 10, 20
        parts.append(part)
    total = total_of_services(parts)
    assert (total.requests, total.retries) == ({(b"GET", 200): 2}, {Failure.REFUSED: 2})
    assert (total.duration.count, total.request_bytes, total.response_bytes) == (2, 20, 40)
