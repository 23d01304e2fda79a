"""What a scrape says, read back by Prometheus' own parsers. Times are literal."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from proxy import __version__
from proxy.admin.figures import FigureTaker
from proxy.admin.metrics import FAMILIES, render
from proxy.admin.views import DiscoveryFigures
from proxy.failure import Failure
from proxy.fleet.fleet import KEEP_DEPARTED
from proxy.fleet.service import Service
from proxy.fleet.statistics import Histogram
from proxy.health.circuit import State
from proxy.problem import Problem
from proxy.spec import kinds
from proxy.spec.container import Decision
from proxy.spec.service import Lifecycle
from tests.admin.builders import Scene, backend_spec
from tests.admin.reports import report

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*)\|", re.MULTILINE)


def families(taker: FigureTaker) -> dict[str, Metric]:
    body, _ = render(taker.take(), "")
    return {family.name: family for family in parse_text(body.decode())}


class Scrapes:
    """Scrapes of one scene, one after another."""

    def __init__(self, scene: Scene) -> None:
        self._taker = FigureTaker(scene.views)

    def __call__(self, sample: str, **labels: str) -> float | None:
        """The value of one series in a new scrape, None when it is not there; of two it would be an error."""
        values = self.all(sample, labels)
        assert len(values) <= 1, f"duplicate series {sample} {labels}"
        return values[0] if values else None

    def all(self, sample: str, labels: Mapping[str, str]) -> list[float]:
        return [
            each.value
            for family in families(self._taker).values()
            for each in family.samples
            if each.name == sample and each.labels == labels
        ]


@pytest.fixture
def scrape(scene: Scene) -> Scrapes:
    return Scrapes(scene)


def busy(scene: Scene) -> None:
    """Something of everything that the fleet counts."""
    service = scene.service()
    service.statistics.count_request(b"GET", 200, 0.004)
    service.statistics.count_request(b"GET", 200, 20.0)
    service.statistics.count_request(b"BREW", 502, 0.2)
    service.statistics.count_retry(Failure.REFUSED)
    service.statistics.count_rescue(Failure.BACKEND_DOWN)
    service.statistics.request_bytes = 11
    service.statistics.response_bytes = 22
    backend = scene.backend("web-1")
    backend.statistics.responses[2] = 2
    backend.statistics.first_byte.observe(0.0015)
    Service.take_again(backend)
    scene.fleet.report(service, backend, Failure.REFUSED, scene.now)
    scene.probe("web-1", 0.002, 0.02)
    scene.plane.unrouted = 4
    scene.plane.count_bad_request(Failure.BAD_HOST)
    scene.connections = {("downstream", "idle"): 5, ("upstream", "active"): 6}


# names


def test_names_types_and_labels_are_those_of_the_document(scene: Scene) -> None:
    documented = {
        name: (kind, {label for label in labels.replace(" ", "").split(",") if label})
        for name, kind, labels in ROW.findall(DOCUMENT.read_text())
    }
    busy(scene)
    exposed = {}
    for family in families(FigureTaker(scene.views)).values():
        name = family.name + "_total" if family.type == "counter" else family.name
        assert family.samples, f"{name} has no series to compare"
        exposed[name] = (family.type, {label for sample in family.samples for label in sample.labels if label != "le"})
    assert documented == exposed


def test_every_name_has_the_prefix_and_a_meaning(scene: Scene) -> None:
    busy(scene)
    found = families(FigureTaker(scene.views))
    assert len(found) == len(FAMILIES)
    for family in found.values():
        assert family.name.startswith("seawall_")
        assert family.documentation.endswith(".")
        assert all(sample.name.startswith("seawall_") for sample in family.samples)


@pytest.mark.parametrize(
    "accept", ["", "application/openmetrics-text;version=1.0.0", "text/plain;version=1.0.0", "*/*"]
)
def test_no_series_is_there_twice(scene: Scene, accept: str) -> None:
    busy(scene)
    body, _ = render(FigureTaker(scene.views).take(), accept)
    series = [line.rpartition(" ")[0] for line in body.decode().splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))


def test_openmetrics_is_written_for_who_asks_for_it(scene: Scene) -> None:
    busy(scene)
    body, content_type = render(FigureTaker(scene.views).take(), "application/openmetrics-text;version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    read: Iterable[Metric] = parse_openmetrics(body.decode())  # type: ignore[no-untyped-call]  # of the library
    assert {family.name for family in read} == {"seawall_" + family.name for family in FAMILIES}


# values


def test_what_a_service_counted(scene: Scene, scrape: Scrapes) -> None:
    busy(scene)
    assert scrape("seawall_requests_total", service="web", method="GET", code="200") == 2
    assert scrape("seawall_requests_total", service="web", method="other", code="502") == 1
    assert scrape("seawall_request_duration_seconds_bucket", service="web", le="0.0025") == 0
    assert scrape("seawall_request_duration_seconds_bucket", service="web", le="0.005") == 1
    assert scrape("seawall_request_duration_seconds_bucket", service="web", le="10.0") == 2
    assert scrape("seawall_request_duration_seconds_bucket", service="web", le="+Inf") == 3
    assert scrape("seawall_request_duration_seconds_count", service="web") == 3
    assert scrape("seawall_request_duration_seconds_sum", service="web") == pytest.approx(20.204)
    assert scrape("seawall_request_bytes_total", service="web") == 11
    assert scrape("seawall_response_bytes_total", service="web") == 22
    assert scrape("seawall_retries_total", service="web", failure="refused") == 1


def test_what_a_backend_counted(scene: Scene, scrape: Scrapes) -> None:
    busy(scene)
    one = {"service": "web", "backend": "web-1"}
    assert scrape("seawall_backend_requests_total", **one, code="2xx") == 2
    assert scrape("seawall_backend_requests_total", **one, code="5xx") == 0
    assert scrape("seawall_backend_requests_total", **one, code="1xx") is None
    assert scrape("seawall_backend_duration_seconds_count", **one) == 1
    assert scrape("seawall_backend_failures_total", **one, failure="refused") == 1
    assert scrape("seawall_backend_in_flight", **one) == 1


STATES = {"closed": (State.CLOSED, 0), "half-open": (State.HALF_OPEN, 1), "open": (State.OPEN, 2)}


@pytest.mark.parametrize(("state", "value"), STATES.values(), ids=STATES)
def test_state_of_a_circuit(scene: Scene, scrape: Scrapes, state: State, value: int) -> None:
    scene.backend("web-1").circuit.state = state
    assert scrape("seawall_circuit_state", service="web", backend="web-1") == value


def test_openings_of_a_circuit_by_cause(scene: Scene, scrape: Scrapes) -> None:
    one = {"service": "web", "backend": "web-1"}
    assert scrape("seawall_circuit_opened_total", **one, cause="ratio") == 0
    service, backend = scene.service(), scene.backend("web-1")
    for _ in range(3):
        Service.take_again(backend)
        scene.fleet.report(service, backend, Failure.CLOSED, scene.now)
        Service.release(backend)
    assert scrape("seawall_circuit_state", **one) == 2
    assert scrape("seawall_circuit_opened_total", **one, cause="gateway-failures") == 1
    scene.reconcile(backend_spec("web-1", container="new"), backend_spec("web-2"))
    assert scrape("seawall_circuit_state", **one) == 0
    assert scrape("seawall_circuit_opened_total", **one, cause="gateway-failures") == 1
    scene.now += KEEP_DEPARTED
    assert scrape("seawall_circuit_opened_total", **one, cause="gateway-failures") == 1


def test_what_the_prober_counted(scene: Scene, scrape: Scrapes) -> None:
    one = {"service": "web", "backend": "web-1"}
    assert scrape("seawall_probes_total", **one, result="passed") is None
    scene.probe("web-1", 0.002, 0.02)
    assert scrape("seawall_probes_total", **one, result="passed") == 2
    assert scrape("seawall_probes_total", **one, result="failed") == 0
    assert scrape("seawall_probe_duration_seconds_count", **one, result="failed") is None
    scene.probe("web-1", 1.0, error="no answer within 1s")
    assert scrape("seawall_probes_total", **one, result="failed") == 1
    assert scrape("seawall_probe_duration_seconds_bucket", **one, result="passed", le="0.0025") == 1
    assert scrape("seawall_probe_duration_seconds_sum", **one, result="failed") == pytest.approx(1.0)


def test_probes_of_a_container_recreated_under_its_name_are_added_up(scene: Scene, scrape: Scrapes) -> None:
    one = {"service": "web", "backend": "web-1"}
    scene.probe("web-1", 0.002, 0.02)
    assert scrape("seawall_probes_total", **one, result="passed") == 2
    scene.probes.clear()
    scene.reconcile(backend_spec("web-1", container="new"))
    assert scrape("seawall_probes_total", **one, result="passed") == 2
    scene.probe("web-1", 0.002)
    assert scrape("seawall_probes_total", **one, result="passed") == 3
    scene.now += KEEP_DEPARTED
    assert scrape("seawall_probes_total", **one, result="passed") == 3


def test_what_reached_no_service(scene: Scene, scrape: Scrapes) -> None:
    busy(scene)
    assert scrape("seawall_bad_requests_total", reason="no-route") == 4
    assert scrape("seawall_bad_requests_total", reason="bad-host") == 1


def test_lines_that_the_access_log_lost(scene: Scene, scrape: Scrapes) -> None:
    assert scrape("seawall_access_log_dropped_total") == 0
    scene.plane.access_log_dropped = 3
    assert scrape("seawall_access_log_dropped_total") == 3


def test_spans_by_what_became_of_them(scene: Scene, scrape: Scrapes) -> None:
    scene.spans.exported, scene.spans.dropped = 5, 2
    assert scrape("seawall_spans_total", result="exported") == 5
    assert scrape("seawall_spans_total", result="dropped") == 2


def test_connections(scene: Scene, scrape: Scrapes) -> None:
    busy(scene)
    assert scrape("seawall_connections", side="downstream", state="idle") == 5
    assert scrape("seawall_connections", side="upstream", state="active") == 6


def test_available_backend_has_no_reason(scrape: Scrapes) -> None:
    one = {"service": "web", "backend": "web-1"}
    assert scrape("seawall_backend_available", **one) == 1
    for reason in ("gone", "paused", "draining", "drained", "pending", "unhealthy", "suspect"):
        assert scrape("seawall_backend_unavailable", **one, reason=reason) == 0


def test_unavailable_backend_says_why(scene: Scene, scrape: Scrapes) -> None:
    one = {"service": "web", "backend": "web-1"}
    scene.fleet.drain("web-1", scene.now)
    assert scrape("seawall_backend_available", **one) == 0
    assert scrape("seawall_backend_unavailable", **one, reason="drained") == 1
    scene.fleet.observe("id-web-1", Lifecycle.DRAINING, scene.now)
    assert scrape("seawall_backend_unavailable", **one, reason="drained") == 0
    assert scrape("seawall_backend_unavailable", **one, reason="draining") == 1


def test_discovery(scene: Scene, scrape: Scrapes) -> None:
    lag = Histogram()
    lag.observe(0.02)
    scene.discovery = DiscoveryFigures(connected=False, reconciles=8, reconnects=2, event_lag=lag)
    mistake = Problem(kind=kinds.BAD_PORT, where="container a", what="no port")
    scene.reports = [report("a", Decision.ROUTED), report("b", Decision.PROBLEM, mistake)]
    scene.problems = [Problem(kind=kinds.DUPLICATE_ROUTE, where="service b", what="taken")]
    assert scrape("seawall_discovery_connected") == 0
    assert scrape("seawall_discovery_reconciles_total") == 8
    assert scrape("seawall_discovery_reconnects_total") == 2
    assert scrape("seawall_discovery_event_lag_seconds_bucket", le="0.025") == 1
    assert scrape("seawall_discovery_containers", decision="routed") == 1
    assert scrape("seawall_discovery_containers", decision="ignored") == 0
    assert scrape("seawall_discovery_problems", kind="bad-port") == 1
    assert scrape("seawall_discovery_problems", kind="duplicate-route") == 1
    assert scrape("seawall_discovery_problems", kind="no-port") == 0


def test_without_an_engine_nothing_is_said_of_the_connection(scene: Scene, scrape: Scrapes) -> None:
    scene.discovery = DiscoveryFigures(connected=None, reconciles=1, reconnects=0, event_lag=Histogram())
    assert scrape("seawall_discovery_connected") is None


def test_build_is_named(scene: Scene) -> None:
    (sample,) = families(FigureTaker(scene.views))["seawall_build_info"].samples
    assert (sample.value, sample.labels["version"]) == (1, __version__)


# what comes and goes


def test_departed_backend_keeps_its_series_for_five_minutes(scene: Scene, scrape: Scrapes) -> None:
    busy(scene)
    one = {"service": "web", "backend": "web-1"}
    scene.reconcile(backend_spec("web-2"))
    scene.now += KEEP_DEPARTED - 1
    assert scrape("seawall_backend_requests_total", **one, code="2xx") == 2
    assert scrape("seawall_backend_in_flight", **one) == 1
    assert scrape("seawall_backend_unavailable", **one, reason="gone") == 1
    scene.now += 1
    assert scrape("seawall_backend_requests_total", **one, code="2xx") is None
    assert scrape("seawall_backend_available", **one) is None


def test_container_recreated_under_its_name_goes_on_where_the_old_one_stopped(scene: Scene, scrape: Scrapes) -> None:
    busy(scene)
    one = {"service": "web", "backend": "web-1"}
    scene.reconcile(backend_spec("web-1", container="new"))
    scene.backend("web-1").statistics.responses[2] = 5
    assert scrape("seawall_backend_requests_total", **one, code="2xx") == 7
    assert scrape("seawall_backend_available", **one) == 1
    assert scrape("seawall_backend_unavailable", **one, reason="gone") == 0
    assert scrape("seawall_backend_in_flight", **one) == 1
    scene.now += KEEP_DEPARTED
    assert scrape("seawall_backend_requests_total", **one, code="2xx") == 7
    assert scrape("seawall_backend_failures_total", **one, failure="refused") == 1


def test_of_two_backends_with_one_name_the_available_one_speaks(scene: Scene, scrape: Scrapes) -> None:
    one = {"service": "web", "backend": "web-1"}
    scene.reconcile(backend_spec("web-1", container="a"), backend_spec("web-1", container="b"))
    scene.fleet.observe("b", Lifecycle.PAUSED, scene.now)
    assert scrape("seawall_backend_available", **one) == 1
    scene.fleet.observe("a", Lifecycle.PENDING, scene.now)
    assert scrape("seawall_backend_available", **one) == 0
    assert scrape("seawall_backend_unavailable", **one, reason="paused") == 1


def test_service_that_comes_back_goes_on_where_it_stopped(scene: Scene, scrape: Scrapes) -> None:
    busy(scene)
    old = scene.service().statistics
    assert scrape("seawall_request_bytes_total", service="web") == 11
    scene.reconcile()
    old.request_bytes += 4  # of a request that was in flight
    assert scrape("seawall_request_bytes_total", service="web") == 15
    scene.now += 60
    scene.reconcile(backend_spec("web-1"))
    assert scrape("seawall_request_bytes_total", service="web") == 15
    scene.service().statistics.request_bytes = 1
    scene.now += KEEP_DEPARTED
    assert scrape("seawall_request_bytes_total", service="web") == 16


def test_service_that_went_keeps_its_series_for_five_minutes(scene: Scene, scrape: Scrapes) -> None:
    busy(scene)
    assert scrape("seawall_request_bytes_total", service="web") == 11
    scene.reconcile()
    assert scrape("seawall_request_bytes_total", service="web") == 11
    scene.now += KEEP_DEPARTED
    assert scrape("seawall_request_bytes_total", service="web") is None


def test_taken_figures_do_not_change_while_they_are_written(scene: Scene) -> None:
    busy(scene)
    taker = FigureTaker(scene.views)
    figures = taker.take()
    before, _ = render(figures, "")
    busy(scene)
    after, _ = render(figures, "")
    assert before == after


def test_names_that_need_escaping_are_read_back(scene: Scene, scrape: Scrapes) -> None:
    scene.reconcile(backend_spec('a"b\\c\nd'))
    assert scrape("seawall_backend_available", service="web", backend='a"b\\c\nd') == 1
