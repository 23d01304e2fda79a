"""The chunked coding by table, in every split. Numbers are http.md's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.chunked import LAST_CHUNK, ChunkedDecoder, encode, last_chunk
from tests.support.http_lines import rows

GOOD = {
    "one chunk": (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "33 tiny chunks": (b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", b"ab"),
    "33 upper and lower case hex": (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    "29 leading zeros": (b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    "29 an extension": (b'5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n', b"hello"),
    "31 trailers": (b"1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"a"),
    "no content": (b"0\r\n\r\n", b""),
}

BAD = {
    "29 no size": b"\r\n\r\n",
    "29 a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "29 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "29 a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "29 a space after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "29 an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "29 17 digits": b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    "29 overflow": b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "29 junk without a semicolon": b"5 x\r\nhello\r\n0\r\n\r\n",
    "29 a bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "29 a bare CR in the size line": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "29 a bare LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "29 a long extension": b"5;" + b"x" * 300 + b"\r\nhello\r\n0\r\n\r\n",
    "29 many extensions": b"1;" + b"x" * 100 + b"\r\na\r\n1;" + b"x" * 100 + b"\r\na\r\n1;" + b"x" * 100 + b"\r\na\r\n",
    "30 no CRLF after the data": b"5\r\nhelloXX0\r\n\r\n",
    "30 LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "30 more data than said": b"3\r\nhello\r\n0\r\n\r\n",
    "31 a bad trailer": b"0\r\nA b: c\r\n\r\n",
    "31 a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "70 trailers without end": b"0\r\n" + b"A: b\r\n" * 2000 + b"\r\n",
    "70 one endless trailer": b"0\r\nA: " + b"b" * 9000,
}


def decode(*parts: bytes) -> tuple[bytes, ChunkedDecoder] | None:
    decoder = ChunkedDecoder()
    content = []
    for part in parts:
        pieces = decoder.feed(part)
        if pieces is None:
            return None
        content += pieces
    return b"".join(content), decoder


@pytest.mark.parametrize(("raw", "content"), rows(GOOD))
def test_good_body_in_every_split(raw: bytes, content: bytes) -> None:
    for cut in range(len(raw) + 1):
        result = decode(raw[:cut], raw[cut:])
        assert result is not None
        assert result[0] == content
        assert result[1].done
    bytewise = decode(*[raw[index : index + 1] for index in range(len(raw))])
    assert bytewise is not None
    assert bytewise[0] == content


@pytest.mark.parametrize("raw", rows(BAD))
def test_bad_body_is_refused_whole_and_byte_by_byte(raw: bytes) -> None:
    assert decode(raw) is None
    assert decode(*[raw[index : index + 1] for index in range(len(raw))]) is None


def test_what_comes_behind_the_body_is_left() -> None:
    result = decode(b"1\r\na\r\n0\r\n\r\nGET / HTTP/1.1")
    assert result is not None
    assert result[1].rest == b"GET / HTTP/1.1"


@pytest.mark.http(31)
def test_31_trailers_are_kept_but_for_those_that_frame_route_or_authenticate() -> None:
    never = b"Content-Length: 1\r\nTransfer-Encoding: x\r\nhOST: a\r\nX-Forwarded-For: b\r\nAuthorization: c\r\n"
    result = decode(b"0\r\nA: b\r\n" + never + b"Cookie: d\r\n" + b"a: c\r\n\r\n")
    assert result is not None
    assert result[1].trailers == [b"A: b", b"a: c"]
    assert last_chunk(result[1].trailers) == b"0\r\nA: b\r\na: c\r\n\r\n"


@pytest.mark.http(31)
def test_31_body_without_trailers_ends_as_always() -> None:
    assert last_chunk([]) == LAST_CHUNK


@pytest.mark.http(36)
def test_36_a_body_cut_short_is_not_done() -> None:
    raw = b"5\r\nhello\r\n0\r\n\r\n"
    for cut in range(len(raw)):
        result = decode(raw[:cut])
        assert result is not None
        assert not result[1].done


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20))
def test_what_is_encoded_decodes_to_the_same(pieces: list[bytes], step: int) -> None:
    raw = b"".join(encode([piece]) for piece in pieces) + encode(pieces) + b"0\r\n\r\n"
    result = decode(*[raw[index : index + step] for index in range(0, len(raw), step)])
    assert result is not None
    assert result[0] == b"".join(pieces) * 2
    assert result[1].done


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    whole, bytewise = decode(raw), decode(*[raw[index : index + 1] for index in range(len(raw))])
    if whole is None:
        assert bytewise is None
    elif not whole[1].done:
        assert bytewise is not None
        assert bytewise[0] == whole[0]
