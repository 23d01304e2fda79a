"""Which backend a client is kept at, by a cookie that names it to nobody but us."""

from collections.abc import Iterable

from proxy.fleet.backend import Backend
from proxy.wire import sticky
from proxy.wire.head import RequestHead, field_values


class Stickiness:
    """Of one service. `cookie` is the cookie's name. Tokens are worked out once per change, not per request."""

    __slots__ = ("_by_token", "_secret", "_tokens", "cookie")

    def __init__(self, cookie: str, secret: bytes) -> None:
        self.cookie = cookie.encode("ascii")
        self._secret = secret
        self._by_token: dict[bytes, Backend] = {}
        self._tokens: dict[Backend, bytes] = {}

    def gather(self, backends: Iterable[Backend]) -> None:
        """Know these backends."""
        known = self._tokens
        self._tokens = {backend: known.get(backend) or sticky.token(backend.key, self._secret) for backend in backends}
        self._by_token = {token: backend for backend, token in self._tokens.items()}

    def wanted(self, head: RequestHead) -> Backend | None:
        """The backend that the client of this request is kept at; None when it has none, or none of ours."""
        token = sticky.read(head, self.cookie)
        return None if token is None else self._by_token.get(token)

    def cookie_for(self, head: RequestHead, backend: Backend) -> bytes:
        """The Set-Cookie line that keeps the client at `backend` from now on; empty when it is kept there already.

        `Secure` where the client is known to speak https.
        """
        token = self._tokens.get(backend)
        if token is None or sticky.read(head, self.cookie) == token:
            return b""
        secure = field_values(head.forward, b"x-forwarded-proto")[-1:] == [b"https"]
        return sticky.set_cookie(self.cookie, token, secure)
