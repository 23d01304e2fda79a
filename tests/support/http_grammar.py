"""Heads by chance: good ones, odd ones, and ones with bytes changed. Seeded, so that a case can be had again."""

import random
from typing import Final

METHODS: Final = (
    b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"get", b"FROB", b"G\x00T", b"", b"DELETE",
    b"TRACE", b"TRACE", b"OPTIONS", b"trace",
)  # fmt: skip
TARGETS: Final = (
    b"/", b"/a?b=c", b"/%2f..//x", b"*", b"http://a/b", b"http://a:80", b"a:80", b"/\xff", b"/#", b"/ x", b"",
    b"//a/b?", b"/" + b"x" * 9000, b"/?", b"https://u@a/", b"http://", b"HTTP://a?x", b"HttpS://[::1]:80/x?",
    b"http:/a", b"https://a/b#", b"http://a\x0b/", b"http://:80/", b"http://A_b:65536", b"http://a?\xe9", b"ftp://a/",
    b"httpss://a", b"http://a\x01b/c", b"**", b"/" + b"x" * 8191, b"/" + b"x" * 8192, b"/\x7f", b"/a\"b",
    b"/" + b"x" * 65535, b"/" + b"x" * 65536, b"/a?bcdefg", b"/a?bcdefgh",
)  # fmt: skip
VERSIONS: Final = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"", b"HTTP/11")
STATUS_LINES: Final = (
    b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 304 Not", b"HTTP/1.1 404", b"HTTP/1.1 500 ",
    b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 Go", b"HTTP/1.1 101 Go", b"HTTP/1.0 101",
    b"HTTP/1.1 103 Hints", b"HTTP/1.1 999 x", b"HTTP/1.1 099 x", b"HTTP/1.1 2000 x", b"HTTP/2 200 OK", b"junk", b"",
    b"HTTP/1.1 200 \xe9", b"HTTP/1.1 200 O\x01", b"HTTP/1.1  200 OK", b"HTTP/1.1 200OK",
)  # fmt: skip
NAMES: Final = (
    b"Host", b"host", b"HOST", b"Content-Length", b"content-length", b"Transfer-Encoding", b"Connection", b"Keep-Alive",
    b"Expect", b"X-Forwarded-For", b"x-forwarded-proto", b"X-Forwarded-Host", b"Forwarded", b"X-Real-IP", b"TE",
    b"Upgrade", b"Proxy-Connection", b"Date", b"Via", b"Cookie", b"Set-Cookie", b"X_Forwarded_For", b"Content_Length",
    b"X_Real_IP", b"x-forwarded_for", b"X_Forwarded_Proto_And_More", b"T_E", b"Transfer_Encoding", b"hOsT", b"X-Hop",
    b"x-hop", b"X-Forwarded-", b"X-Forwarded-Port", b"X-Forwarded", b"Authorization", b"Content-Lengt",
    b"Transfer-Encodin", b"cOnnection", b"x_y", b"A", b"Accept", b"", b" A", b"A ", b"A\t", b"B\xe9", b"C\x00",
    b"Trailer", b"Hos", b"Hostt", b"D@E", b"X-Request-Id", b"x_request_id", b"X-Request-Ids",
    b"Max-Forwards", b"max-forwards", b"Max_Forwards",
)  # fmt: skip
VALUES: Final = (
    b"a", b"example.com", b"a:80", b"a:99999", b"a:1234", b"[::1]", b"[::1]:80", b"a b", b"a,b", b"a/b", b"u@a", b"",
    b"5", b"0", b"05", b"-1", b"+1", b"5 ", b"5\t", b"9223372036854775807", b"9223372036854775808",
    b"99999999999999999999999", b"5, 5", b"5 5", b"0x5", b"chunked", b"Chunked", b"chunked ", b"chunked\t", b"gzip",
    b"gzip, chunked", b"identity", b"close", b"Close", b"keep-alive", b"Keep-Alive", b"keep-alive, close", b"upgrade",
    b"x-y", b"Host", b"timeout=5", b"timeout=5, max=9", b"100-continue", b"100-Continue", b"200-ok", b"\xe9", b"a\x00b",
    b"a\rb", b"a\nb", b"a\x7fb", b"X-Hop", b"x-hop, close", b"x_y,,X-HOP , A", b"Cookie, Date, via, x-forwarded-for",
    b"accept\t,keep-alive", b",", b", ,a", b"chunked,", b",chunked", b"chunked, chunked", b"gzip;q=1, identity",
    b"zstd", b"chunke", b"chunkedd", b'timeout = "7', b"xtimeout=5, Timeout=6", b"timeout=1234567", b"timeout",
    b"timeout=,timeout=9", b"timeout\t=\t8", b"max=1\ttimeout=3", b"timeout=x timeout=4", b";timeout=5",
    b"timeout=000000", b"TIMEOUT=5x", b"a:65535", b"a:65536", b"a:", b"a:000080", b":80", b"[::1%25eth0]:1",
    b"[::1%25]", b"[::1", b"[]", b"[::g]", b"%zz", b"A_B.c", b"a:80:80", b"[::1]x", b"127.0.0.1", b"1" * 19, b"0" * 19,
    b"0" * 20, b"000", b"https", b"1.1.1.1,", b" a", b"\ta\t", b"1.1.1.1, 2.2.2.2", b"trailers",
    b"Wed, 25 Nov 2026 05:00:00 GMT", b"x" * 300, b"a\r\n b", b"x" * 128, b"x" * 129,
    b"websocket", b"WebSocket/13, h2c", b"H2C", b"h2/1, a",
    b"a/b, c/d/e", b"a/", b"/a", b"a b, c", b",\tfoo/1 ,, bar,", b"a," * 16, b"a," * 17, b"gzip;q=1, Trailers ;q=0.5",
    b"trailers\xa0", b"trailersx, ;trailers", b"Upgrade, te", b"UPGRADE,close",
    b"10", b"1", b"007", b"999999999", b"1000000000", b"1000000001", b"0" * 30 + b"20", b"\xb2",
    b"max-forwards, x-request-id",
    b'"', b'"a\\"', b'"a\\"",b', b'a\\"b"', b'"\\', b'a="b";c="d', b'for="[::1]", by="\\\\"',
)  # fmt: skip
SEPARATORS: Final = (b": ", b":", b":  ", b" : ", b"", b":\t")
LINES: Final = (  # that are good by themselves, and mostly together
    b"Accept: */*", b"x-hop: 1", b"X-Hop:2", b"A: b", b"a:\tb ", b"B:", b"my_field: 1", b"Cookie: a=b; c=d",
    b"Via: 1.0 x", b"Connection: keep-alive", b"connection: X-Hop", b"Connection: close, a", b"CONNECTION: Upgrade,TE",
    b"Upgrade: websocket", b"upgrade: foo/1, h2c , bar", b"Upgrade: h2", b"Upgrade: a b", b"Connection: Upgrade",
    b"Connection: keep-alive, upgrade",
    b"TE: trailers", b"te:deflate;q=0.5,TRAILERS", b"Keep-Alive: timeout=5", b"Keep-Alive: max=3, timeout=70",
    b"X-Forwarded-For: 1.1.1.1", b"X-Forwarded-For:2.2.2.2 ", b"x-forwarded-proto: https", b"X-Forwarded-Host: c",
    b"X-Forwarded-Port: 1", b"Forwarded: for=a", b'forwarded: for="b\\", c"',
    b'Forwarded: for="d', b"X_Forwarded_For: 3.3.3.3", b"Content_Length: 7",
    b"Expect: 100-continue", b"Date: today", b"Set-Cookie: a=b", b"Content-Length: 12", b"Transfer-Encoding: chunked",
    b"Max-Forwards: 1", b"max-forwards:0", b"Max-Forwards: 10", b"Max-Forwards: 1000000009",
    b"X-Request-Id: " + b"a" * 129, b"Upgrade: a/",
    b"X-Request-Id: of-theirs", b"x-request-id:", b"X_Request_Id: twin",
    b"User-Agent: a \xc3\xa9 rather long one, as browsers send them",
)  # fmt: skip
CROWD: Final = (  # that may come in any number
    b"A: b", b"B:", b"X-Hop: 1", b"my_field: 1", b"Keep-Alive: timeout=5", b"TE: trailers", b"Upgrade: a",
    b"Connection: upgrade", b"X-Forwarded-For: 1.1.1.1", b"Forwarded: for=a", b'Forwarded: for="a', b"X-Request-Id: a",
)  # fmt: skip
CROWDS: Final = (8, 17, 99, 100, 101, 255, 256, 257)
LINE_ENDS: Final = (b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"")
WORDS: Final = (
    *(NAMES + VALUES + TARGETS[:8] + VERSIONS + SEPARATORS + LINE_ENDS),
    b"\r\n", b"\r\n\r\n", b"_", b"-",
)  # fmt: skip


