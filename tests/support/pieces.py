"""Bytes in every split, and what a client is told whose bytes are refused."""

import asyncio
from collections.abc import Iterable, Iterator

from proxy.wire.chunked import ChunkedDecoder
from tests.support.raw_client import RawClient, Response
from tests.support.scripted_backend import BackendConnection


def splits(raw: bytes, end: int | None = None) -> Iterator[list[bytes]]:
    """`raw` in one piece, byte by byte, and cut in two at every place before `end`."""
    yield [raw]
    yield [raw[index : index + 1] for index in range(len(raw))]
    for cut in range(1, end or len(raw)):
        yield [raw[:cut], raw[cut:]]


async def send_pieces(client: RawClient, pieces: Iterable[bytes]) -> None:
    """Send each by itself: between two the loop, which is the proxy's too, reads what is there."""
    for piece in pieces:
        await client.send(piece)
        await asyncio.sleep(0)


async def refusal(port: int, pieces: Iterable[bytes]) -> Response:
    """The answer to bytes that are refused; fails when anything but the end of the connection follows it."""
    async with RawClient(port) as client:
        await send_pieces(client, pieces)
        response = await client.read_response()
        assert response.field("connection") == "close"
        assert await client.is_closed()
        return response


class KeptRequests:
    """A script that answers every request with the same response and keeps (head, body) of each."""

    def __init__(self, response: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") -> None:
        self.response = response
        self.requests: list[tuple[bytes, bytes]] = []

    async def __call__(self, connection: BackendConnection) -> None:
        while True:
            self.requests.append(await connection.read_request())
            await connection.write(self.response)


class KeptBytes:
    """A script that never answers and keeps every byte of each connection; `ended` counts those that are over."""

    def __init__(self) -> None:
        self.connections: list[bytes] = []
        self.ended = 0

    async def __call__(self, connection: BackendConnection) -> None:
        index = len(self.connections)
        self.connections.append(b"")
        try:
            while data := await connection.reader.read(1 << 16):
                self.connections[index] += data
        finally:
            self.ended += 1


class Answers:
    """A script that gives these responses in order, to one request each, then closes."""

    def __init__(self, *responses: bytes) -> None:
        self.responses = responses

    async def __call__(self, connection: BackendConnection) -> None:
        for response in self.responses:
            await connection.read_request()
            await connection.write(response)


def content_of(head: bytes, body: bytes) -> bytes:
    """The content of a body that is chunked or not, as its head says; fails when its chunks are not whole."""
    if b"transfer-encoding: chunked" not in head.lower():
        return body
    decoder = ChunkedDecoder()
    pieces = decoder.feed(body)
    assert pieces is not None
    assert decoder.done
    return b"".join(pieces)


def lines_of(head: bytes) -> list[bytes]:
    """The field lines of a head."""
    return head.split(b"\r\n")[1:-2]
