"""One line a request, collected and written a few times a second, never on the request path.

A line is one format of bytes. As a dict by way of json.dumps it cost 7.0 µs, more than all else that our own code does
for a request; so it costs 1.5 (benchmarks/access_log_cost.py).
"""

import asyncio
import json
import os
import random
import select
import stat
import time
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from proxy.failure import Failure
from proxy.wire.head import RequestHead

if TYPE_CHECKING:
    from proxy.dataplane.exchange import Exchange

MAX_HELD: Final = 8 * 1024 * 1024  # bytes held between two writes; lines beyond are dropped and counted
LAST_LINES: Final = 0.5  # seconds in which a reader may still take what is left at the end


class AccessLogFormat(Enum):
    """What a line looks like."""

    JSON = "json"
    COMBINED = "combined"  # Apache's


_PLAIN: Final = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')  # stand for themselves in JSON
_JSON: Final = (
    b'{"time": "%b.%03d+00:00", "client": "%b", "method": "%b", "host": "%b", "path": "%b", "status": %d, '
    b'"request_bytes": %d, "response_bytes": %d, "duration_ms": %.3f, "queue_ms": %.3f, '
    b'"request_id": "%b", "service": %b, "backend": %b, "attempts": [%b], "failure": %b}\n'
)
_JSON_REFUSED: Final = b'{"time": "%b.%03d+00:00", "client": "%b", %b, "status": %d, "failure": %b}\n'
_JSON_REQUEST: Final = b'"method": "%b", "host": "%b", "path": "%b"'
_JSON_NO_REQUEST: Final = b'"method": null, "host": null, "path": null'
_JSON_ATTEMPT: Final = b'{"backend": %b, %b, "ms": %.3f}'
_COMBINED: Final = b'%b - - [%b +0000] "%b" %d %d "%b" "%b"\n'
_REFERER: Final = b"\r\nreferer:"
_AGENT: Final = b"\r\nuser-agent:"


