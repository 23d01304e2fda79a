"""The two heads a codec returns, and the numbers that stand for the ways a body can be framed."""

from typing import Final

CHUNKED: Final = -1  # Transfer-Encoding: chunked
UNTIL_CLOSE: Final = -2  # a response that ends with its connection (RFC 9112 section 6.3)


def field_values(raw: bytes, name: bytes) -> list[bytes]:
    """The values of every field line called `name` (lower case) in a validated head, in order, blanks trimmed."""
    values = []
    for line in raw.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            values.append(value.strip(b" \t"))
    return values


class RequestHead:
    """A request head that was found valid, with the head to forward.

    `target` is in origin-form or `*`, `path` is its part before the query, both exactly as sent. `host` is lower case
    without its port, empty for HTTP/1.0 without Host. `body` is the Content-Length in bytes, 0 for none, or CHUNKED.
    `forward` is the whole head to send upstream, its empty line included, and `request_id` the id it carries, empty for
    none. `upgrades` says whether it asks to switch protocols, `takes_trailers` whether the client reads trailers,
    `ends_here` whether Max-Forwards forbids to forward it. `raw` is the head as it came.
    """

    __slots__ = (
        "body",
        "ends_here",
        "expects_continue",
        "forward",
        "host",
        "method",
        "minor",
        "path",
        "persistent",
        "raw",
        "request_id",
        "takes_trailers",
        "target",
        "upgrades",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        path: bytes,
        host: bytes,
        minor: int,
        persistent: bool,
        body: int,
        expects_continue: bool,
        forward: bytes,
        raw: bytes,
        request_id: bytes = b"",
        upgrades: bool = False,
        takes_trailers: bool = False,
        ends_here: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.host = host
        self.minor = minor
        self.persistent = persistent
        self.body = body
        self.expects_continue = expects_continue
        self.forward = forward
        self.raw = raw
        self.request_id = request_id
        self.upgrades = upgrades
        self.takes_trailers = takes_trailers
        self.ends_here = ends_here

    def field_values(self, name: bytes) -> list[bytes]:
        """The values of every field line called `name` (lower case). Walks the head: not for the happy path."""
        return field_values(self.raw, name)

    def __repr__(self) -> str:
        return f"<RequestHead {self.method.decode('latin-1')} {self.path.decode('latin-1')} body={self.body}>"


class ResponseHead:
    """A response head that was found valid, with the head to forward.

    `body` is the length in bytes, 0 for none, CHUNKED or UNTIL_CLOSE, as the backend frames it. `persistent` says
    whether the upstream connection may serve again, `keeps_client` whether the client's may after this response;
    `rechunk` whether the body must go out in chunks of our own. `keep_alive` is how long the backend says it keeps an
    idle connection, in seconds, None when it does not say. `size` is that of the head as it came, in bytes.
    """

    __slots__ = ("body", "forward", "keep_alive", "keeps_client", "persistent", "rechunk", "size", "status")

    def __init__(
        self,
        status: int,
        body: int,
        persistent: bool,
        keeps_client: bool,
        rechunk: bool,
        keep_alive: int | None,
        forward: bytes,
        size: int,
    ) -> None:
        self.status = status
        self.body = body
        self.persistent = persistent
        self.keeps_client = keeps_client
        self.rechunk = rechunk
        self.keep_alive = keep_alive
        self.forward = forward
        self.size = size

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} body={self.body}>"
