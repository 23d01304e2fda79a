"""What does one request cost in our own code, from the client's bytes to the client's answer, without any socket?

Transports are fakes, so that only the data plane's work is timed: parse, route, pick, lease, write, parse, relay,
account. The kernel and the event loop come on top (benchmarks/throughput.py has the whole).
"""

import asyncio
import cProfile
import pstats
import random
import sys
import time

from proxy.dataplane.downstream import Downstream
from proxy.dataplane.plane import ClientSettings, DataPlane
from proxy.dataplane.tracing import Tracer
from proxy.dataplane.upstream import Upstream
from proxy.fleet.fleet import Fleet
from proxy.fleet.spans import SpanQueue
from proxy.spec.desired import Desired
from proxy.spec.route import EVERYTHING, RouteSpec
from proxy.spec.service import BackendKey, BackendSpec, ServiceSpec
from proxy.wire.codec import IMPLEMENTATION, parse_request, parse_response
from proxy.wire.head import RequestHead, ResponseHead
from proxy.wire.peer import Peer, Rules
from tests.support.fake_transport import FakeTransport

REQUEST = "\r\n".join(
    (
        "GET /index.html?x=1 HTTP/1.1",
        "Host: example.com",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0 Safari/537.36",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Language: en-US,en;q=0.5",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Connection: keep-alive",
        "Cookie: a=b; session=0123456789abcdef0123456789abcdef",
        "Sec-Fetch-Dest: document",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Site: none",
        "Sec-Fetch-User: ?1",
        "Cache-Control: max-age=0",
        "Referer: http://example.com/",
        "",
        "",
    )
).encode("ascii")
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 05:43:11 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\nhello world\n"
)
RESPONSE_HEAD = RESPONSE[: RESPONSE.index(b"\r\n\r\n") + 4]
ROUNDS = 20_000


class NullTransport(FakeTransport):
    """Keeps nothing."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass


def connected_pair(tracer: Tracer | None = None) -> tuple[Downstream, Upstream, DataPlane]:
    """A client connection and an idle backend connection of one data plane."""
    fleet = Fleet(random.Random(1))
    plane = DataPlane(fleet, ClientSettings(), tracer=tracer)
    keys = [BackendKey(container=name, host="127.0.0.1", port=80) for name in ("a", "b", "c")]
    fleet.reconcile(
        Desired(
            services=(ServiceSpec(name="web"),),
            backends=tuple(BackendSpec(key=key, name=key.container, service="web") for key in keys),
            routes=(RouteSpec(rule=EVERYTHING, service="web"),),
        ),
        time.monotonic(),
    )
    for backend in fleet.backends():
        upstream = Upstream(plane, backend)
        upstream.connection_made(NullTransport(upstream))
        upstream.expires = float("inf")
        plane.pool.release(upstream, 0.0)
    downstream = Downstream(plane)
    downstream.connection_made(NullTransport(downstream))
    return downstream, upstream, plane


def serve(rounds: int, trace_share: float | None = None) -> float:
    """Seconds for this many requests, one after the other; with tracing, a share of them traced."""
    queue = SpanQueue()
    downstream, _, _ = connected_pair(Tracer(queue, trace_share) if trace_share is not None else None)
    began = time.perf_counter()
    for _ in range(rounds):
        downstream.data_received(REQUEST)
        exchange = downstream._exchange
        assert exchange is not None
        assert exchange.upstream is not None
        exchange.upstream.data_received(RESPONSE)
        if len(queue) > 512:
            queue.take(512)
    return time.perf_counter() - began


def parse(rounds: int) -> float:
    """Seconds for the two heads alone."""
    peer = Peer(b"192.0.2.7", rules=Rules(request_ids=b"0123456789abcdef"))
    began = time.perf_counter()
    for _ in range(rounds):
        head = parse_request(REQUEST, peer, 1)
        assert isinstance(head, RequestHead)
        assert isinstance(parse_response(RESPONSE_HEAD, head, True, b""), ResponseHead)
    return time.perf_counter() - began


async def main() -> None:
    if "--profile" in sys.argv:
        with cProfile.Profile() as profile:
            serve(ROUNDS)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    best_whole = min(serve(ROUNDS) for _ in range(7)) / ROUNDS * 1e6
    best_heads = min(parse(ROUNDS) for _ in range(7)) / ROUNDS * 1e6
    print(f"codec: {IMPLEMENTATION}")
    print(f"one request     {best_whole:6.2f} µs")
    print(f"  its two heads {best_heads:6.2f} µs")
    print(f"  all the rest  {best_whole - best_heads:6.2f} µs")
    for share in (0.0, 0.01, 1.0):
        best = min(serve(ROUNDS, share) for _ in range(7)) / ROUNDS * 1e6
        print(f"traced: {share:4.0%}    {best:6.2f} µs")


if __name__ == "__main__":
    asyncio.run(main())
