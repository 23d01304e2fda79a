"""The probe that asks by HTTP. One Protocol on the loop, not a client library: what it costs is in
benchmarks/probes_cost.py.

The answer is read to its end even when its status has settled everything, so that a backend that writes head and body
apart is not reset between the two and logs no broken pipe every other second.
"""

import asyncio
from typing import Final

from proxy.control.probes.conversation import Conversation
from proxy.control.probes.question import Question
from proxy.failure import Failure
from proxy.wire import grammar
from proxy.wire.chunked import ChunkedDecoder
from proxy.wire.codec import parse_response
from proxy.wire.head import CHUNKED, RequestHead
from proxy.wire.head_buffer import HeadBuffer

LIMIT: Final = 64 * 1024  # bytes of an answer that are read, head included
_NOT_HTTP: Final = "the answer is not valid HTTP/1.1"
_TOO_LONG_HEAD: Final = f"the head of the answer is longer than {grammar.MAX_HEAD // 1024} KiB"
_CLOSED: Final = "closed before an answer"
_CUT: Final = "closed in the middle of the answer"


class HttpAnswer(Conversation):
    """Sends the request and judges the answer: by its head, or by its body where the question asks for one."""

    __slots__ = ("_body", "_head", "_interims", "_question", "_read", "_request")

    def __init__(self, question: Question, request: RequestHead, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._question = question
        self._request = request
        self._head: HeadBuffer | None = None
        self._body: AnswerBody | None = None
        self._interims = 0
        self._read = 0  # bytes

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: ask."""
        super().connection_made(transport)
        if self.transport is not None:
            self.transport.write(self._request.forward)

    def data_received(self, data: bytes) -> None:
        """Some of the answer."""
        self._read += len(data)
        if self._body is None:
            self._on_head_bytes(data)
        else:
            self._on_body_bytes(self._body, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whichever side."""
        if self._body is None:
            self.settle("connection reset" if isinstance(exc, ConnectionResetError) else _CLOSED)
        else:
            whole = exc is None and self._body.may_end_here
            self.settle(self._question.objection_to_body(self._body.content) if whole else _CUT)
        super().connection_lost(exc)

    # reading

    def _on_head_bytes(self, data: bytes) -> None:
        if self._head is None:
            self._head = HeadBuffer(data)
        else:
            self._head.add(data)
        whole = self._head.take()
        if whole is not None and len(whole[0]) <= grammar.MAX_HEAD:
            self._head = None
            self._on_head(*whole)
        elif whole is not None or len(self._head) > grammar.MAX_HEAD:
            self.finish(_TOO_LONG_HEAD)
        elif self._head.is_hopeless():
            self.finish(_NOT_HTTP)

    def _on_head(self, raw: bytes, rest: bytes) -> None:
        response = parse_response(raw, self._request, False, b"")
        if isinstance(response, Failure) or response.status == 101:
            self.finish(_NOT_HTTP)
        elif response.status < 200:
            self._on_interim(rest)
        elif objection := self._question.objection_to_status(response.status):
            self.finish(objection)
        else:
            if self._question.body is None:
                self.settle("")
            self._body = AnswerBody(response.body)
            self._on_body_bytes(self._body, rest)

    def _on_interim(self, rest: bytes) -> None:
        self._interims += 1
        if self._interims > grammar.MAX_INTERIM:
            self.finish(_NOT_HTTP)
        elif rest:
            self._on_head_bytes(rest)

    def _on_body_bytes(self, body: "AnswerBody", data: bytes) -> None:
        if not body.take(data):
            self.finish("the body of the answer is not validly chunked")
        elif body.is_complete or self._read >= LIMIT:
            self.finish(self._question.objection_to_body(body.content))


class AnswerBody:
    """The body of one answer, taken out of its framing: a length, CHUNKED or UNTIL_CLOSE, as ResponseHead has it."""

    __slots__ = ("_decoder", "_framing", "_pieces", "_size")

    def __init__(self, framing: int) -> None:
        self._framing = framing
        self._decoder = ChunkedDecoder() if framing == CHUNKED else None
        self._pieces: list[bytes] = []
        self._size = 0  # bytes

    def take(self, data: bytes) -> bool:
        """What came next; False when it is malformed."""
        pieces = [data] if self._decoder is None else self._decoder.feed(data)
        if pieces is None:
            return False
        self._pieces += pieces
        self._size += sum(map(len, pieces))
        return True

    @property
    def is_complete(self) -> bool:
        """Whether nothing more belongs to it."""
        if self._decoder is not None:
            return self._decoder.done
        return 0 <= self._framing <= self._size

    @property
    def may_end_here(self) -> bool:
        """Whether it is whole if the connection is closed now."""
        return self.is_complete or (self._decoder is None and self._framing < 0)

    @property
    def content(self) -> bytes:
        """What has come of it; not what came behind it."""
        content = b"".join(self._pieces)
        return content[: self._framing] if self._framing >= 0 else content
