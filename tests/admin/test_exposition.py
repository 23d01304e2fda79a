"""What is written is what the library writes of the same samples, byte for byte."""

from collections.abc import Iterator

import pytest
from prometheus_client import Metric
from prometheus_client.exposition import generate_latest as text_of
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_of
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from proxy.admin.exposition import PREFIX, Family, Labels, expose
from proxy.admin.figures import Durations, Figures, FigureTaker
from proxy.admin.metrics import FAMILIES
from proxy.failure import Failure
from proxy.fleet.service import Service
from proxy.fleet.statistics import BOUNDS
from tests.admin.builders import Scene, backend_spec

ODD_NAMES = ('quo"te', "back\\slash", "new\nline", "ümläut 🌊", "{brace}, comma=", "")
ODD_NUMBERS = (0, 1, -1, True, 999_999, 1_000_000, 123_456_789, 2**63, 0.5, 1e-9, 1e21, float("inf"), float("nan"))


class Library:
    """A collector of the library over the same families."""

    def __init__(self, families: tuple[Family, ...], figures: Figures) -> None:
        self._families = families
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(PREFIX + family.name, family.meaning, family.type)
            for values, figure in family.series(self._figures):
                metric.samples += samples(metric, dict(zip(family.labels, values, strict=True)), figure)
            yield metric


def samples(metric: Metric, labels: dict[str, str], figure: float | Durations) -> list[Sample]:
    if not isinstance(figure, Durations):
        return [Sample(metric.name + ("_total" if metric.type == "counter" else ""), labels, figure)]
    found = []
    for index, bound in enumerate((*BOUNDS, float("inf"))):
        through = sum(figure.counts[: index + 1])
        found.append(Sample(f"{metric.name}_bucket", {**labels, "le": text_of_number(bound)}, through))
    count = Sample(f"{metric.name}_count", labels, sum(figure.counts))
    return [*found, count, Sample(f"{metric.name}_sum", labels, figure.total)]


def text_of_number(number: float) -> str:
    return str(floatToGoString(number))  # type: ignore[no-untyped-call]  # of the library


def family(kind: str, labels: Labels, *series: tuple[Labels, float | Durations]) -> Family:
    return Family("things", kind, labels, "Things.", lambda _: series)


def assert_same(families: tuple[Family, ...], figures: Figures) -> None:
    library = Library(families, figures)
    assert expose(families, figures, openmetrics=False).decode() == text_of(library).decode()
    by_library = openmetrics_of(library)  # type: ignore[no-untyped-call]  # of the library
    assert expose(families, figures, openmetrics=True).decode() == by_library.decode()


@pytest.fixture
def figures(scene: Scene) -> Figures:
    """Of services and backends with odd names and something of everything."""
    scene.reconcile(*(backend_spec(name, service=f"of {name}") for name in ODD_NAMES[:-1]))
    for service in scene.fleet.services.values():
        service.statistics.count_request(b"GET", 200, 0.004)
        service.statistics.count_request(b"BREW", 502, 99.0)
        service.statistics.count_retry(Failure.REFUSED)
        service.statistics.count_rescue(Failure.BACKEND_DOWN)
        service.statistics.response_bytes = 12_345_678
        for backend in service.backends.values():
            Service.take_again(backend)
            backend.statistics.first_byte.observe(0.0015)
            scene.fleet.report(service, backend, Failure.REFUSED, scene.now)
    scene.connections = {("downstream", "idle"): 5}
    return FigureTaker(scene.views).take()


def test_all_families(figures: Figures) -> None:
    assert_same(FAMILIES, figures)


@pytest.mark.parametrize("number", ODD_NUMBERS, ids=repr)
@pytest.mark.parametrize("kind", ["counter", "gauge"])
def test_number(figures: Figures, kind: str, number: float) -> None:
    assert_same((family(kind, ("a",), (("x",), number)), family(kind, (), ((), number))), figures)


@pytest.mark.parametrize("value", ODD_NAMES, ids=ascii)
def test_value_of_a_label(figures: Figures, value: str) -> None:
    assert_same((family("gauge", ("b", "a"), ((value, "x"), 1), (("x", value), 2)),), figures)


@pytest.mark.parametrize(
    "labels",
    [(), ("a",), ("service",), ("service", "backend"), ("z", "a", "m", "l")],
    ids=lambda labels: " ".join(labels),
)
def test_histogram_with_labels_before_and_after_its_bound(figures: Figures, labels: Labels) -> None:
    durations = Durations(tuple(range(len(BOUNDS) + 1)), 1234.5678)
    assert_same((family("histogram", labels, (labels, durations)),), figures)


def test_family_without_series_has_its_head_all_the_same(figures: Figures) -> None:
    assert_same((family("counter", ("a",)), family("histogram", ())), figures)


def test_meanings_need_no_escaping() -> None:
    assert [each.name for each in FAMILIES if set(each.meaning) & set('\\\n"')] == []
