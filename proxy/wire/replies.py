"""The answers the proxy makes itself: one fixed byte string per failure, built at import.

Nothing a client sent ever stands in them.
"""

from http import HTTPStatus
from typing import Final

from proxy.failure import Failure

_EXTRA: Final = {503: b"Retry-After: 1\r\n", 405: b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE\r\n"}

_TEXT: Final = {
    Failure.NO_ROUTE: "no route leads from this host and path to a service",
    Failure.NO_BACKEND: "no backend of this service is available right now",
    Failure.QUEUE_FULL: "too many requests wait for a backend of this service",
    Failure.REFUSED: "the backend refused the connection",
    Failure.CONNECT_TIMEOUT: "the backend did not accept a connection in time",
    Failure.RESPONSE_TIMEOUT: "the backend did not answer in time",
    Failure.BAD_RESPONSE: "the backend sent something that is not HTTP/1.1",
    Failure.METHOD_REFUSED: "this method is not served here",
    Failure.BODY_TOO_LARGE: "the body is larger than this service takes",
    Failure.TOO_MANY_CONNECTIONS: "too many connections are open",
}


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request"  # 499, nginx's word; never sent, only logged


class Reply:
    """The reply to one failure: its head without Date and Connection, and its body."""

    __slots__ = ("body", "head")

    def __init__(self, failure: Failure) -> None:
        text = _TEXT.get(failure, failure.label.replace("-", " "))
        self.body = f"{failure.status} {_reason(failure.status)}: {text}\n".encode("ascii")
        self.head = b"".join(
            (
                f"HTTP/1.1 {failure.status} {_reason(failure.status)}\r\n".encode("ascii"),
                b"Server: seawall\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n",
                f"X-Seawall-Failure: {failure.label}\r\n".encode("ascii"),
                _EXTRA.get(failure.status, b""),
                b"Content-Length: %d\r\n" % len(self.body),
            )
        )


_REPLIES: Final = {failure: Reply(failure) for failure in Failure}


_ALLOWED: Final = (
    b"HTTP/1.1 200 OK\r\nServer: seawall\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
    b"Content-Length: 0\r\n"
)


def options_reply(date: bytes, minor: int, stays: bool) -> bytes:
    """The whole response to an OPTIONS whose Max-Forwards ends here (RFC 9110 section 7.6.2)."""
    return b"".join((_ALLOWED, b"Date: ", date, b"\r\n", _connection(minor, stays), b"\r\n"))


def reply(failure: Failure, date: bytes, minor: int, stays: bool, head_only: bool) -> bytes:
    """The whole response for a failure; `minor` is the client's HTTP/1.x version, `stays` keeps its connection."""
    made = _REPLIES[failure]
    body = b"" if head_only else made.body
    return b"".join((made.head, b"Date: ", date, b"\r\n", _connection(minor, stays), b"\r\n", body))


def _connection(minor: int, stays: bool) -> bytes:
    """The Connection field, where what it says is not the version's own rule (RFC 9112 section 9.3)."""
    if not stays:
        return b"Connection: close\r\n"
    return b"" if minor == 1 else b"Connection: keep-alive\r\n"
