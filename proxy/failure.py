"""What can go wrong on a request: one enum whose columns every reader shares.

The reply reads `status`, health reads `blame`, retry reads `sent`, metrics and logs read `label`. A new way to fail is
a new row here and nowhere else.
"""

from enum import Enum


class Blame(Enum):
    """Whose health or record suffers from a failure."""

    BACKEND = "backend"
    CLIENT = "client"
    NOBODY = "nobody"


class Sent(Enum):
    """How much of the request the backend can have seen; decides whether a repeat is safe (RFC 9110 section 9.2.2)."""

    NOTHING = "nothing"
    STALE = "stale"  # written to an idle connection that turned out to be closed already
    UNANSWERED = "unanswered"  # written, and nothing of a response came back
    ANSWERED = "answered"  # a response had begun, or the request itself is at fault


class Failure(Enum):
    """One member per way to fail: label, status sent to the client, blame, sent."""

    # connecting to a backend
    REFUSED = ("refused", 502, Blame.BACKEND, Sent.NOTHING)
    UNREACHABLE = ("unreachable", 502, Blame.BACKEND, Sent.NOTHING)
    CONNECT_TIMEOUT = ("connect-timeout", 504, Blame.BACKEND, Sent.NOTHING)
    TLS = ("tls", 502, Blame.BACKEND, Sent.NOTHING)
    NO_DESCRIPTORS = ("no-descriptors", 503, Blame.NOBODY, Sent.NOTHING)
    # after the request was written
    STALE = ("stale", 502, Blame.NOBODY, Sent.STALE)
    RESET = ("reset", 502, Blame.BACKEND, Sent.UNANSWERED)
    CLOSED = ("closed", 502, Blame.BACKEND, Sent.UNANSWERED)
    TRY_TIMEOUT = ("try-timeout", 504, Blame.BACKEND, Sent.UNANSWERED)
    BACKEND_DOWN = ("backend-down", 502, Blame.NOBODY, Sent.UNANSWERED)
    BAD_STATUS = ("bad-status", 502, Blame.NOBODY, Sent.ANSWERED)
    RESPONSE_TIMEOUT = ("response-timeout", 504, Blame.BACKEND, Sent.ANSWERED)
    BAD_RESPONSE = ("bad-response", 502, Blame.BACKEND, Sent.ANSWERED)
    TRUNCATED = ("truncated", 502, Blame.BACKEND, Sent.ANSWERED)
    IDLE_TIMEOUT = ("idle-timeout", 504, Blame.BACKEND, Sent.ANSWERED)
    # choosing a backend
    NO_ROUTE = ("no-route", 404, Blame.NOBODY, Sent.NOTHING)
    NO_BACKEND = ("no-backend", 503, Blame.NOBODY, Sent.NOTHING)
    QUEUE_FULL = ("queue-full", 503, Blame.NOBODY, Sent.NOTHING)
    WITHDRAWN = ("withdrawn", 502, Blame.NOBODY, Sent.NOTHING)
    # the client
    CLIENT_GONE = ("client-gone", 499, Blame.CLIENT, Sent.ANSWERED)
    CLIENT_SLOW = ("client-slow", 408, Blame.CLIENT, Sent.ANSWERED)
    HEAD_TIMEOUT = ("head-timeout", 408, Blame.CLIENT, Sent.NOTHING)
    HEAD_TOO_LARGE = ("head-too-large", 431, Blame.CLIENT, Sent.NOTHING)
    TOO_MANY_FIELDS = ("too-many-fields", 431, Blame.CLIENT, Sent.NOTHING)
    TARGET_TOO_LONG = ("target-too-long", 414, Blame.CLIENT, Sent.NOTHING)
    BAD_REQUEST_LINE = ("bad-request-line", 400, Blame.CLIENT, Sent.NOTHING)
    BAD_VERSION = ("bad-version", 505, Blame.CLIENT, Sent.NOTHING)
    BAD_FIELD = ("bad-field", 400, Blame.CLIENT, Sent.NOTHING)
    BAD_TARGET = ("bad-target", 400, Blame.CLIENT, Sent.NOTHING)
    BAD_HOST = ("bad-host", 400, Blame.CLIENT, Sent.NOTHING)
    BAD_FRAMING = ("bad-framing", 400, Blame.CLIENT, Sent.NOTHING)
    BAD_BODY = ("bad-body", 400, Blame.CLIENT, Sent.ANSWERED)
    BODY_TOO_LARGE = ("body-too-large", 413, Blame.CLIENT, Sent.ANSWERED)
    UNKNOWN_CODING = ("unknown-coding", 501, Blame.CLIENT, Sent.NOTHING)
    UNKNOWN_EXPECTATION = ("unknown-expectation", 417, Blame.CLIENT, Sent.NOTHING)
    METHOD_REFUSED = ("method-refused", 405, Blame.CLIENT, Sent.NOTHING)
    BAD_PROXY_HEADER = ("bad-proxy-header", 400, Blame.CLIENT, Sent.NOTHING)
    TUNNEL_IDLE = ("tunnel-idle", 504, Blame.NOBODY, Sent.ANSWERED)
    # the proxy itself
    TOO_MANY_CONNECTIONS = ("too-many-connections", 503, Blame.NOBODY, Sent.NOTHING)

    def __init__(self, label: str, status: int, blame: Blame, sent: Sent) -> None:
        self.label = label
        self.status = status
        self.blame = blame
        self.sent = sent

    def __repr__(self) -> str:
        return f"<Failure {self.label}>"
