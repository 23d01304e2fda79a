"""Heads by chance: ordinary ones, odd ones, and ones with bytes changed. Seeded, so that a case can be had again."""

import random
from typing import Final

from proxy.failure import Failure
from proxy.wire.head import RequestHead, ResponseHead

METHODS: Final = (b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"get", b"FROB", b"G\x00T", b"", b"DELETE")
TARGETS: Final = (
    b"/", b"/a?b=c", b"/%2f..//x", b"*", b"http://a/b", b"http://a:80", b"a:80", b"/\xff", b"/#", b"/ x", b"",
    b"//a/b?", b"/" + b"x" * 9000, b"/?", b"https://u@a/",
)  # fmt: skip
VERSIONS: Final = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"", b"HTTP/11")
STATUS_LINES: Final = (
    b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 304 Not", b"HTTP/1.1 404",
    b"HTTP/1.1 500 ", b"HTTP/1.1 100 Continue", b"HTTP/1.1 999 x", b"HTTP/1.1 099 x", b"HTTP/1.1 2000 x",
    b"HTTP/2 200 OK", b"junk", b"", b"HTTP/1.1 200 \xe9", b"HTTP/1.1 200 O\x01", b"HTTP/1.1  200 OK",
    b"HTTP/1.1 200OK",
)  # fmt: skip
NAMES: Final = (
    b"Host", b"host", b"HOST", b"Content-Length", b"content-length", b"Transfer-Encoding", b"Connection",
    b"Keep-Alive", b"Expect", b"X-Forwarded-For", b"x-forwarded-proto", b"X-Forwarded-Host", b"Forwarded",
    b"X-Real-IP", b"TE", b"Upgrade", b"Proxy-Connection", b"Date", b"Via", b"Cookie", b"Set-Cookie",
    b"X_Forwarded_For", b"Content_Length", b"x_y", b"A", b"Accept", b"", b" A", b"A ", b"A\t", b"B\xe9", b"C\x00",
    b"Trailer", b"Hos", b"Hostt", b"D@E",
)  # fmt: skip
VALUES: Final = (
    b"a", b"example.com", b"a:80", b"a:99999", b"a:1234", b"[::1]", b"[::1]:80", b"a b", b"a,b", b"a/b", b"u@a",
    b"", b"5", b"0", b"05", b"-1", b"+1", b"5 ", b"5\t", b"9223372036854775807", b"9223372036854775808",
    b"99999999999999999999999", b"5, 5", b"5 5", b"0x5", b"chunked", b"Chunked", b"chunked ", b"chunked\t", b"gzip",
    b"gzip, chunked", b"identity", b"close", b"Close", b"keep-alive", b"Keep-Alive", b"keep-alive, close",
    b"upgrade", b"x-y", b"Host", b"timeout=5", b"timeout=5, max=9", b"100-continue", b"100-Continue", b"200-ok",
    b"\xe9", b"a\x00b", b"a\rb", b"a\nb", b"a\x7fb", b" a", b"\ta\t", b"1.1.1.1, 2.2.2.2", b"trailers",
    b"Wed, 25 Nov 2026 05:00:00 GMT", b"x" * 300, b"a\r\n b",
)  # fmt: skip
SEPARATORS: Final = (b": ", b":", b":  ", b" : ", b"", b":\t")
LINE_ENDS: Final = (b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"")


def request_head(rng: random.Random) -> bytes:
    """A request head up to its empty line, more often than not one that must be looked at closely."""
    start = b" ".join((_mostly(rng, METHODS, 0.7), _mostly(rng, TARGETS, 0.6), _mostly(rng, VERSIONS, 0.85)))
    lines = [b"Host: example.com"] if rng.random() < 0.8 else []
    return _head(rng, start, lines)


def response_head(rng: random.Random) -> bytes:
    """A response head up to its empty line."""
    lines = [b"Content-Length: 5"] if rng.random() < 0.6 else []
    return _head(rng, _mostly(rng, STATUS_LINES, 0.6), lines)


def meaning(head: RequestHead | ResponseHead | Failure) -> object:
    """Everything about a result, for comparing two."""
    if isinstance(head, Failure):
        return head
    return type(head), *(getattr(head, name) for name in type(head).__slots__)


def _mostly(rng: random.Random, choices: tuple[bytes, ...], share: float) -> bytes:
    """The first choice by this share, else any."""
    return choices[0] if rng.random() < share else rng.choice(choices)


def _head(rng: random.Random, start: bytes, lines: list[bytes]) -> bytes:
    for _ in range(rng.choice((0, 1, 2, 3, 4, 8, 99, 100, 101)) if rng.random() < 0.05 else rng.randrange(5)):
        line = rng.choice(NAMES) + _mostly(rng, SEPARATORS, 0.9) + rng.choice(VALUES)
        lines.insert(rng.randrange(len(lines) + 1), line)
    raw = b"\r\n".join((start, *lines, b"", b""))
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 3))):
        raw = _mutated(rng, raw)
    end = raw.find(b"\r\n\r\n")
    return raw[: end + 4] if end >= 0 else raw + b"\r\n\r\n"


def _mutated(rng: random.Random, raw: bytes) -> bytes:
    at = rng.randrange(len(raw) + 1)
    kind = rng.randrange(5)
    if kind == 0:
        return raw[:at] + bytes([rng.randrange(256)]) + raw[at:]
    if kind == 1:
        return raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]
    if kind == 2:
        return raw[:at] + raw[at + rng.randrange(1, 4) :]
    if kind == 3:
        return raw.replace(b"\r\n", rng.choice(LINE_ENDS), 1)
    return raw[:at] + raw[max(0, at - rng.randrange(1, 20)) :]
