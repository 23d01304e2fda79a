"""The tables of keys, kinds and settings, held to the specs, to each other and to the shipped file."""

import ast
import itertools
import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.spec import kinds
from proxy.spec.config import resolve
from proxy.spec.proxy import ProxySpec
from proxy.spec.service import ServiceSpec
from proxy.spec.service_keys import KEYS, PROBE_HEADER, check_default, default_service
from proxy.spec.settings import DEFAULTS_TABLE, SETTINGS

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config" / "seawall.toml"
COMMENTED_OUT = re.compile(r"^#(?=[a-z])", re.MULTILINE)  # a comment for people has a space after the #


def uncommented() -> dict[str, Any]:
    return tomllib.loads(COMMENTED_OUT.sub("", SHIPPED.read_text()))


def leaves(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


# the shipped file


def test_shipped_file_sets_nothing() -> None:
    assert tomllib.loads(SHIPPED.read_text()) == {DEFAULTS_TABLE: {}}


def test_shipped_file_uncommented_names_every_key_in_the_tables_order() -> None:
    document = uncommented()
    assert list(document) == [key for key in SETTINGS if key != "default"] + [DEFAULTS_TABLE]
    assert sorted(leaves(document[DEFAULTS_TABLE])) == sorted(KEYS)
    assert f"{PROBE_HEADER}NAME" in SHIPPED.read_text()


def test_shipped_file_uncommented_is_the_defaults() -> None:
    document = uncommented()
    outcome = resolve({}, {}, {}, document, in_container=False)

    assert outcome.problems == ()
    assert default_service(outcome.spec.defaults) == ServiceSpec(name="")
    without = {field.name: getattr(outcome.spec, field.name) for field in fields(ProxySpec)} | {"defaults": {}}
    assert ProxySpec(**without) == ProxySpec()


def test_every_key_of_the_shipped_file_is_explained_in_the_line_above_it() -> None:
    lines = SHIPPED.read_text().splitlines()
    meanings = {setting.key: setting.meaning for setting in SETTINGS.values()}
    meanings |= {key.name: key.meaning for key in KEYS.values()}
    for above, line in itertools.pairwise(lines):
        if COMMENTED_OUT.match(line):
            assert re.fullmatch(r"# .*\.", above)
    explained = {line.removeprefix("# ").removesuffix(".").lower() for line in lines}
    for key in KEYS.values():
        assert key.meaning.lower() in explained
    for setting in SETTINGS.values():
        assert setting.key == "default" or setting.meaning.lower() in explained


# the table of service-level keys


def test_every_field_of_a_service_has_its_key() -> None:
    expected: set[str] = set()
    for field in fields(ServiceSpec):
        if field.name == "name":
            continue
        group = getattr(ServiceSpec(name=""), field.name)
        names = [f"{field.name}.{inner.name}" for inner in fields(group)] if is_dataclass(group) else [field.name]
        expected.update(name.replace("_", "-") for name in names)
    assert set(KEYS) | {"health.headers"} == expected


@pytest.mark.parametrize("name", KEYS)
def test_default_of_a_key_is_the_specs(name: str) -> None:
    key = KEYS[name]
    service = ServiceSpec(name="")
    holder = getattr(service, key.group) if key.group else service
    assert key.parse(key.default) == getattr(holder, key.field)
    check_default(name, key.default)


# the table of settings


def test_every_field_of_the_proxy_has_its_setting() -> None:
    assert sorted(setting.field for setting in SETTINGS.values()) == sorted(field.name for field in fields(ProxySpec))


@pytest.mark.parametrize("key", SETTINGS)
def test_setting_has_its_names(key: str) -> None:
    setting = SETTINGS[key]
    assert (setting.option, setting.label) == (f"--{key}", f"seawall.proxy.{key}")
    assert re.fullmatch(r"SEAWALL_[A-Z_]+", setting.variable)


# the kinds


def _constants() -> dict[str, str]:
    """Each kind and the docstring below it."""
    body = ast.parse((ROOT / "proxy/spec/kinds.py").read_text()).body
    found = {}
    for statement, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = below.value if isinstance(below, ast.Expr) else None
            found[statement.target.id] = str(text.value) if isinstance(text, ast.Constant) else ""
    found.pop("ALL")
    return found


def test_every_kind_is_a_slug_of_its_name_and_says_what_it_is() -> None:
    for name, docstring in _constants().items():
        assert docstring.endswith("."), name
        assert getattr(kinds, name) in kinds.ALL
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", getattr(kinds, name))
    assert len(kinds.ALL) == len(_constants())


def test_no_problem_has_a_kind_of_its_own() -> None:
    """Every `kind=` of a Problem made in `spec/` names a constant, or passes one on."""
    for path in (ROOT / "proxy/spec").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "kind":
                assert not isinstance(node.value, ast.Constant), f"{path.name}:{node.value.lineno}"
