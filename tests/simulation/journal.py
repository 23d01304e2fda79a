"""What has happened: every request with all that its client, the backends and the wires between have seen of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"PUT", b"DELETE"))


@dataclass(slots=True)
class Sending:
    """The proxy has begun to write a request to a backend's connection."""

    backend: str
    time: float
    was_answering: bool  # something of a response had reached the client


@dataclass(slots=True)
class Answer:
    """A whole response as its client read it. `request` is whose it says it is; None for one of the proxy's own."""

    status: int
    request: int | None
    is_sound: bool  # its body is what the backend meant


@dataclass(slots=True)
class Request:
    """One request. Times are those of the loop, in seconds; 0 for what has not happened."""

    id: int
    method: bytes
    sent_at: float = 0.0  # the last byte of it, and not before the one in front of it was over
    ended_at: float = 0.0
    answering: bool = False  # something of the response has come
    is_cut: bool = False  # the connection ended, and no whole response had come
    has_left: bool = False  # its client did not wait
    has_half_closed: bool = False
    answers: list[Answer] = field(default_factory=list)
    sendings: list[Sending] = field(default_factory=list)
    seen_by: list[str] = field(default_factory=list)  # backends that read its head
    most_tries: int = 0

    @property
    def is_over(self) -> bool:
        return bool(self.answers) or self.is_cut or self.has_left


@dataclass(frozen=True, slots=True)
class Broken:
    """A law did not hold. `time` is in seconds since the beginning of the story."""

    law: str
    how: str
    time: float

    def __str__(self) -> str:
        return f"at {self.time:.4f} s: {self.law}: {self.how}"


class Journal:
    """Requests by id; `lines` is the trace when one is kept, `broken` the laws that did not hold, the first first."""

    def __init__(self, clock: Callable[[], float], traced: bool) -> None:
        self.requests: dict[int, Request] = {}
        self.broken: list[Broken] = []
        self.trials = 0  # of half-open circuits
        self.lines: list[str] | None = [] if traced else None
        self._clock = clock

    def open(self, method: bytes) -> Request:
        """A new request."""
        request = Request(len(self.requests) + 1, method)
        self.requests[request.id] = request
        return request

    def note(self, what: str) -> None:
        """One line of the trace."""
        if self.lines is not None:
            self.lines.append(f"{self._clock() - 1000.0:10.4f}  {what}")

    def on_sent(self, backend: str, data: bytes) -> None:
        """The proxy writes to a connection to a backend; a request begins with its id in the path."""
        method, _, rest = data[:40].partition(b" /r/")
        number = rest.partition(b" ")[0]
        if not number.isdigit() or b" " in method:
            return
        request = self.requests[int(number)]
        request.sendings.append(Sending(backend, self._clock(), request.answering))
        if self.lines is not None:
            self.note(f"{method.decode()} {request.id} → {backend}")

    def breaks(self, law: str, how: str) -> None:
        """A law does not hold."""
        broken = Broken(law, how, self._clock() - 1000.0)
        self.note(f"BROKEN {law}: {how}")
        self.broken.append(broken)
