"""Request heads, reference codec: check a head strictly and write the one to forward.

Law: parse once, strictly, and write what was parsed. Whatever two parsers could read differently is refused; nothing
of a refused request is forwarded (RFC 9112 sections 3 and 6, RFC 9110 section 7.6).
"""

from typing import Final

from proxy.failure import Failure
from proxy.wire import grammar
from proxy.wire.fields import are_valid_fields, first_head
from proxy.wire.head import CHUNKED, RequestHead
from proxy.wire.peer import Peer

# What becomes of a field line. Lines without an entry are end-to-end and pass as they came.
_DROP, _HOST, _CONNECTION, _LENGTH, _CODING, _EXPECT, _TE, _UPGRADE, _HOPS, _REQUEST_ID, _FORWARDED, _CLAIM = range(12)

_ROLES: Final = {
    b"host": _HOST,
    b"connection": _CONNECTION,
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"expect": _EXPECT,
    b"keep-alive": _DROP,
    b"proxy-connection": _DROP,
    b"te": _TE,
    b"upgrade": _UPGRADE,
    b"max-forwards": _HOPS,
    b"x-request-id": _REQUEST_ID,
    b"forwarded": _FORWARDED,
    b"x-real-ip": _CLAIM,
}
_CLAIM_PREFIX: Final = b"x-forwarded-"

# A client cannot have these removed by naming them in Connection (CVE-2022-31813).
_PROTECTED: Final = frozenset((b"authorization", b"cookie", b"via", *_ROLES))

_FORWARDED_FOR: Final = b"x-forwarded-for"
_FORWARDED_HOST: Final = b"x-forwarded-host"
_FORWARDED_PROTO: Final = b"x-forwarded-proto"


def parse_request(data: bytes, peer: Peer, number: int) -> RequestHead | Failure:
    """Read the head at the start of `data`, from its method to its empty line, as sent by `peer`.

    A piece of a head is refused as what it is so far. What is behind the empty line is not looked at. `number` tells
    this request from all others of the process, from 0 to 2^64 - 1; its id ends with it.
    """
    raw = first_head(data)
    line_end = raw.find(b"\r\n")
    if line_end < 0:
        return Failure.BAD_REQUEST_LINE
    parts = raw[:line_end].split(b" ")
    if len(parts) != 3:
        return Failure.BAD_REQUEST_LINE
    method, target, version = parts
    if version != b"HTTP/1.1" and version != b"HTTP/1.0":
        return Failure.BAD_VERSION if version[:5] == b"HTTP/" else Failure.BAD_REQUEST_LINE
    if grammar.TOKEN.fullmatch(method) is None:
        return Failure.BAD_REQUEST_LINE
    if len(target) > peer.max_target:
        return Failure.TARGET_TOO_LONG
    if method == b"CONNECT":
        return Failure.METHOD_REFUSED
    if not are_valid_fields(raw[line_end:]):
        return Failure.BAD_FIELD
    lines = raw.split(b"\r\n")
    if len(lines) - 3 > peer.max_fields:
        return Failure.TOO_MANY_FIELDS
    fields = _Fields(method, version == b"HTTP/1.1", peer)
    failure = fields.read(lines)
    if failure is not None:
        return failure
    return _finish(raw, method, target, fields, peer, number)


