"""Do the two codecs ever disagree? Heads by chance to both, until one does or the cases run out.

Run: `python -m benchmarks.fuzz_wire [--cases 2000000] [--seed N]`; exit code 1 and the bytes when they disagree.
"""

import argparse
import random
import sys
import time

from proxy.wire import compiled, reference
from proxy.wire.head import RequestHead
from proxy.wire.peer import Peer
from tests.support.http_grammar import meaning, request_head, response_head


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, default=2_000_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    rng = random.Random(given.seed)
    peers = (Peer(b"192.0.2.7"), Peer(b"10.0.0.1", trusted=True))
    asked = [
        reference.parse_request(method + b" / " + version + b"\r\nHost: a\r\n\r\n", peers[0])
        for method, version in ((b"GET", b"HTTP/1.1"), (b"HEAD", b"HTTP/1.1"), (b"GET", b"HTTP/1.0"))
    ]
    accepted = 0
    began = time.monotonic()
    for _ in range(given.cases // 2):
        raw, peer = request_head(rng), rng.choice(peers)
        one = compiled.parse_request(raw, peer)
        accepted += isinstance(one, RequestHead)
        if meaning(one) != meaning(reference.parse_request(raw, peer)):
            print(f"request, trusted={peer.trusted}: {raw!r}")
            return 1
        raw, request, stays = response_head(rng), rng.choice(asked), rng.random() < 0.5
        assert isinstance(request, RequestHead)
        answer = compiled.parse_response(raw, request, stays, b"now")
        if meaning(answer) != meaning(reference.parse_response(raw, request, stays, b"now")):
            print(f"response to {request!r}, stays={stays}: {raw!r}")
            return 1
    share = accepted / max(1, given.cases // 2)
    print(f"{given.cases} heads, no disagreement, {share:.0%} of requests accepted, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
