"""A try that took too long to answer: another runs beside it, and whichever answers first is the one that counts.

Jeffrey Dean and Luiz André Barroso, "The Tail at Scale" (CACM 56:2, 2013): a hedged request.
"""

from typing import TYPE_CHECKING

from proxy.dataplane.asker import Asker
from proxy.failure import Failure
from proxy.wire.head import ResponseHead

if TYPE_CHECKING:
    from proxy.dataplane.retries import Retries
    from proxy.dataplane.upstream import Upstream
    from proxy.fleet.backend import Backend


class SlowTry(Asker):
    """The first try, begun at `tried_at`, in monotonic seconds. Its request has been sent whole."""

    __slots__ = ("_exchange", "backend", "tried_at", "upstream")

    def __init__(self, exchange: "Retries", backend: "Backend", upstream: "Upstream", tried_at: float) -> None:
        super().__init__(exchange.head, exchange.client_stays, request_complete=True)
        self._exchange = exchange
        self.backend = backend
        self.upstream = upstream
        self.tried_at = tried_at

    def on_interim(self, response: ResponseHead) -> None:
        """Of no use: it may not be the one that counts."""

    def on_response(self, response: ResponseHead, data: bytes, complete: bool, now: float) -> None:
        """It answers after all."""
        if self._exchange.is_unwanted(response.status):
            self._exchange.on_slow_failure(self, Failure.BAD_STATUS)
            return
        self._exchange.on_slow_answer(self)
        self._exchange.on_response(response, data, complete, now)

    def on_switched(self, response: ResponseHead, upstream: "Upstream") -> None:
        """It answers after all."""
        self._exchange.on_slow_answer(self)
        self._exchange.on_switched(response, upstream)

    def on_failure(self, failure: Failure) -> None:
        """It will not answer."""
        self._exchange.on_slow_failure(self, failure)

    # Nothing of these comes to it: with the first of its response the exchange takes its place, and it has sent all.

    def on_body(self, data: bytes) -> None:
        """See the exchange."""
        raise AssertionError("a slow try that has answered")

    def on_end(self, data: bytes) -> None:
        """See the exchange."""
        raise AssertionError("a slow try that has answered")

    def pause_downstream(self) -> None:
        """All of the request has come from the client."""

    def resume_downstream(self) -> None:
        """All of the request has come from the client."""
