"""Whoever an upstream connection works for: an exchange, or one of its tries that has been given up waiting for."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from proxy.failure import Failure
from proxy.wire.head import RequestHead, ResponseHead

if TYPE_CHECKING:
    from proxy.dataplane.upstream import Upstream


class Asker(ABC):
    """What an upstream connection needs to know of a request, and whom it tells what came back."""

    __slots__ = ("client_stays", "head", "request_complete")

    def __init__(self, head: RequestHead, client_stays: bool, request_complete: bool) -> None:
        self.head = head
        self.client_stays = client_stays
        self.request_complete = request_complete

    @abstractmethod
    def on_interim(self, response: ResponseHead) -> None:
        """A 1xx response."""

    @abstractmethod
    def on_response(self, response: ResponseHead, data: bytes, complete: bool, now: float) -> None:
        """The final response: `data` is its head to forward and, when it is `complete`, its body."""

    @abstractmethod
    def on_body(self, data: bytes) -> None:
        """More of the response, framed for the client."""

    @abstractmethod
    def on_end(self, data: bytes) -> None:
        """The last of the response."""

    @abstractmethod
    def on_switched(self, response: ResponseHead, upstream: "Upstream") -> None:
        """A 101: what follows is a tunnel's."""

    @abstractmethod
    def on_failure(self, failure: Failure) -> None:
        """The connection is of no more use."""

    @abstractmethod
    def pause_downstream(self) -> None:
        """The backend does not read as fast as the client sends."""

    @abstractmethod
    def resume_downstream(self) -> None:
        """It has caught up."""