class AccessLog:
    """Lines to a file descriptor that may be slow: what it does not take is kept, and dropped when it is too much.

    Of the requests that went well the first time only a `share` by chance gets a line; all others do. `has_company`:
    other processes write to the same output, so a write must be one that a pipe takes whole, of whole lines.
    """

    __slots__ = (
        "_chance",
        "_has_company",
        "_held",
        "_is_json",
        "_lines",
        "_output",
        "_second",
        "_share",
        "_stamp",
        "_unwritten",
        "_watching",
        "dropped",
    )

    def __init__(
        self,
        form: AccessLogFormat,
        output: int = 1,
        share: float = 1.0,
        chance: random.Random | None = None,
        has_company: bool = False,
    ) -> None:
        self._has_company = has_company
        self._is_json = form is AccessLogFormat.JSON
        self._output = output
        self._share = share
        self._chance = chance or random.Random()
        self._lines: list[bytes] = []
        self._unwritten = memoryview(b"")  # before `_lines`
        self._held = 0  # bytes of both
        self._watching: asyncio.AbstractEventLoop | None = None  # for the output to take more
        self._second = -1  # since the epoch, the one `_stamp` stands for
        self._stamp = b""
        self.dropped = 0
        if not stat.S_ISCHR(os.fstat(output).st_mode):  # a terminal's descriptor is shared with the shell
            os.set_blocking(output, False)

    def record(self, exchange: "Exchange", seconds: float, failure: Failure | None) -> None:
        """An exchange has ended."""
        if self._share < 1.0 and not exchange.attempts and self._is_left_out(exchange.status, failure):
            return
        if self._is_full():
            return
        now = time.time()
        client, head = exchange.downstream.client, exchange.head
        if not self._is_json:
            self._add(_combined(client, self._stamp_at(now), head, exchange.status, exchange.response_bytes))
            return
        client, method, host, path, number = _escaped(client, head.method, head.host, head.path, head.request_id)
        line = _JSON % (
            self._stamp_at(now),
            int(now % 1.0 * 1000),
            client,
            method,
            host,
            path,
            exchange.status,
            exchange.request_bytes,
            exchange.response_bytes,
            seconds * 1000,
            exchange.queued * 1000,
            number,
            _name(exchange.service.spec.name),
            _name(exchange.served_by),
            _attempts(exchange.attempts) if exchange.attempts else b"",
            _name(failure.label) if failure is not None else b"null",
        )
        self._lines.append(line)
        self._held += len(line)

    def record_refused(self, client: bytes, failure: Failure, head: RequestHead | None) -> None:
        """A request was refused before it reached a service."""
        if (self._share < 1.0 and self._is_left_out(failure.status, failure)) or self._is_full():
            return
        now = time.time()
        stamp = self._stamp_at(now)
        if not self._is_json:
            self._add(_combined(client, stamp, head, failure.status, 0))
            return
        (address,) = _escaped(client)
        request = _JSON_REQUEST % _escaped(head.method, head.host, head.path) if head is not None else _JSON_NO_REQUEST
        milliseconds = int(now % 1.0 * 1000)
        self._add(_JSON_REFUSED % (stamp, milliseconds, address, request, failure.status, _name(failure.label)))

    def flush(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Write what was collected, as much as the output takes now; the rest, with a `loop`, when it takes more.

        A pipe takes 64 KiB: without the loop that would be all of a quarter of a second, 1000 requests/s.
        """
        while self._write():
            pass
        if loop is not None and self._held and self._watching is None:
            loop.add_writer(self._output, self.flush)
            self._watching = loop
        elif self._watching is not None and not self._held:
            self._unwatch()

    def close(self) -> None:
        """Write what is left, for a moment also to a reader that is slow. Blocks: nothing else may be under way."""
        self._unwatch()
        until = time.monotonic() + LAST_LINES
        output = select.poll()
        output.register(self._output, select.POLLOUT)
        self.flush()
        while self._held and (left := until - time.monotonic()) > 0:
            output.poll(left * 1000)
            self.flush()

    def _unwatch(self) -> None:
        if self._watching is not None:
            self._watching.remove_writer(self._output)
            self._watching = None

    def _write(self) -> bool:
        """Write once; whether there is more, and the output takes more."""
        if not self._unwritten:
            if not self._lines:
                return False
            self._unwritten = memoryview(b"".join(self._lines))
            self._lines.clear()
        try:
            written = os.write(self._output, self._next_piece())
        except BlockingIOError:
            return False
        except OSError:  # the reader is gone: nobody will ever read this
            self.dropped += bytes(self._unwritten).count(b"\n")
            written = len(self._unwritten)
        self._unwritten = self._unwritten[written:]
        self._held -= written
        return True

    def _next_piece(self) -> memoryview:
        """What to write at once: everything, or what nobody else's lines can get into (PIPE_BUF, pipe(7))."""
        waiting = self._unwritten
        if not self._has_company or len(waiting) <= select.PIPE_BUF:
            return waiting
        end = bytes(waiting[: select.PIPE_BUF]).rfind(b"\n") + 1
        return waiting[: end or select.PIPE_BUF]  # a line that is longer is not safe from others

    def _add(self, line: bytes) -> None:
        self._lines.append(line)
        self._held += len(line)

    def _is_full(self) -> bool:
        """Whether a line more would be too much; it is counted as dropped."""
        if self._held <= MAX_HELD:
            return False
        self.dropped += 1
        return True

    def _is_left_out(self, status: int, failure: Failure | None) -> bool:
        """Whether a request goes without a line; one that failed for our or a backend's fault never does."""
        if status >= 500 or (failure is not None and failure.status >= 500):
            return False
        return self._chance.random() >= self._share

    def _stamp_at(self, now: float) -> bytes:
        """The second of `now`, seconds since the epoch, as the format has it; made once a second."""
        second = int(now)
        if second != self._second:
            self._second = second
            form = "%Y-%m-%dT%H:%M:%S" if self._is_json else "%d/%b/%Y:%H:%M:%S"
            self._stamp = time.strftime(form, time.gmtime(second)).encode("ascii")
        return self._stamp


def _text(value: bytes) -> str:
    """Bytes of a client as text in which every control and 8-bit byte is escaped."""
    return value.decode("latin-1").encode("unicode_escape").decode("ascii")


def _escaped(*values: bytes) -> tuple[bytes, ...]:
    """Bytes of a client as they stand between the quotation marks of JSON."""
    if not b"".join(values).translate(None, _PLAIN):
        return values
    return tuple(json.dumps(_text(value))[1:-1].encode("ascii") for value in values)


@lru_cache(maxsize=4096)
def _name(name: str | None) -> bytes:
    """A name of the operator's or ours as a string of JSON; there are few, and always the same."""
    return json.dumps(name).encode("ascii")


def _attempts(attempts: tuple[tuple[str, Failure | int, float], ...]) -> bytes:
    """Attempts that were not the last, (backend, failure or status, seconds) of each, as members of a JSON array."""
    return b", ".join(
        _JSON_ATTEMPT % (_name(backend), _outcome(outcome), seconds * 1000) for backend, outcome, seconds in attempts
    )


def _outcome(outcome: Failure | int) -> bytes:
    return b'"status": %d' % outcome if isinstance(outcome, int) else b'"failure": ' + _name(outcome.label)


def _combined(client: bytes, stamp: bytes, head: RequestHead | None, status: int, size: int) -> bytes:
    """Apache's combined format. Quotes of the client's are escaped, so that a line has the fields it seems to have."""
    request, referer, agent = b"-", b"-", b"-"
    if head is not None:
        request = b"%b %b HTTP/1.%d" % (head.method, head.target, head.minor)
        names = head.raw.lower()
        referer = _field(head, names, _REFERER) or b"-"
        agent = _field(head, names, _AGENT) or b"-"
    client, request, referer, agent = _quoted(client, request, referer, agent)
    return _COMBINED % (client, stamp, request, status, size, referer, agent)


def _quoted(*values: bytes) -> tuple[bytes, ...]:
    """Bytes of a client as they stand between the quotation marks of Apache's format."""
    if not b"".join(values).translate(None, _PLAIN):
        return values
    return tuple(_text(value).replace('"', '\\"').encode("ascii") for value in values)


def _field(head: RequestHead, names: bytes, mark: bytes) -> bytes:
    """The value of the field that `mark` begins, of several lines all of them; `names` is the head in lower case."""
    at = names.find(mark)
    if at < 0:
        return b""
    begin, end = at + len(mark), names.find(b"\r\n", at + 2)
    if names.find(mark, end) >= 0:
        return b", ".join(head.field_values(mark[2:-1]))
    return head.raw[begin:end].strip(b" \t")