class _Fields:
    """What the field lines of one request say, and the lines that pass on."""

    __slots__ = (
        "adds_forwarded", "chunked", "claims", "connection", "counts_hops", "expects", "forwarded", "hops", "hosts",
        "is_http11", "kept", "length", "offers", "request_ids", "takes_trailers", "trusted",
    )  # fmt: skip

    def __init__(self, method: bytes, is_http11: bool, peer: Peer) -> None:
        self.counts_hops = method in (b"OPTIONS", b"TRACE")  # RFC 9110 section 7.6.2
        self.is_http11 = is_http11
        self.trusted = peer.trusted
        self.adds_forwarded = bool(peer.node)
        self.kept: list[bytes] = []
        self.hosts: list[bytes] = []
        self.connection: list[bytes] = []
        self.claims: list[tuple[bytes, bytes]] = []  # of trusted peers only
        self.forwarded: list[bytes] = []  # likewise
        self.request_ids: list[bytes] = []
        self.length = b""
        self.chunked = False
        self.expects = False
        self.offers: list[bytes] = []  # of protocols
        self.takes_trailers = False
        self.hops: int | None = None

    @property
    def protocols(self) -> list[bytes]:
        """What the client may be switched to, as it spells them; HTTP/2 is never offered on."""
        if not self.offers or not self.is_http11 or b"upgrade" not in self.connection:
            return []
        return [protocol for protocol in grammar.protocols_of(self.offers) if not grammar.is_http2(protocol)]

    def read(self, lines: list[bytes]) -> Failure | None:
        """Sort the field lines of a head split at its line ends: start line first, two empty strings last."""
        keep = self.kept.append
        role_of = _ROLES.get
        for line in lines[1:-2]:
            name = line[: line.find(b":")].lower()
            role = role_of(name)
            if role is None:
                if name[:12] == _CLAIM_PREFIX:
                    self._claim(name, line)
                elif b"_" not in name or not self._is_twin(name):
                    keep(line)
                continue
            failure = self._take(role, name, line)
            if failure is not None:
                return failure
        if self.connection:
            self._drop_named()
        return None

    def _take(self, role: int, name: bytes, line: bytes) -> Failure | None:
        value = line[len(name) + 1 :].strip(b" \t")
        if role == _HOST:
            self.hosts.append(value)
        elif role == _CONNECTION:
            self.connection += grammar.list_members(value)
        elif role == _LENGTH:
            if self.length or not grammar.is_length(value):
                return Failure.BAD_FRAMING
            self.length = value
        elif role == _CODING:
            return self._take_coding(value)
        elif role == _EXPECT:
            if value.lower() != b"100-continue":
                return Failure.UNKNOWN_EXPECTATION
            self.expects = self.is_http11
        elif role == _TE:
            self.takes_trailers |= self.is_http11 and _is_trailers_in(value)
        elif role == _UPGRADE:
            self.offers.append(value)
        elif role == _HOPS:
            return self._take_hops(value, line)
        elif role == _REQUEST_ID:
            if self.trusted:
                self.request_ids.append(value)
        elif role == _FORWARDED and self.adds_forwarded:
            self._claim_forwarded(value)
        elif role != _DROP:
            self._claim(name, line)
        return None

    def _take_coding(self, value: bytes) -> Failure | None:
        if self.chunked:
            return Failure.BAD_FRAMING
        if value.lower() == b"chunked":
            self.chunked = True
            return None
        members = grammar.list_members(value)
        if not members or b"chunked" in members or b"identity" in members:
            return Failure.BAD_FRAMING
        return Failure.UNKNOWN_CODING

    def _take_hops(self, value: bytes, line: bytes) -> Failure | None:
        if not self.counts_hops:
            self.kept.append(line)
            return None
        if self.hops is not None:
            return Failure.BAD_FIELD
        self.hops = grammar.hops_of(value)
        return Failure.BAD_FIELD if self.hops is None else None

    def _claim(self, name: bytes, line: bytes) -> None:
        """A field that says where a request comes from counts only from a trusted peer."""
        if not self.trusted:
            return
        if name in (_FORWARDED_FOR, _FORWARDED_PROTO, _FORWARDED_HOST):
            self.claims.append((name, line[len(name) + 1 :].strip(b" \t")))
        else:
            self.kept.append(line)

    def _claim_forwarded(self, value: bytes) -> None:
        """What a trusted peer says in Forwarded, unless ours would end up in its quotation marks."""
        if self.trusted and value and grammar.CLOSED_QUOTES.fullmatch(value):
            self.forwarded.append(value)

    def _is_twin(self, name: bytes) -> bool:
        """Whether an untrusted `X_Forwarded_For` poses as the field that CGI-like backends read it as."""
        dashed = name.replace(b"_", b"-")
        return not self.trusted and (dashed in _ROLES or dashed[:12] == _CLAIM_PREFIX)

    def _drop_named(self) -> None:
        named = named_fields(self.connection)
        if named:
            self.kept = [line for line in self.kept if line[: line.find(b":")].lower() not in named]


def _is_trailers_in(value: bytes) -> bool:
    """Whether a TE field has that member, of whatever weight (RFC 9110 section 10.1.4)."""
    return any(member.partition(b";")[0].rstrip(b" \t") == b"trailers" for member in grammar.list_members(value))


def named_fields(options: list[bytes]) -> set[bytes]:
    """The fields that go because Connection names them, of its members in lower case (RFC 9110 section 7.6.1)."""
    named = {option for option in options if option not in _PROTECTED and option[:12] != _CLAIM_PREFIX}
    return named - {b"close", b"keep-alive"}


