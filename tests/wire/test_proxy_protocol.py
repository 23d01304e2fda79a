"""The PROXY protocol's header, both versions: whole, split anywhere, and malformed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.proxy_protocol import BadProxyHeaderError, ProxyHeader, read_proxy_header

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V4 = bytes((192, 0, 2, 1, 192, 0, 2, 2)) + b"\x10\x00\x00\x50"
V6 = bytes.fromhex("20010db8000000000000000000000001" * 2) + b"\x10\x00\x00\x50"


def v2(command: int, family: int, rest: bytes) -> bytes:
    return SIGNATURE + bytes((command, family)) + len(rest).to_bytes(2, "big") + rest


GOOD = {
    "version 1, IPv4": (b"PROXY TCP4 192.0.2.1 192.0.2.2 4096 80\r\n", "192.0.2.1"),
    "version 1, IPv6": (b"PROXY TCP6 2001:db8::1 2001:db8::2 4096 80\r\n", "2001:db8::1"),
    "version 1, longest": (
        b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n",
        "ffff:" * 7 + "ffff",
    ),
    "version 1, unknown": (b"PROXY UNKNOWN\r\n", None),
    "version 1, unknown and what may follow": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    "version 2, IPv4": (v2(0x21, 0x11, V4), "192.0.2.1"),
    "version 2, IPv6": (v2(0x21, 0x21, V6), "2001:db8::1"),
    "version 2, extensions are passed by": (v2(0x21, 0x11, V4 + b"\x04\x00\x05hello"), "192.0.2.1"),
    "version 2, local": (v2(0x20, 0x00, b""), None),
    "version 2, local with addresses": (v2(0x20, 0x11, V4), None),
    "version 2, a Unix socket": (v2(0x21, 0x31, b"\x00" * 216), None),
    "version 2, unspecified": (v2(0x21, 0x00, b""), None),
}

BAD = {
    "no header": b"GET / HTTP/1.1\r\n",
    "lower case": b"proxy TCP4 192.0.2.1 192.0.2.2 4096 80\r\n",
    "no end in 107 bytes": b"PROXY TCP4 " + b"1" * 100,
    "another protocol": b"PROXY UDP4 192.0.2.1 192.0.2.2 4096 80\r\n",
    "a part is missing": b"PROXY TCP4 192.0.2.1 192.0.2.2 4096\r\n",
    "a part too many": b"PROXY TCP4 192.0.2.1 192.0.2.2 4096 80 1\r\n",
    "two spaces": b"PROXY TCP4  192.0.2.1 192.0.2.2 4096 80\r\n",
    "an address that is none": b"PROXY TCP4 192.0.2.256 192.0.2.2 4096 80\r\n",
    "an address of the other family": b"PROXY TCP4 ::1 192.0.2.2 4096 80\r\n",
    "a destination that is none": b"PROXY TCP4 192.0.2.1 x 4096 80\r\n",
    "an address with a zone": b"PROXY TCP6 fe80::1%eth0 ::1 4096 80\r\n",
    "a port out of range": b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n",
    "a port with a sign": b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 80\r\n",
    "version 2, another version": v2(0x11, 0x11, V4),
    "version 2, another command": v2(0x22, 0x11, V4),
    "version 2, shorter than its addresses": v2(0x21, 0x11, V4[:-1]),
    "version 2, endless": SIGNATURE + b"\x21\x11\xff\xff",
}


@pytest.mark.parametrize(("header", "address"), GOOD.values(), ids=GOOD)
def test_header_is_read_when_it_is_whole_and_not_before(header: bytes, address: str | None) -> None:
    for end in range(len(header)):
        assert read_proxy_header(header[:end]) is None
    assert read_proxy_header(header) == ProxyHeader(address, len(header))
    assert read_proxy_header(header + b"GET / HTTP/1.1\r\n") == ProxyHeader(address, len(header))


@pytest.mark.parametrize("header", BAD.values(), ids=BAD)
def test_malformed_header_is_refused(header: bytes) -> None:
    with pytest.raises(BadProxyHeaderError):
        read_proxy_header(header)


@given(st.one_of(st.binary(max_size=64), st.builds(lambda rest: SIGNATURE + rest, st.binary(max_size=64))))
def test_any_bytes_are_read_refused_or_incomplete(data: bytes) -> None:
    with contextlib.suppress(BadProxyHeaderError):
        header = read_proxy_header(data)
        assert header is None or header.size <= len(data)


@given(st.binary(max_size=100).map(lambda rest: b"PROXY TCP4 " + rest + b"\r\n"))
def test_any_line_of_version_1_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(BadProxyHeaderError):
        read_proxy_header(data)
