"""Tests that parse heads use the fixture `codec`, and run once per implementation of it."""

import os
from pathlib import Path
from types import ModuleType

import pytest

from proxy.wire.codec import choose

PARSERS = ("parse_request", "parse_response")
REBUILD = "pip install -e . with a C compiler"


def implementation(name: str) -> ModuleType:
    """The codec of this name; where it was not built the test is skipped, in CI it fails."""
    try:
        module = choose(name)[1]
    except ImportError as error:
        message = f"the {name} codec is not built: {REBUILD} ({error})"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    if name == "compiled" and is_stale(module):
        pytest.fail(f"the compiled codec is older than its source: {REBUILD}")
    return module


def is_stale(module: ModuleType) -> bool:
    """Whether the source beside a compiled module, where it is an editable install, changed since it was built."""
    built = Path(str(module.__file__))
    sources = (*built.parent.glob("*.pyx"), *built.parent.glob("*.pxd"))
    return any(source.stat().st_mtime > built.stat().st_mtime for source in sources)


@pytest.fixture(params=["reference", "compiled"])
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """One implementation after the other, its functions put where the test's module finds them."""
    module = implementation(request.param)
    for name in PARSERS:
        if hasattr(request.module, name):
            monkeypatch.setattr(request.module, name, getattr(module, name))
    return module