def _finish(
    raw: bytes, method: bytes, target: bytes, fields: _Fields, peer: Peer, number: int
) -> RequestHead | Failure:
    """Judge what needs the whole head (target, Host, framing) and write the head to forward."""
    is_http11 = fields.is_http11
    if fields.chunked and (fields.length or not is_http11):
        return Failure.BAD_FRAMING
    authority = _authority(fields.hosts, is_http11)
    if isinstance(authority, Failure):
        return authority
    if target[:1] != b"/":
        absolute = _absolute(method, target)
        if isinstance(absolute, Failure):
            return absolute
        if grammar.host_of(authority) is None:  # not used, but refused all the same (RFC 9112 section 3.2)
            return Failure.BAD_HOST
        target, authority = absolute[0], absolute[1] or authority
    elif grammar.ORIGIN_FORM.fullmatch(target) is None:
        return Failure.BAD_TARGET
    host = grammar.host_of(authority)
    if host is None or (is_http11 and not host):
        return Failure.BAD_HOST
    request_id = _request_id(fields.request_ids, peer, number)
    protocols = fields.protocols
    return RequestHead(
        method,
        target,
        target.partition(b"?")[0],
        host,
        1 if is_http11 else 0,
        b"close" not in fields.connection if is_http11 else b"keep-alive" in fields.connection,
        CHUNKED if fields.chunked else int(fields.length or 0),
        fields.expects,
        _forward(method + b" " + target, authority, fields, protocols, request_id, peer),
        raw,
        request_id,
        bool(protocols),
        fields.takes_trailers,
        fields.hops == 0,
    )


def _request_id(claimed: list[bytes], peer: Peer, number: int) -> bytes:
    """The one id that a trusted peer gave, else one of ours, else none."""
    if len(claimed) == 1 and 0 < len(claimed[0]) <= grammar.MAX_REQUEST_ID:
        return claimed[0]
    return peer.request_ids and b"%b%016x" % (peer.request_ids, number)


def _authority(hosts: list[bytes], is_http11: bool) -> bytes | Failure:
    """Exactly one Host in HTTP/1.1, at most one in HTTP/1.0 (RFC 9112 section 3.2)."""
    if len(hosts) == 1:
        return hosts[0]
    if hosts or is_http11:
        return Failure.BAD_HOST
    return b""


def _absolute(method: bytes, target: bytes) -> tuple[bytes, bytes] | Failure:
    """(target in origin-form or `*`, authority that overrides Host); RFC 9112 sections 3.2.2 and 3.2.4."""
    if target == b"*":
        return (target, b"") if method == b"OPTIONS" else Failure.BAD_TARGET
    match = grammar.ABSOLUTE_FORM.fullmatch(target)
    if match is None:
        return Failure.BAD_TARGET
    rest = match[2] or b"/"
    return rest if rest[:1] == b"/" else b"/" + rest, match[1]


def _forward(
    start: bytes, authority: bytes, fields: _Fields, protocols: list[bytes], request_id: bytes, peer: Peer
) -> bytes:
    lines = [start + b" HTTP/1.1", b"Host: " + authority]
    lines += fields.kept
    if fields.expects:
        lines.append(b"Expect: 100-continue")
    if fields.length:
        lines.append(b"Content-Length: " + fields.length)
    elif fields.chunked:
        lines.append(b"Transfer-Encoding: chunked")
    if protocols or fields.takes_trailers:
        lines += _connection(protocols, fields.takes_trailers)
    if fields.hops is not None:
        lines.append(b"Max-Forwards: %d" % max(fields.hops - 1, 0))
    if request_id:
        lines.append(b"X-Request-Id: " + request_id)
    if peer.node:
        lines.append(_forwarded(authority, fields.forwarded, peer))
    if fields.claims:
        lines.append(_trusted_tail(authority, fields.claims, peer))
    else:
        lines += (b"X-Forwarded-Host: " + authority, peer.tail)
    return b"\r\n".join(lines)


def _connection(protocols: list[bytes], takes_trailers: bool) -> list[bytes]:
    """The fields that hold for the connection to the backend, named so in Connection (RFC 9110 section 7.6.1)."""
    if not takes_trailers:
        return [b"Connection: upgrade", b"Upgrade: " + b", ".join(protocols)]
    if not protocols:
        return [b"Connection: TE", b"TE: trailers"]
    return [b"Connection: upgrade, TE", b"Upgrade: " + b", ".join(protocols), b"TE: trailers"]


def _forwarded(authority: bytes, claims: list[bytes], peer: Peer) -> bytes:
    """The Forwarded field (RFC 7239). No byte of an authority has to be escaped in quotation marks."""
    host = authority and b';host="%b"' % authority
    return b"Forwarded: " + b", ".join((*claims, b"%b%b;proto=%b" % (peer.node, host, peer.scheme)))


def _trusted_tail(authority: bytes, claims: list[tuple[bytes, bytes]], peer: Peer) -> bytes:
    """The fields that tell where a request comes from, when a trusted peer has told a part of it already."""
    chain = [value for name, value in claims if name == _FORWARDED_FOR and value]
    proto = next((value for name, value in claims if name == _FORWARDED_PROTO and value), peer.scheme)
    host = next((value for name, value in claims if name == _FORWARDED_HOST and value), authority)
    return b"\r\n".join(
        (
            b"X-Forwarded-Host: " + host,
            b"X-Forwarded-For: " + b", ".join((*chain, peer.address)),
            b"X-Forwarded-Proto: " + proto,
            b"Via: 1.1 seawall\r\n\r\n",
        )
    )
