"""One line a request, collected and written a few times a second, never on the request path."""

import json
import os
import stat
import time
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from proxy.failure import Failure
from proxy.wire.head import RequestHead

if TYPE_CHECKING:
    from proxy.dataplane.exchange import Exchange

MAX_LINES: Final = 20_000  # held between two writes; more are dropped and counted


class AccessLogFormat(Enum):
    """What a line looks like."""

    JSON = "json"
    COMBINED = "combined"  # Apache's


class AccessLog:
    """Lines to a file descriptor that may be slow: what it does not take is kept, and dropped when it is too much."""

    __slots__ = ("_format", "_lines", "_output", "_unwritten", "dropped")

    def __init__(self, form: AccessLogFormat, output: int = 1) -> None:
        self._format = form
        self._output = output
        self._lines: list[bytes] = []
        self._unwritten = b""
        self.dropped = 0
        if not stat.S_ISCHR(os.fstat(output).st_mode):  # a terminal's descriptor is shared with the shell
            os.set_blocking(output, False)

    def record(self, exchange: "Exchange", seconds: float, failure: Failure | None) -> None:
        """An exchange has ended."""
        entry = {
            **_request_fields(exchange.downstream.client, exchange.head),
            "status": exchange.status,
            "request_bytes": exchange.request_bytes,
            "response_bytes": exchange.response_bytes,
            "duration_ms": round(seconds * 1000, 3),
            "queue_ms": round(exchange.queued * 1000, 3),
            "request_id": _text(exchange.head.request_id),
            "service": exchange.service.spec.name,
            "backend": exchange.served_by,
            "attempts": [_attempt(*attempt) for attempt in exchange.attempts],
            "failure": failure.label if failure is not None else None,
        }
        self._add(entry, exchange.head)

    def record_refused(self, client: bytes, failure: Failure, head: RequestHead | None) -> None:
        """A request was refused before it reached a service."""
        entry = {**_request_fields(client, head), "status": failure.status, "failure": failure.label}
        self._add(entry, head)

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

    def _add(self, entry: dict[str, Any], head: RequestHead | None) -> None:
        if len(self._lines) >= MAX_LINES or len(self._unwritten) > MAX_LINES * 256:
            self.dropped += 1
            return
        line = json.dumps(entry) if self._format is AccessLogFormat.JSON else _combined(entry, head)
        self._lines.append(line.encode("utf-8", "replace") + b"\n")


def _text(value: bytes) -> str:
    """Bytes of a client as text in which every control and 8-bit byte is escaped."""
    return value.decode("latin-1").encode("unicode_escape").decode("ascii")


def _attempt(backend: str, outcome: Failure | int, seconds: float) -> dict[str, Any]:
    what = {"status": outcome} if isinstance(outcome, int) else {"failure": outcome.label}
    return {"backend": backend, **what, "ms": round(seconds * 1000, 3)}


def _request_fields(client: bytes, head: RequestHead | None) -> dict[str, Any]:
    now = datetime.fromtimestamp(time.time(), UTC)
    return {
        "time": now.isoformat(timespec="milliseconds"),
        "client": _text(client),
        "method": _text(head.method) if head else None,
        "host": _text(head.host) if head else None,
        "path": _text(head.path) if head else None,
    }


def _combined(entry: dict[str, Any], head: RequestHead | None) -> str:
    """Apache's combined format. Quotes of the client's are escaped, so that a line has the fields it seems to have."""
    when = datetime.fromisoformat(entry["time"]).strftime("%d/%b/%Y:%H:%M:%S %z")
    request, referer, agent = "-", "-", "-"
    if head is not None:
        request = f"{_text(head.method)} {_text(head.target)} HTTP/1.{head.minor}"
        referer = _text(b", ".join(head.field_values(b"referer"))) or "-"
        agent = _text(b", ".join(head.field_values(b"user-agent"))) or "-"
    quoted = [f'"{part}"' for part in (text.replace('"', '\\"') for text in (request, referer, agent))]
    size = entry.get("response_bytes", 0)
    return f"{entry['client']} - - [{when}] {quoted[0]} {entry['status']} {size} {quoted[1]} {quoted[2]}"
