"""Counters."""

from proxy.failure import Failure
from proxy.fleet.statistics import BOUNDS, BackendStatistics, Histogram, PlaneStatistics, ServiceStatistics


def test_duration_falls_into_the_bucket_that_holds_it() -> None:
    histogram = Histogram()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] + 0.0001, 99.0):
        histogram.observe(seconds)
    assert histogram.counts[0] == 2
    assert histogram.counts[1] == 1
    assert histogram.counts[-1] == 1
    assert histogram.count == 4


def test_client_cannot_make_new_series_by_new_methods() -> None:
    statistics = ServiceStatistics()
    for number in range(100):
        statistics.count_request(b"METHOD%d" % number, 200, 0.1)
    statistics.count_request(b"GET", 200, 0.1)
    assert statistics.requests == {(b"other", 200): 100, (b"GET", 200): 1}


def test_failures_and_retries_are_counted_by_kind() -> None:
    backend, service, plane = BackendStatistics(), ServiceStatistics(), PlaneStatistics()
    for _ in range(2):
        backend.count_failure(Failure.REFUSED)
        service.count_retry(Failure.REFUSED)
        plane.count_bad_request(Failure.BAD_FIELD)
    assert backend.failures == service.retries == {Failure.REFUSED: 2}
    assert plane.bad_requests == {Failure.BAD_FIELD: 2}
