"""The text of a status: all of it, and what is left on narrow terminals."""

from typing import Any

import pytest

from proxy.commands.status import text
from proxy.commands.status_table import headline
from proxy.commands.status_view import Status, status_of
from tests.cli.overviews import backend, overview, service

WIDE = """\
seawall 1.2.3 · ready · engine connected · 1 ignored · 2 routed

SERVICE / BACKEND   STATE         SINCE  BUSY  REQ/S  ERRORS    P50     P99  CIRCUIT  LAST PROBE
shop                1 of 2                  3    8.0     12%  6.1ms  92.8ms
  shop-1            available       62s     2    7.0      0%  5.5ms   9.9ms  closed   ok
  shop-2-with-name  circuit_open     3h     1    1.0    100%      -       -  open     connection refused
web                 0 of 1                  0      -       -      -       -
  web-1             pending          0s     0      -       -      -       -  closed   -
"""
AT_60 = """\
SERVICE / BACKEND   STATE         SINCE  BUSY  REQ/S  ERRORS
shop                1 of 2                  3    8.0     12%
  shop-1            available       62s     2    7.0      0%
  shop-2-with-name  circuit_open     3h     1    1.0    100%
web                 0 of 1                  0      -       -
  web-1             pending          0s     0      -       -
"""
AT_24 = """\
SERVICE /…  STATE
shop        1 of 2
  shop-1    available
  shop-2-…  circuit_open
web         0 of 1
  web-1     pending
"""


def scene() -> Status:
    def shop(first: dict[str, Any], second: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return service(backend("shop-1", **first), backend("shop-2-with-name", **second), name="shop", **changes)

    broken: dict[str, Any] = {
        "reason": "circuit_open",
        "in_flight": 1,
        "since": 10_900.0,
        "circuit": {"state": "open", "opened": {}},
        "probe": {"verdict": "failing", "error": "connection refused", "passed": 0, "failed": 1},
    }
    before = overview(shop({}, broken))
    now = shop(
        {"requests": {"2xx": 114}, "first_byte": [0, 114, 0, 0]},
        {**broken, "failures": {"refused": 2}},
        requests={"200": 114, "502": 2},
        duration=[0, 114, 2, 0],
    )
    pending = backend(reason="pending", since=0.2, in_flight=0, probe=None)
    return status_of(overview(now, service(pending), at=12.0), before)


def test_everything_is_shown_where_there_is_room() -> None:
    assert "\n".join(text(scene(), None)) + "\n" == WIDE


@pytest.mark.parametrize(("width", "shown"), [(60, AT_60), (24, AT_24)])
def test_least_important_columns_go_first_and_names_are_cut_last(width: int, shown: str) -> None:
    lines = list(text(scene(), width))[2:]
    assert "\n".join(lines) + "\n" == shown


@pytest.mark.parametrize("width", range(22, 110))
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    assert max(map(len, list(text(scene(), width))[2:])) <= width


def test_nothing_to_show_is_a_headline_and_titles() -> None:
    lines = list(text(status_of(overview(), None), 80))
    assert lines[2].startswith("SERVICE / BACKEND")
    assert len(lines) == 3


HEADLINES = {
    "without discovery": ({"connected": None, "containers": {}}, "seawall 1.2.3 · ready"),
    "the engine is lost": (
        {"connected": False, "containers": {"routed": 1}},
        "seawall 1.2.3 · ready · ENGINE LOST · 1 routed",
    ),
    "not ready": (
        {"missing": ["listening", "not draining"], "connected": None, "containers": {}},
        "seawall 1.2.3 · NOT READY: listening, not draining",
    ),
    "a mistake": (
        {"problems": 1, "connected": None, "containers": {}},
        "seawall 1.2.3 · ready · 1 PROBLEM: see seawall check",
    ),
    "mistakes": (
        {"problems": 2, "connected": None, "containers": {}},
        "seawall 1.2.3 · ready · 2 PROBLEMS: see seawall check",
    ),
}


@pytest.mark.parametrize(("changes", "shown"), HEADLINES.values(), ids=HEADLINES)
def test_headline_says_how_the_proxy_stands(changes: dict[str, Any], shown: str) -> None:
    assert headline(status_of(overview(**changes), None)) == shown
