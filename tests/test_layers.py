"""The import order and law L1 of docs/architecture.md, held by reading every module's imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "proxy"

# A module may import from its own layer group's left, never from its right; groups on one line are siblings that do
# not know each other.
ORDER = (
    ("failure", "problem"),
    ("errors",),
    ("spec",),
    ("wire", "balancing", "retry", "health"),
    ("fleet",),
    ("dataplane", "control", "admin", "telemetry"),
    ("processes",),
    ("logs",),
    ("app_plane", "app_start", "app_views"),
    ("app",),
    ("demo",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
PURE = ("spec", "wire", "balancing", "retry", "health", "fleet")
IMPURE = {"asyncio", "socket", "time", "logging", "aiohttp", "docker", "prometheus_client", "threading", "uvloop"}
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}


def imports(source: str) -> set[str]:
    """Every module that a source names in an import, however deep in it. Imports for types only do not run."""
    tree = ast.parse(source)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module}
    return found


def violations(layer: str, source: str) -> list[str]:
    """What a module of `layer` imports although it must not."""
    wrong = []
    for name in sorted(imports(source)):
        top, _, rest = name.partition(".")
        if layer in PURE and top in IMPURE:
            wrong.append(f"{layer} is pure and imports {name}")
        if top != "proxy" or not rest:
            continue
        target = rest.split(".")[0]
        if target != layer and RANK[target] >= RANK[layer]:
            wrong.append(f"{layer} imports {name}, which is not to its left")
    return wrong


MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_from_its_left(path: Path) -> None:
    relative = path.relative_to(ROOT)
    layer = relative.parts[0].removesuffix(".py")
    assert layer in RANK, f"{layer} has no place in the order"
    assert violations(layer, path.read_text()) == []


PLANTED = {
    "an impure import": ("fleet", "import asyncio"),
    "an impure import in a function": ("wire", "def f():\n    from time import monotonic"),
    "to the right": ("spec", "from proxy.fleet.fleet import Fleet"),
    "between siblings": ("dataplane", "import proxy.control.reconciler"),
    "from the data plane to who exports its spans": ("dataplane", "import proxy.telemetry.exporter"),
    "from who exports spans to the data plane": ("telemetry", "from proxy.dataplane.tracing import Tracer"),
    "between pure siblings": ("wire", "from proxy.balancing import policy"),
    "from the composition root": ("admin", "from proxy.app import App"),
}


@pytest.mark.parametrize(("layer", "source"), PLANTED.values(), ids=PLANTED)
def test_planted_violation_is_found(layer: str, source: str) -> None:
    assert violations(layer, source)


ALLOWED = {
    "to the left": ("dataplane", "import asyncio\nfrom proxy.fleet.fleet import Fleet"),
    "within the layer": ("fleet", "from proxy.fleet.service import Service"),
    "for types only": ("fleet", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import asyncio"),
}


@pytest.mark.parametrize(("layer", "source"), ALLOWED.values(), ids=ALLOWED)
def test_allowed_import_is_not_found(layer: str, source: str) -> None:
    assert violations(layer, source) == []
