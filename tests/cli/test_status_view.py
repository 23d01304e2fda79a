"""What two overviews say, from literal documents."""

import pytest

from proxy.commands.status_view import Traffic, status_of
from tests.cli.overviews import backend, overview, service


def test_rates_are_between_the_moments_of_two_overviews() -> None:
    before = overview(service(backend()), at=10.0)
    later = backend(requests={"2xx": 110, "5xx": 5}, failures={"refused": 5}, first_byte=[0, 110, 5, 0])
    now = overview(service(later, requests={"200": 116, "404": 2, "502": 2}, duration=[10, 110, 0, 0]), at=12.0)
    (seen,) = status_of(now, before).services
    assert (seen.traffic.rate, seen.traffic.error_share) == (10.0, 0.1)
    assert seen.traffic.p50 == pytest.approx(0.001)
    assert seen.traffic.p99 == pytest.approx(0.00982)
    (row,) = seen.backends
    assert row.traffic.rate == 10.0
    assert row.traffic.error_share == 0.5  # answers of 5xx, and attempts that failed
    assert row.traffic.p99 == pytest.approx(0.1, rel=0.1)


NOTHING = {
    "one overview only": (overview(service(backend())), None),
    "the same moment": (overview(service(backend())), overview(service(backend()))),
    "a restart: counters began anew": (
        overview(service(backend(requests={}), requests={}), at=12.0),
        overview(service(backend())),
    ),
    "a restart: the clock began anew": (overview(service(backend()), at=3.0), overview(service(backend()))),
    "a service that was not there": (overview(service(backend()), at=12.0), overview()),
}


@pytest.mark.parametrize(("now", "before"), NOTHING.values(), ids=NOTHING)
def test_there_is_no_traffic_to_be_known_with(now: dict[str, object], before: dict[str, object] | None) -> None:
    (seen,) = status_of(now, before).services
    assert seen.traffic == Traffic()
    assert seen.backends[0].traffic == Traffic()


def test_without_requests_the_rate_is_zero_and_the_rest_is_not_known() -> None:
    (seen,) = status_of(overview(service(backend()), at=12.0), overview(service(backend()))).services
    assert seen.traffic == Traffic(rate=0.0)


def test_backends_are_known_again_by_container_and_address() -> None:
    before = overview(service(backend("a"), backend("b", container="old")))
    now = overview(service(backend("b", container="new"), backend("a", requests={"2xx": 104})), at=12.0)
    (seen,) = status_of(now, before).services
    assert [(row.name, row.traffic.rate) for row in seen.backends] == [("b", None), ("a", 2.0)]


def test_backend_that_takes_no_requests_says_why() -> None:
    failing = backend(
        reason="failing",
        state="unavailable",
        circuit={"state": "half-open", "opened": {}},
        probe={"verdict": "failing", "error": "status 500", "passed": 0, "failed": 3},
    )
    status = status_of(overview(service(failing)), None)
    ((row,),) = [each.backends for each in status.services]
    assert (row.is_available, row.reason, row.circuit, row.last_probe) == (False, "failing", "half-open", "status 500")
    assert not status.is_well


PROBES = {
    "nobody probes it": (None, ""),
    "no probe has ended": ({"verdict": "pending", "error": None, "passed": 0, "failed": 0}, ""),
    "the last one passed": ({"verdict": "passing", "error": None, "passed": 1, "failed": 4}, "ok"),
}


@pytest.mark.parametrize(("probe", "shown"), PROBES.values(), ids=PROBES)
def test_last_probe_of_a_backend(probe: dict[str, object] | None, shown: str) -> None:
    (seen,) = status_of(overview(service(backend(probe=probe))), None).services
    assert seen.backends[0].last_probe == shown


def test_proxy_that_is_not_ready_is_not_well() -> None:
    assert status_of(overview(service(backend())), None).is_well
    assert not status_of(overview(service(backend()), missing=["listening"]), None).is_well
