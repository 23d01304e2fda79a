"""What a probe asks of one backend, and which answer passes: built once per backend, not per probe."""

import re
from dataclasses import dataclass
from typing import Final

from proxy.spec.service import BackendSpec, HealthSpec
from proxy.wire.head import RequestHead

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_BODILESS: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "DELETE"))
_OURS: Final = frozenset(("connection", "content-length", "transfer-encoding"))  # the framing is not for configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Where to connect, and what to send. `request` None: a TCP connect is all.

    `status` are inclusive ranges; `body` must be found in the first 64 KiB of the answer when it is given.
    """

    host: str
    port: int
    tls: bool = False
    request: RequestHead | None = None
    status: tuple[tuple[int, int], ...] = ()
    body: re.Pattern[str] | None = None

    def objection_to_status(self, status: int) -> str:
        """What is wrong with this status; empty when nothing is."""
        if any(low <= status <= high for low, high in self.status):
            return ""
        return f"status {status}, expected {_in_words(self.status)}"

    def objection_to_body(self, content: bytes) -> str:
        """What is wrong with this body; empty when nothing is."""
        if self.body is None or self.body.search(content.decode("utf-8", "replace")):
            return ""
        return f"body does not match {self.body.pattern!r}"


def question_of(backend: BackendSpec, health: HealthSpec) -> Question:
    """The question for a backend by the settings of its service."""
    host, port = backend.key.host, health.port or backend.key.port
    if health.path is None:
        return Question(host=host, port=port)
    return Question(
        host=host,
        port=port,
        tls=backend.scheme == "https",
        request=_request(_authority(backend.scheme, host, port), health.path, health),
        status=health.status,
        body=re.compile(health.body) if health.body else None,
    )


def _request(authority: str, path: str, health: HealthSpec) -> RequestHead:
    fields = {"host": health.host or authority, "user-agent": "seawall-probe", "accept": "*/*"}
    fields |= {name.lower(): value for name, value in health.headers if name.lower() not in _OURS}
    fields["connection"] = "close"
    if health.method not in _BODILESS:
        fields["content-length"] = "0"  # RFC 9110 section 8.6: methods that usually have a body say that there is none
    lines = [f"{health.method} {path} HTTP/1.1"]
    lines += [f"{name.title()}: {value}" for name, value in fields.items()]
    raw = "\r\n".join((*lines, "", "")).encode("latin-1", "replace")
    method, target = health.method.encode("ascii"), path.encode("ascii")
    return RequestHead(method, target, target, b"", 1, False, 0, False, raw, raw)


def _authority(scheme: str, host: str, port: int) -> str:
    """The address as a Host field has it (RFC 9110 section 7.2)."""
    host = f"[{host}]" if ":" in host else host
    return host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"


def _in_words(ranges: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
