"""Spans with something in every field."""

from typing import Any

from proxy.fleet.spans import AttemptSpan, RequestSpan

BEGAN = 1_790_000_000_000_000_000


def request(**changes: Any) -> RequestSpan:
    """A request that took 5 ms."""
    whole = RequestSpan(
        trace=b"0af7651916cd43dd8448eb211c80319c",
        span=b"00f067aa0ba902b7",
        parent=b"",
        began=BEGAN,
        ended=BEGAN + 5_000_000,
        client=b"192.0.2.7",
        method=b"GET",
        host=b"a.example",
        path=b"/x",
        minor=1,
        request_id=b"r1",
        service="web",
        status=200,
        failure=None,
        request_bytes=0,
        response_bytes=123,
        queued=0.0,
        attempts=(),
    )
    return whole._replace(**changes)


def attempt(**changes: Any) -> AttemptSpan:
    """An attempt that took 4 ms."""
    whole = AttemptSpan(
        span=b"b7ad6b7169203331",
        backend="web-1",
        host="10.0.0.1",
        port=80,
        began=BEGAN + 1_000_000,
        ended=BEGAN + 5_000_000,
        outcome=200,
    )
    return whole._replace(**changes)
