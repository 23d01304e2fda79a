"""Every test that parses heads runs once per implementation of the codec."""

import os
from types import ModuleType

import pytest

from proxy.wire.codec import choose

PARSERS = ("parse_request", "parse_response")


def implementation(name: str) -> ModuleType:
    """The codec of this name; where it was not built the test is skipped, in CI it fails."""
    try:
        return choose(name)[1]
    except ImportError as error:
        message = f"the {name} codec is not built: pip install -e . with a C compiler ({error})"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if any(hasattr(metafunc.module, name) for name in PARSERS):
        metafunc.fixturenames.append("codec")
        metafunc.parametrize("codec", ["reference", "compiled"], indirect=True)


@pytest.fixture
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts one implementation's functions where the test's module finds them."""
    module = implementation(request.param)
    for name in PARSERS:
        if hasattr(request.module, name):
            monkeypatch.setattr(request.module, name, getattr(module, name))