def request_head(rng: random.Random) -> bytes:
    """A request head up to its empty line, more often than not one that must be looked at closely."""
    start = b" ".join((_mostly(rng, METHODS, 0.8), _mostly(rng, TARGETS, 0.7), _mostly(rng, VERSIONS, 0.9)))
    lines = [b"Host: example.com"] if rng.random() < 0.8 else []
    return _head(rng, start, lines + _upgrade(rng, 0.1))


def response_head(rng: random.Random) -> bytes:
    """A response head up to its empty line."""
    lines = [b"Content-Length: 5"] if rng.random() < 0.6 else []
    start = _mostly(rng, STATUS_LINES, 0.6)
    return _head(rng, start, lines + _upgrade(rng, 0.8 if b" 101" in start else 0.05))


def _upgrade(rng: random.Random, share: float) -> list[bytes]:
    """The fields that change the protocol, by this share."""
    return [b"Upgrade: websocket", b"Connection: Upgrade"] if rng.random() < share else []


def _mostly(rng: random.Random, choices: tuple[bytes, ...], share: float) -> bytes:
    """The first choice by this share, else any."""
    return choices[0] if rng.random() < share else rng.choice(choices)


def _head(rng: random.Random, start: bytes, lines: list[bytes]) -> bytes:
    hostile = rng.random() < 0.5
    crowded = rng.random() < 0.05
    for _ in range(rng.choice(CROWDS) if crowded else rng.randrange(5)):
        line = rng.choice(CROWD if crowded else LINES)
        if hostile:
            line = rng.choice(NAMES) + _mostly(rng, SEPARATORS, 0.9) + rng.choice(VALUES)
        lines.insert(rng.randrange(len(lines) + 1), line)
    raw = b"\r\n".join((start, *lines, b"", b""))
    for _ in range(rng.choice((0, 1, 1, 2, 3, 6)) if hostile else rng.choice((0, 0, 0, 1))):
        raw = rng.choice(_MUTATIONS)(rng, raw, rng.randrange(len(raw) + 1))
    if rng.random() < 0.02:
        return raw  # which may end anywhere, or go on behind its empty line
    end = raw.find(b"\r\n\r\n")
    return raw[: end + 4] if end >= 0 else raw + b"\r\n\r\n"


def _insert(rng: random.Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([rng.randrange(256)]) + raw[at:]


def _change(rng: random.Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]


def _flip(rng: random.Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([byte ^ 1 << rng.randrange(8) for byte in raw[at : at + 1]]) + raw[at + 1 :]


def _delete(rng: random.Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + raw[at + rng.randrange(1, 4) :]


def _repeat(rng: random.Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + raw[max(0, at - rng.randrange(1, 20)) :]


def _insert_word(rng: random.Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + rng.choice(WORDS) + raw[at:]


def _end_line_oddly(rng: random.Random, raw: bytes, at: int) -> bytes:
    return raw[:at] + raw[at:].replace(b"\r\n", rng.choice(LINE_ENDS), 1)


def _move_line(rng: random.Random, raw: bytes, at: int) -> bytes:
    lines = raw.split(b"\r\n")
    lines.insert(rng.randrange(len(lines)), lines.pop(rng.randrange(len(lines))))
    return b"\r\n".join(lines)


_MUTATIONS: Final = (_insert, _change, _flip, _delete, _repeat, _insert_word, _end_line_oddly, _move_line)
