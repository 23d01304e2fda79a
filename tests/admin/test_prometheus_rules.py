"""The alerts and the expressions of docs/metrics.md: promtool's own checks, and the names they use."""

from typing import Any

import pytest
import yaml

from tests.admin import expressions
from tests.admin.expressions import ALERTS, ROOT
from tests.support.prometheus import promtool

UNIT_TESTS = ROOT / "tests" / "admin" / "alert_rules.yml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
SEVERITIES = {"critical", "warning", "info"}


def by_name(rule: dict[str, Any]) -> str:
    return str(rule["alert"])


def test_rules_are_accepted_by_promtool() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(ALERTS))
    assert done.returncode == 0, done.stdout
    assert f"{len(RULES)} rules found" in done.stdout


def test_configuration_is_accepted_by_promtool() -> None:
    done = promtool("check", "config", str(ROOT / "config" / "prometheus.yml"))
    assert done.returncode == 0, done.stdout
    assert "1 rule files found" in done.stdout


def test_rules_fire_when_they_should_and_only_then() -> None:
    done = promtool("test", "rules", str(UNIT_TESTS))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_rule_is_seen_firing_and_not_firing(rule: dict[str, Any]) -> None:
    asked = [each for test in yaml.safe_load(UNIT_TESTS.read_text())["tests"] for each in test["alert_rule_test"]]
    outcomes = {bool(each["exp_alerts"]) for each in asked if each["alertname"] == rule["alert"]}
    assert outcomes == {True, False}


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_rule_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["alert"].startswith("Seawall")
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"].keys() == {"summary", "description"}
    assert rule["annotations"]["description"].endswith((".", "?"))


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_rule_names_metrics_that_there_are(rule: dict[str, Any]) -> None:
    text = " ".join([rule["expr"], *rule["annotations"].values()])
    names = expressions.names_in(text)
    families = {name.removesuffix("_bucket") for name in expressions.exported()}
    assert names or rule["alert"] == "SeawallDown"
    assert names <= expressions.exported() | families | expressions.AWAITED


@pytest.mark.parametrize("question", expressions.of_document())
def test_expression_of_the_document_names_metrics_that_there_are(question: str) -> None:
    names = expressions.names_in(expressions.of_document()[question])
    assert names
    assert names <= expressions.exported()


def test_what_is_awaited_is_not_exported_yet() -> None:
    """Fails when one of them comes: then take it out of AWAITED, and docs/metrics.md has it."""
    assert expressions.AWAITED & expressions.exported() == set()
