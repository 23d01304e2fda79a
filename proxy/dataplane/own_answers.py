"""What the proxy answers itself, and how a connection is closed behind an answer.

Law: an answer that was written is not destroyed by the close behind it.
"""

import time
from typing import TYPE_CHECKING, Final

from proxy.dataplane.request_reader import RequestReader, State
from proxy.failure import Failure
from proxy.wire.head import RequestHead
from proxy.wire.replies import options_reply, reply

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane

LINGER: Final = 2.0  # seconds in which a client may still read the answer and send what nobody reads
LINGER_BYTES: Final = 4 * 1024 * 1024


class OwnAnswers(RequestReader):
    """A client connection that can answer without a backend."""

    __slots__ = ("_lingered",)

    def __init__(self, plane: "DataPlane", state: State) -> None:
        super().__init__(plane, state)
        self._lingered = 0  # bytes thrown away

    # called by the exchange

    def reply(self, failure: Failure, head: RequestHead | None, stays: bool) -> int:
        """Send an answer of the proxy's own; returns its bytes."""
        if self.state is State.CLOSED:
            return 0
        minor = head.minor if head is not None else 1
        head_only = head is not None and head.method == b"HEAD"
        data = reply(failure, self._plane.date, minor, stays, head_only)
        self._transport.write(data)
        return len(data)

    # in place of a backend

    def _answer_here(self, head: RequestHead, data: bytes) -> bytes:
        """A request whose Max-Forwards ends here: OPTIONS is answered, TRACE would show a client's secrets."""
        if head.method != b"OPTIONS":
            return self._turn_down(Failure.METHOD_REFUSED, head, data)
        stays = self._may_stay(head)
        self._transport.write(options_reply(self._plane.date, head.minor, stays))
        return self._after_own_answer(head, data, stays)

    def _turn_down(self, failure: Failure, head: RequestHead, data: bytes) -> bytes:
        """A good head that leads nowhere; returns what is behind its request when the connection stays."""
        stays = self._may_stay(head)
        self.reply(failure, head, stays)
        if self._plane.access_log is not None:
            self._plane.access_log.record_refused(self._peer.address, failure, head)
        return self._after_own_answer(head, data, stays)

    def _may_stay(self, head: RequestHead) -> bool:
        return head.persistent and head.body == 0 and not self._plane.draining

    def _after_own_answer(self, head: RequestHead, data: bytes, stays: bool) -> bytes:
        if stays:
            self.deadline = time.monotonic() + self._plane.settings.keep_alive
            return data
        self._close_after_answer(head.body == 0)
        return b""

    def _refuse(self, failure: Failure) -> None:
        """A head that cannot be served, or a connection that is one too many: say why, read nothing more."""
        self._partial = None
        self._plane.statistics.count_bad_request(failure)
        self.reply(failure, None, stays=False)
        if self._plane.access_log is not None:
            self._plane.access_log.record_refused(self._peer.address, failure, None)
        self._close_after_answer(read_whole=False)

    # closing

    def _close_after_answer(self, read_whole: bool) -> None:
        """Close once the answer is out.

        With unread bytes of the client's in the socket, closing would reset the connection and might destroy the
        answer on its way: then only the sending side is closed until the client closes too (RFC 9112 section 9.6).
        """
        self._pending = b""
        if read_whole or self.is_half_closed or not self._transport.can_write_eof():
            self._transport.close()
            return
        self.state = State.LINGERING
        self.deadline = time.monotonic() + LINGER
        self._transport.write_eof()
        self.resume_reading()

    def _throw_away(self, data: bytes) -> None:
        self._lingered += len(data)
        if self._lingered > LINGER_BYTES:
            self._transport.abort()
