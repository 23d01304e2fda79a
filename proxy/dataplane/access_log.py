"""One line a request, collected and written a few times a second, never on the request path.

A line is one format of bytes. As a dict by way of json.dumps it cost 7.0 µs, more than all else that our own code does
for a request; so it costs 1.5 (benchmarks/access_log_cost.py).
"""

import json
import os
import stat
import time
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from proxy.failure import Failure
from proxy.wire.head import RequestHead

if TYPE_CHECKING:
    from proxy.dataplane.exchange import Exchange

MAX_LINES: Final = 20_000  # held between two writes; more are dropped and counted


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


class AccessLog:
    """Lines to a file descriptor that may be slow: what it does not take is kept, and dropped when it is too much."""

    __slots__ = ("_is_json", "_lines", "_output", "_second", "_stamp", "_unwritten", "dropped")

    def __init__(self, form: AccessLogFormat, output: int = 1) -> None:
        self._is_json = form is AccessLogFormat.JSON
        self._output = output
        self._lines: list[bytes] = []
        self._unwritten = b""
        self._second = -1  # since the epoch, the one `_stamp` stands for
        self._stamp = b""
        self.dropped = 0
        if not stat.S_ISCHR(os.fstat(output).st_mode):  # a terminal's descriptor is shared with the shell
            os.set_blocking(output, False)

    def record(self, exchange: "Exchange", seconds: float, failure: Failure | None) -> None:
        """An exchange has ended."""
        if self._is_full():
            return
        now = time.time()
        client, head = exchange.downstream.client, exchange.head
        if not self._is_json:
            self._lines.append(_combined(client, self._stamp_at(now), head, exchange.status, exchange.response_bytes))
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

    def record_refused(self, client: bytes, failure: Failure, head: RequestHead | None) -> None:
        """A request was refused before it reached a service."""
        if self._is_full():
            return
        now = time.time()
        stamp = self._stamp_at(now)
        if not self._is_json:
            self._lines.append(_combined(client, stamp, head, failure.status, 0))
            return
        (address,) = _escaped(client)
        request = _JSON_REQUEST % _escaped(head.method, head.host, head.path) if head is not None else _JSON_NO_REQUEST
        milliseconds = int(now % 1.0 * 1000)
        self._lines.append(
            _JSON_REFUSED % (stamp, milliseconds, address, request, failure.status, _name(failure.label))
        )

    def flush(self) -> None:
        """Write what was collected, as much as the output takes now."""
        if self._lines:
            self._unwritten += b"".join(self._lines)
            self._lines.clear()
        if not self._unwritten:
            return
        try:
            written = os.write(self._output, self._unwritten)
        except BlockingIOError:
            return
        except OSError:  # the reader is gone: nobody will ever read this
            self.dropped += self._unwritten.count(b"\n")
            written = len(self._unwritten)
        self._unwritten = self._unwritten[written:]

    def _is_full(self) -> bool:
        """Whether a line more would be too much; it is counted as dropped."""
        if len(self._lines) < MAX_LINES and len(self._unwritten) <= MAX_LINES * 256:
            return False
        self.dropped += 1
        return True

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
    request, referer, agent = "-", "-", "-"
    if head is not None:
        request = f"{_text(head.method)} {_text(head.target)} HTTP/1.{head.minor}"
        referer = _text(b", ".join(head.field_values(b"referer"))) or "-"
        agent = _text(b", ".join(head.field_values(b"user-agent"))) or "-"
    quoted = (part.replace('"', '\\"').encode("ascii") for part in (request, referer, agent))
    return _COMBINED % (_text(client).encode("ascii"), stamp, next(quoted), status, size, *quoted)
