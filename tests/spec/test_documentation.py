"""docs/labels.md has every key with the default and the meaning that the tables have, and no other."""

import re
from pathlib import Path

from proxy.spec.service_keys import KEYS
from proxy.spec.settings import SETTINGS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "labels.md").read_text()
README = (ROOT / "README.md").read_text()


def row(name: str, default: str, meaning: str) -> str:
    return f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |"


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_label_of_a_service_is_on_the_page() -> None:
    rows = [row(f"seawall.{key.name}", key.default, key.meaning) for key in KEYS.values()]
    assert [line for line in section("Of a service").splitlines() if line.startswith("| `seawall.")][:-1] == rows


def test_every_setting_of_the_proxy_is_on_the_page() -> None:
    rows = [row(each.key, ", ".join(each.texts(in_container=False)), each.meaning) for each in SETTINGS.values()]
    assert [line for line in section("Of the proxy itself").splitlines() if line.startswith("| `")] == rows


def test_labels_that_the_readme_names_exist() -> None:
    named = re.findall(r"^\| `seawall\.([a-z-]+\.[a-z-]+)`", README, re.MULTILINE)
    assert named
    assert set(named) <= set(KEYS)
