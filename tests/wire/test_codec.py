"""Which implementation answers, by SEAWALL_WIRE and by what could be built."""

import sys

import pytest

from proxy.wire import codec, reference
from proxy.wire.codec import choose
from tests.wire.conftest import implementation


def test_compiled_codec_is_chosen_where_it_was_built() -> None:
    assert choose("") == ("compiled", implementation("compiled"))


def test_reference_is_chosen_where_it_was_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "proxy.wire.compiled", None)  # an import of it fails
    assert choose("") == ("reference", reference)


def test_compiled_codec_asked_for_and_not_built_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "proxy.wire.compiled", None)
    with pytest.raises(ImportError, match="compiled"):
        choose("compiled")


def test_reference_can_be_forced() -> None:
    assert choose("reference") == ("reference", reference)


def test_unknown_choice_is_an_error() -> None:
    with pytest.raises(ImportError, match="SEAWALL_WIRE=httptools: it is compiled or reference"):
        choose("httptools")


def test_what_runs_is_what_is_said() -> None:
    assert codec.parse_request is choose(codec.IMPLEMENTATION)[1].parse_request
