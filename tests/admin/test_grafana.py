"""The shipped dashboard, read as Grafana reads it: what it asks for exists, and it fits what is provisioned with it."""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from itertools import combinations
from typing import Any

import pytest
import yaml

from tests.admin import expressions
from tests.admin.expressions import ROOT, panels

GRAFANA = ROOT / "config" / "grafana"
PROVISIONING = GRAFANA / "provisioning"
WIDTH = 24  # columns of Grafana's grid


@pytest.fixture(scope="module")
def dashboard() -> Any:
    return json.loads(expressions.DASHBOARD.read_text())


@pytest.fixture(scope="module")
def datasource() -> Any:
    (one,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())["datasources"]
    return one


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "config" / "compose.yaml").read_text())["services"]


# the dashboard


@pytest.mark.parametrize(
    "expression", expressions.of_dashboard().values(), ids=map(str, expressions.of_dashboard().keys())
)
def test_expression_names_metrics_that_there_are(expression: str) -> None:
    names = expressions.names_in(expression)
    assert names
    assert names <= expressions.exported() | expressions.AWAITED


def test_every_metric_is_on_the_dashboard() -> None:
    shown = set().union(*map(expressions.names_in, expressions.of_dashboard().values()))
    histograms = {re.sub("_(bucket|count|sum)$", "", name) for name in shown}
    assert {
        name for name in expressions.exported() if re.sub("_(bucket|count|sum)$", "", name) not in histograms
    } == set()


def test_every_rate_looks_back_as_far_as_grafana_says(dashboard: Any) -> None:
    """A fixed window is too short for a long view, or for a slow scrape; a count may have one."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            assert not re.search(r"rate\([^[]*\[(?!\$__rate_interval\])", target["expr"]), panel["title"]


def test_panels_have_ids_titles_and_descriptions_of_their_own(dashboard: Any) -> None:
    found = list(panels(dashboard))
    for key in ("id", "title"):
        assert [value for value, count in Counter(panel[key] for panel in found).items() if count > 1] == []
    assert all(panel["description"] for panel in found if panel["type"] != "row")
    for panel in found:
        letters = [target["refId"] for target in panel.get("targets", ())]
        assert len(letters) == len(set(letters))


def test_panels_do_not_overlap(dashboard: Any) -> None:
    for one, other in combinations([panel["gridPos"] for panel in dashboard["panels"]], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= WIDTH for panel in dashboard["panels"])


def test_rows_are_those_of_the_guide(dashboard: Any) -> None:
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == ["Services", "Backends", "Discovery", "Proxy"]


def test_time_is_relative(dashboard: Any) -> None:
    assert dashboard["time"]["from"].startswith("now-")
    assert dashboard["time"]["to"] == "now"
    assert not re.search(r"\b(?:20\d\d-\d\d|1[5-9]\d{8,11}\b)", expressions.DASHBOARD.read_text())


def test_everything_asks_the_provisioned_datasource(dashboard: Any, datasource: Any) -> None:
    asked = [panel["datasource"] for panel in panels(dashboard) if panel["type"] != "row"]
    asked += [target["datasource"] for panel in panels(dashboard) for target in panel.get("targets", ())]
    asked += [variable["datasource"] for variable in dashboard["templating"]["list"]]
    assert len(asked) > 50
    assert all(each == {"type": datasource["type"], "uid": datasource["uid"]} for each in asked)


def test_every_variable_is_used_and_every_used_one_defined(dashboard: Any) -> None:
    text = " ".join(target["expr"] for panel in panels(dashboard) for target in panel.get("targets", ()))
    used = set(re.findall(r"\$(\w+)", text)) - {"__rate_interval"}
    assert used == {variable["name"] for variable in dashboard["templating"]["list"]}


# what surrounds it


def test_datasource_is_prometheus_as_compose_runs_it(datasource: Any, compose: Any) -> None:
    assert datasource["url"] == "http://prometheus:9090"
    assert "prometheus" in compose
    scrapes = yaml.safe_load((ROOT / "config" / "prometheus.yml").read_text())
    assert datasource["jsonData"]["timeInterval"] == scrapes["global"]["scrape_interval"]


def test_dashboard_is_where_the_provider_looks_for_it(compose: Any) -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "seawall.yaml").read_text())["providers"]
    mounts = dict(volume.split(":")[:2] for volume in compose["grafana"]["volumes"])
    where = provider["options"]["path"]
    assert mounts["./grafana/dashboards"] == where
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    home = compose["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{where}/{expressions.DASHBOARD.name}"


def test_mounted_files_are_there(compose: Any) -> None:
    mounted = [volume.split(":")[0] for name in ("prometheus", "grafana") for volume in compose[name]["volumes"]]
    assert len(mounted) == 4
    assert [path for path in mounted if not (ROOT / "config" / path).exists()] == []


@pytest.mark.parametrize("file", ["compose.yaml", "compose.socket-proxy.yaml"])
def test_compose_file_is_accepted_by_compose(file: str) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed: apt-get install docker-compose")
    done = subprocess.run(
        [program, "-f", str(ROOT / "config" / file), "config", "--quiet"],
        env={**os.environ, "DOCKER_GID": "999"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_images_are_of_a_fixed_version(compose: Any) -> None:
    images = {name: service["image"] for name, service in compose.items() if "image" in service}
    assert {"prometheus", "grafana", "web-1"} <= images.keys()
    for name, image in images.items():
        assert re.search(r":v?\d+\.\d+\.\d+\}$", image), name


def test_only_what_a_user_opens_has_a_port_and_only_the_proxy_is_open_to_others(compose: Any) -> None:
    ports = {name: service["ports"] for name, service in compose.items() if "ports" in service}
    assert ports.keys() == {"seawall", "grafana"}
    public, *private = ports["seawall"] + ports["grafana"]
    assert public.endswith(":8080")
    assert all(port.startswith("127.0.0.1:") for port in private)
