"""What traces are made of, on its way from the data plane to whoever exports it.

Law: bounded, and never waited for: what does not fit is dropped and counted.
"""

from collections import deque
from typing import Final, NamedTuple

from proxy.failure import Failure

MAX_WAITING: Final = 8192  # requests, a second's worth of a busy worker: about 10 MB


class AttemptSpan(NamedTuple):
    """One attempt at a backend. Moments are ns since the epoch; the outcome None is of one that was called off."""

    span: bytes  # 16 hex digits
    backend: str
    host: str
    port: int
    began: int
    ended: int
    outcome: Failure | int | None


class RequestSpan(NamedTuple):
    """One request and its answer. Moments are ns since the epoch, ids hex digits; no `parent` where a trace begins."""

    trace: bytes
    span: bytes
    parent: bytes
    began: int
    ended: int
    client: bytes
    method: bytes
    host: bytes
    path: bytes
    minor: int
    request_id: bytes
    service: str
    status: int
    failure: Failure | None
    request_bytes: int
    response_bytes: int
    queued: float  # seconds
    attempts: tuple[AttemptSpan, ...]

    @property
    def spans(self) -> int:
        """How many spans it is in a trace."""
        return 1 + len(self.attempts)


class SpanQueue:
    """Requests that have ended and wait to be exported. `exported` and `dropped` count spans."""

    __slots__ = ("_waiting", "dropped", "exported")

    def __init__(self) -> None:
        self._waiting: deque[RequestSpan] = deque()
        self.exported = 0
        self.dropped = 0

    def add(self, request: RequestSpan) -> None:
        """One has ended."""
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += request.spans
        else:
            self._waiting.append(request)

    def take(self, most: int) -> list[RequestSpan]:
        """The oldest, at most so many."""
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(most, len(waiting)))]

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"<SpanQueue waiting={len(self._waiting)} exported={self.exported} dropped={self.dropped}>"
