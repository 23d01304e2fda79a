"""What a service may spend on tries beyond the first, as the sweep and its requests tell it."""

from proxy.fleet.statistics import ServiceStatistics
from proxy.fleet.tries import Tries
from proxy.spec.service import ServiceSpec

BOOTED = 14_400.0  # monotonic seconds when the service came: the clock did not begin with it
SPEC = ServiceSpec(name="web")


def test_busy_service_may_hedge_one_in_twenty_from_its_first_seconds() -> None:
    statistics = ServiceStatistics()
    tries = Tries(SPEC, statistics)
    tries.refresh(SPEC, (), BOOTED)
    for _ in range(400):
        statistics.count_request(b"GET", 200, 0.01)
    assert [tries.may_hedge(BOOTED + 2) for _ in range(21)] == [True] * 20 + [False]
