"""What does routing cost per request, and does it grow with the number of hosts or prefixes?

Nanoseconds for one lookup in tables of 10 and of 10 000 routes, and in the typical small ones.

    python -m benchmarks.routes_cost
"""

import timeit
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.table import Table

from proxy.fleet.routes import RouteTable
from proxy.spec.route import EVERYTHING, AllOf, Host, PathPrefix, RouteSpec, Rule
from proxy.wire.head import RequestHead

_LOOKUPS: Final = 2000


def head(host: bytes, path: bytes) -> RequestHead:
    return RequestHead(
        method=b"GET",
        target=path,
        path=path,
        host=host,
        minor=1,
        persistent=True,
        body=0,
        expects_continue=False,
        forward=b"",
        raw=b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path, host),
    )


def _hosts(count: int) -> list[Rule]:
    return [Host(f"h{number}.example.com") for number in range(count)]


def _hosts_and_prefixes(count: int) -> list[Rule]:
    return [AllOf((Host(f"h{number}.example.com"), PathPrefix("/api"))) for number in range(count)]


def _wildcards(count: int) -> list[Rule]:
    return [Host(f"*.h{number}.example.com") for number in range(count)]


def _prefixes(count: int) -> list[Rule]:
    return [PathPrefix(f"/team/service-{number}") for number in range(count)]


# what varies: the rules for a number of routes, and a request for one of them
GROWING: Final[dict[str, tuple[Callable[[int], list[Rule]], RequestHead]]] = {
    "exact hosts": (_hosts, head(b"h7.example.com", b"/api/v1/users")),
    "exact hosts with a prefix": (_hosts_and_prefixes, head(b"h7.example.com", b"/api/v1/users")),
    "wildcard hosts": (_wildcards, head(b"a.h7.example.com", b"/api/v1/users")),
    "prefixes": (_prefixes, head(b"a.example.com", b"/team/service-7/users")),
    "prefixes, none fits": (_prefixes, head(b"a.example.com", b"/" * 4000)),
    "prefixes, dot segments": (_prefixes, head(b"a.example.com", b"/team/service-7/../x/./y")),
}
SMALL: Final[dict[str, list[Rule]]] = {
    "one catch-all": [EVERYTHING],
    "one exact host": [Host("h7.example.com")],
    "exact host and prefix": [AllOf((Host("h7.example.com"), PathPrefix("/api")))],
    "the same beside a catch-all": [AllOf((Host("h7.example.com"), PathPrefix("/api"))), EVERYTHING],
}


def nanoseconds_per_lookup(rules: list[Rule], request: RequestHead, *, repeats: int = 25) -> float:
    """The least of `repeats` measurements of 2000 lookups."""
    routes = [RouteSpec(rule=rule, service=str(number)) for number, rule in enumerate(rules)]
    match = RouteTable.build(routes, str).match
    return min(timeit.repeat(lambda: match(request), number=_LOOKUPS, repeat=repeats)) / _LOOKUPS * 1e9


def main() -> None:
    table = Table(title="nanoseconds per lookup")
    for column in ("table", "1 or 2 routes", "10 routes", "10,000 routes"):
        table.add_column(column, justify="left" if column == "table" else "right")
    request = head(b"h7.example.com", b"/api/v1/users")
    for name, rules in SMALL.items():
        table.add_row(name, f"{nanoseconds_per_lookup(rules, request):.0f}")
    for name, (make, wanted) in GROWING.items():
        costs = [f"{nanoseconds_per_lookup(make(count), wanted):.0f}" for count in (10, 10_000)]
        table.add_row(name, "", *costs)
    Console().print(table)


if __name__ == "__main__":
    main()
