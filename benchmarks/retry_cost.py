"""What do a retry, a place in the waiting line and a sticky cookie cost?

The first three are paid by requests that fail or wait, the last two by every request of a sticky service; the happy
path of other services pays for none of them. Nanoseconds per call, the least of many measurements.

    python -m benchmarks.retry_cost
"""

import timeit
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.table import Table

from proxy.failure import Failure
from proxy.fleet.waiting import WaitingLine
from proxy.retry.budget import retry_budget
from proxy.retry.decision import Progress, by_failure, decide, kind_of
from proxy.wire.codec import parse_request
from proxy.wire.head import RequestHead
from proxy.wire.peer import Peer
from proxy.wire.sticky import insert, read, set_cookie

_CALLS: Final = 2000
_WAITING: Final = 256
_REQUEST: Final = (
    b"GET /index.html HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\n"
    b"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nCookie: theme=dark; session=0123456789abcdef0123456789abcdef; "
    b"seawall=0123456789abcdef\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\n\r\n"
)
_RESPONSE: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1024\r\nVia: 1.1 seawall\r\n\r\n"


def decide_once() -> None:
    """What a failed GET asks."""
    progress = Progress(tries=1, most_tries=3, resends=0, replayable=True, answering=False)
    decide(by_failure(Failure.RESET, written=True), kind_of(b"GET"), progress)


def spender() -> Callable[[], None]:
    """Spend a token, ten requests and 10 ms later than the one before."""
    budget = retry_budget(0.2, 0, 0.0)
    passed = 0

    def spend() -> None:
        nonlocal passed
        passed += 1
        budget.spend(passed * 10, passed * 0.01)

    return spend


def waiter() -> Callable[[], None]:
    """Join a line of 255 and take out whose turn it is."""
    line = WaitingLine[int](_WAITING)
    for number in range(_WAITING - 1):
        line.join(number, 0.0)
    number = _WAITING

    def wait() -> None:
        nonlocal number
        number += 1
        line.join(number, 0.05)
        line.next(0.05)

    return wait


def reader() -> Callable[[], object]:
    """Find the sticky cookie, the third of a browser's."""
    head = parse_request(_REQUEST, Peer(b"192.0.2.7"), 1)
    assert isinstance(head, RequestHead)
    assert read(head, b"seawall") == b"0123456789abcdef"
    return lambda: read(head, b"seawall")


def inserter() -> Callable[[], object]:
    """Add a line made before to a response head."""
    line = set_cookie(b"seawall", b"0123456789abcdef", secure=True)
    return lambda: insert(_RESPONSE, line)


CASES: Final = {
    "decide": lambda: decide_once,
    "spend from the budget": spender,
    "join the line, be next": waiter,
    "read the sticky cookie": reader,
    "insert Set-Cookie": inserter,
}


def nanoseconds_per_call(call: Callable[[], object], *, repeats: int = 30) -> float:
    """The least of `repeats` measurements of 2000 calls."""
    return min(timeit.repeat(call, number=_CALLS, repeat=repeats)) / _CALLS * 1e9


def main() -> None:
    table = Table(title="nanoseconds per call")
    table.add_column("what")
    table.add_column("ns", justify="right")
    for name, make in CASES.items():
        table.add_row(name, f"{nanoseconds_per_call(make()):.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
