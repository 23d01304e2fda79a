"""An install compiles the codec and the modules of the data plane where there is a C compiler, and does without else.

Installs from a copy of the tree, since pip builds in place and would take up what an earlier build left there. pip
fetches the build requirements: without an index the tests are skipped, in CI they fail.
"""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAYS = """
import sys
from pathlib import Path
import proxy.app
from proxy.wire import codec
compiled = [name for name, module in sys.modules.items() if name.startswith("proxy") and module.__file__.endswith("so")]
print(codec.__file__, codec.IMPLEMENTATION, *sorted(compiled))
"""
MODULES = [path.replace("/", ".") for path in re.findall(r'"(proxy/\w+/\w+)\.py"', (ROOT / "setup.py").read_text())]
COMPILED = sorted((*MODULES, "proxy.wire.compiled"))
INSTALLS = pytest.mark.timeout(400)  # more than a minute beside other tests, and a mirror may be slow


def install(place: Path, compiler: str | None) -> Path:
    """Install without dependencies under `place`, whose environment has the compiler `CC` if one is given."""
    source = place / "source"
    shutil.copytree(ROOT / "proxy", source / "proxy", ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    target = place / "target"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(source)]
    environment = os.environ | ({"CC": compiler} if compiler else {})
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if "No matching distribution found" in done.stderr and not os.environ.get("CI"):
        pytest.skip("pip cannot reach an index for the build requirements")
    assert done.returncode == 0, done.stderr
    return target


def ask(target: Path, wire: str = "", code: str = "") -> subprocess.CompletedProcess[str]:
    """Import what was installed in a process of its own: where the codec lies, which it is, and what is compiled."""
    environment = os.environ | {"PYTHONPATH": str(target), "SEAWALL_WIRE": wire, "SEAWALL_CODE": code}
    command = [sys.executable, "-P", "-c", SAYS]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=target, check=False)


@pytest.mark.parametrize("module", MODULES)
def test_compiled_module_has_no_coroutine(module: str) -> None:
    source = ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text()
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]


@pytest.mark.parametrize("module", MODULES)
def test_compiled_class_inherits_from_compiled_ones(module: str) -> None:
    classes = [it for it in vars(importlib.import_module(module)).values() if isinstance(it, type)]
    bases = {base.__module__ for each in classes if each.__module__ == module for base in each.__mro__}
    assert {name for name in bases if name.startswith("proxy.")} <= set(MODULES)


@pytest.mark.source
@INSTALLS
def test_install_without_a_compiler_runs_the_reference(tmp_path: Path) -> None:
    target = install(tmp_path, "/bin/false")
    assert ask(target).stdout.split() == [str(target / "proxy/wire/codec.py"), "reference"]
    forced = ask(target, "compiled")
    assert forced.returncode != 0
    assert "No module named 'proxy.wire.compiled'" in forced.stderr


@pytest.mark.source
@INSTALLS
def test_install_with_a_compiler_runs_what_was_compiled(tmp_path: Path) -> None:
    if shutil.which(os.environ.get("CC", "cc")) is None and not os.environ.get("CI"):
        pytest.skip("no C compiler")
    target = install(tmp_path, None)
    place = str(target / "proxy/wire/codec.py")
    assert "proxy.dataplane.exchange" in COMPILED
    assert ask(target).stdout.split() == [place, "compiled", *COMPILED]
    assert ask(target, "reference").stdout.split()[1] == "reference"
    assert ask(target, code="source").stdout.split() == [place, "compiled", "proxy.wire.compiled"]
    assert "SEAWALL_CODE=sources: it is source, or not set" in ask(target, code="sources").stderr
