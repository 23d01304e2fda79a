"""What does a head cost, in either codec? Everything is counted: reading, the head to forward, and the objects.

Run: `python -m benchmarks.codec_cost`. Each figure is the least of many rounds, in µs per head.
"""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Final

from benchmarks.happy_path_cost import REQUEST, RESPONSE_HEAD
from proxy.wire import compiled, reference
from proxy.wire.head import RequestHead
from proxy.wire.peer import Peer, Rules

RULES: Final = Rules(request_ids=b"0123456789abcdef")
CLIENT: Final = Peer(b"192.0.2.7", rules=RULES)
TRUSTED: Final = Peer(b"10.0.0.1", trusted=True, rules=RULES)
ANONYMOUS: Final = Peer(b"192.0.2.7")
DATE: Final = b"Wed, 25 Nov 2026 05:00:00 GMT"
CODECS: Final = {"reference": reference, "compiled": compiled}

REQUESTS: Final = {
    "a browser's, 13 fields": (REQUEST, CLIENT),
    "the same, no id made": (REQUEST, ANONYMOUS),
    "the same from a trusted proxy": (
        REQUEST[:-2] + b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n\r\n",
        TRUSTED,
    ),
    "the same with Connection naming a field": (REQUEST[:-2] + b"Connection: TE, X-Hop\r\nX-Hop: 1\r\n\r\n", CLIENT),
    "HTTP/1.0, 1 field": (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", CLIENT),
    "32 KiB, 99 fields": (b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"A: " + b"b" * 324 + b"\r\n") * 98 + b"\r\n", CLIENT),
    "refused: a bad name after 12 good": (REQUEST[:-2] + b"bad name: 1\r\n\r\n", CLIENT),
}
RESPONSES: Final = {
    "a small one": RESPONSE_HEAD,
    "chunked, to be kept for 5 s": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nDate: Wed, 25 Nov 2026 05:00:00 GMT\r\n"
        b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    "304": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nDate: Wed, 25 Nov 2026 05:00:00 GMT\r\n\r\n',
}


def cost(call: Callable[[], object], rounds: int = 31) -> float:
    """The least µs per call, of rounds that take a few milliseconds each."""
    best, number = float("inf"), 1
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(number):
            call()
        seconds = time.perf_counter() - began
        best = min(best, seconds / number)
        number = max(1, round(0.005 / best))
    return best * 1e6


def request_cost(codec: ModuleType, raw: bytes, peer: Peer) -> float:
    parse = codec.parse_request
    return cost(lambda: parse(raw, peer, 1))


def response_cost(codec: ModuleType, raw: bytes, request: RequestHead) -> float:
    parse = codec.parse_response
    return cost(lambda: parse(raw, request, True, DATE))


def main() -> None:
    asked = reference.parse_request(REQUEST, CLIENT, 1)
    assert isinstance(asked, RequestHead)
    empty = cost(lambda: None)  # what calling costs, taken off
    print(f"{'':50}" + "".join(f"{name:>12}" for name in CODECS))
    for name, (raw, peer) in REQUESTS.items():
        figures = [request_cost(codec, raw, peer) - empty for codec in CODECS.values()]
        print(f"request:  {name:40}" + "".join(f"{figure:10.2f} µs" for figure in figures))
    for name, raw in RESPONSES.items():
        figures = [response_cost(codec, raw, asked) - empty for codec in CODECS.values()]
        print(f"response: {name:40}" + "".join(f"{figure:10.2f} µs" for figure in figures))


if __name__ == "__main__":
    main()
