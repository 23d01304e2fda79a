"""Response heads, reference codec: backends are read as strictly as clients are.

A bad head becomes 502; nothing of it reaches the client, and its connection is not used again (RFC 9112 section 6.3).
"""

import re
from typing import Final

from proxy.failure import Failure
from proxy.wire import grammar
from proxy.wire.fields import are_valid_fields, first_head
from proxy.wire.head import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]|[6-9][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")

_DROP, _CONNECTION, _LENGTH, _CODING, _KEEP_ALIVE, _UPGRADE, _DATE = range(7)

_ROLES: Final = {
    b"connection": _CONNECTION,
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"keep-alive": _KEEP_ALIVE,
    b"proxy-connection": _DROP,
    b"te": _DROP,
    b"upgrade": _UPGRADE,
    b"date": _DATE,
}
_KEEP_ALIVE_TIMEOUT: Final = re.compile(rb"(?:^|[,\s])timeout\s*=\s*\"?([0-9]{1,6})", re.IGNORECASE)
_END: Final = b"Via: 1.1 seawall\r\n\r\n"


class _Fields:
    """What the field lines of one response say, and the lines that pass on."""

    __slots__ = ("chunked", "connection", "dated", "keep_alive", "kept", "length", "offers")

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.connection: list[bytes] = []
        self.length: int | None = None
        self.chunked = False
        self.dated = False
        self.keep_alive: int | None = None
        self.offers: list[bytes] = []  # of protocols

    def read(self, lines: list[bytes]) -> bool:
        """Sort the field lines; False when they cannot be framed by."""
        keep = self.kept.append
        role_of = _ROLES.get
        for line in lines[1:-2]:
            name = line[: line.find(b":")].lower()
            role = role_of(name)
            if role is None:
                keep(line)
            elif role == _DATE:
                self.dated = True
                keep(line)
            elif not self._take(role, line[len(name) + 1 :].strip(b" \t")):
                return False
        named = named_fields(self.connection)
        if named:
            self.kept = [line for line in self.kept if line[: line.find(b":")].lower() not in named]
        return True

    def _take(self, role: int, value: bytes) -> bool:
        if role == _LENGTH:
            if self.length is not None or not grammar.is_length(value):
                return False
            self.length = int(value)
        elif role == _CODING:
            if self.chunked or value.lower() != b"chunked":
                return False
            self.chunked = True
        elif role == _CONNECTION:
            self.connection += grammar.list_members(value)
        elif role == _UPGRADE:
            self.offers.append(value)
        elif role == _KEEP_ALIVE:
            match = _KEEP_ALIVE_TIMEOUT.search(value)
            self.keep_alive = int(match[1]) if match else None
        return True


def named_fields(options: list[bytes]) -> set[bytes]:
    """The fields that go because Connection names them, of its members in lower case (RFC 9110 section 7.6.1)."""
    return set(options) - {b"close", b"keep-alive"}


def parse_response(data: bytes, request: RequestHead, client_stays: bool, date: bytes) -> ResponseHead | Failure:
    """Read the head at the start of `data`, from its version to its empty line, as the answer to `request`.

    A piece of a head is refused as what it is so far. What is behind the empty line is not looked at.
    `client_stays` says whether the client's connection is to be kept if the framing allows; `date` is the current
    value for a response that has none (RFC 9110 section 6.6.1).
    """
    raw = first_head(data)
    line_end = raw.find(b"\r\n")
    match = _STATUS_LINE.fullmatch(raw, 0, line_end)
    if match is None or not are_valid_fields(raw[line_end:]):
        return Failure.BAD_RESPONSE
    lines = raw.split(b"\r\n")
    fields = _Fields()
    if len(lines) - 3 > grammar.MAX_FIELDS or not fields.read(lines):
        return Failure.BAD_RESPONSE
    is_http11 = match[1] == b"1"
    if fields.chunked and (fields.length is not None or not is_http11):
        return Failure.BAD_RESPONSE
    status = int(match[2])
    if status == 101:
        return _switch(lines[0], request, fields, len(raw))
    if status < 200:
        return _interim(lines[0], status, fields, len(raw))
    body = _body(status, request, fields)
    stays = client_stays and (body >= 0 or request.minor == 1)
    forward = _forward(lines[0], status, fields, request, body, stays, date)
    rechunk = body < 0 and request.minor == 1
    persists = b"close" not in fields.connection if is_http11 else b"keep-alive" in fields.connection
    persists = persists and body != UNTIL_CLOSE
    return ResponseHead(status, body, persists, stays, rechunk, fields.keep_alive, forward, len(raw))


def _interim(status_line: bytes, status: int, fields: _Fields, size: int) -> ResponseHead:
    """A 1xx response: no body, no framing, the final response still to come (RFC 9110 section 15.2)."""
    lines = [b"HTTP/1.1" + status_line[8:], *fields.kept, b"", b""]
    return ResponseHead(status, 0, True, True, False, None, b"\r\n".join(lines), size)


def _switch(status_line: bytes, request: RequestHead, fields: _Fields, size: int) -> ResponseHead | Failure:
    """A 101 to a client that asked: behind it both connections are a tunnel (RFC 9110 sections 7.8 and 15.2.2)."""
    protocols = grammar.protocols_of(fields.offers)
    if not request.upgrades or b"upgrade" not in fields.connection or not protocols:
        return Failure.BAD_RESPONSE
    if any(map(grammar.is_http2, protocols)):
        return Failure.BAD_RESPONSE
    ours = (b"Connection: upgrade", b"Upgrade: " + b", ".join(protocols), _END)
    forward = b"\r\n".join((b"HTTP/1.1" + status_line[8:], *fields.kept, *ours))
    return ResponseHead(101, 0, False, False, False, None, forward, size)


def _body(status: int, request: RequestHead, fields: _Fields) -> int:
    """How the body is framed by the backend, in the order of RFC 9112 section 6.3."""
    if request.method == b"HEAD" or status == 204 or status == 304:
        return 0
    if fields.chunked:
        return CHUNKED
    return UNTIL_CLOSE if fields.length is None else fields.length


def _forward(
    status_line: bytes, status: int, fields: _Fields, request: RequestHead, body: int, stays: bool, date: bytes
) -> bytes:
    lines = [b"HTTP/1.1" + status_line[8:], *fields.kept]
    if fields.length is not None and status != 204:
        lines.append(b"Content-Length: %d" % fields.length)
    elif request.minor == 1 and (body < 0 or (fields.chunked and status != 204)):
        lines.append(b"Transfer-Encoding: chunked")  # for HEAD and 304 what a GET would have had
    if not fields.dated:
        lines.append(b"Date: " + date)
    if not stays:
        lines.append(b"Connection: close")
    elif request.minor == 0:
        lines.append(b"Connection: keep-alive")
    lines.append(_END)
    return b"\r\n".join(lines)
