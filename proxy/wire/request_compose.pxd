"""Request heads, compiled codec: from what they say to the spans of the head to forward."""

from libc.string cimport memcmp

from proxy.wire.head_fields cimport Fields, add_upgrade, switches
from proxy.wire.octets cimport Line, Span, Spans, add, add_all, add_span, add_words
from proxy.wire.request_scan cimport Destination, RequestLine


cdef inline bint is_plain_host(Line* line, Span value) noexcept:
    """Whether a Host line is spelled as we spell it, so that it can pass with its neighbours."""
    return (
        value.start == line.start + 6 and value.start + value.length + 2 == line.next
        and not memcmp(line.start, b"Host: ", 6)
    )


cdef inline void compose_connection(Spans* text, Fields* fields) noexcept:
    """Note the fields that hold for the connection to the backend, named so in Connection (RFC 9110 section 7.6.1)."""
    if switches(fields):
        add_words(text, b"Connection: upgrade, TE\r\n" if fields.takes_trailers else b"Connection: upgrade\r\n")
        add_upgrade(text, fields)
    elif fields.takes_trailers:
        add_words(text, b"Connection: TE\r\n")
    if fields.takes_trailers:
        add_words(text, b"TE: trailers\r\n")


cdef inline void compose_hops(Spans* text, Fields* fields) noexcept:
    """Note Max-Forwards, one less than it came."""
    cdef int hops = fields.hops - 1 if fields.hops else 0
    cdef Py_ssize_t at = sizeof(fields.hops_text)
    while at == <Py_ssize_t>sizeof(fields.hops_text) or hops:
        at -= 1
        fields.hops_text[at] = c"0" + hops % 10
        hops //= 10
    add_words(text, b"Max-Forwards: ")
    add(text, &fields.hops_text[at], sizeof(fields.hops_text) - at)
    add_words(text, b"\r\n")


cdef inline void compose_request(
    Spans* text, RequestLine* line, Fields* fields, Destination* to, Span request_id
) noexcept:
    """Note the head to forward, up to the fields that tell where the request comes from."""
    cdef Line* host = &fields.host_line
    if to.is_absolute or line.minor == 0:
        add(text, line.method.start, line.method.length + 1)
        if to.lacks_slash:
            add_words(text, b"/")
        add_span(text, to.target)
        add_words(text, b" HTTP/1.1\r\n")
    else:
        add(text, line.method.start, line.next - line.method.start)
    if not to.is_absolute and fields.hosts and is_plain_host(host, fields.host):
        add(text, host.start, host.next - host.start)
    else:
        add_words(text, b"Host: ")
        add_span(text, to.authority)
        add_words(text, b"\r\n")
    add_all(text, &fields.kept)
    if fields.expects:
        add_words(text, b"Expect: 100-continue\r\n")
    if fields.has_length:
        add_words(text, b"Content-Length: ")
        add_span(text, fields.length)
        add_words(text, b"\r\n")
    elif fields.chunked:
        add_words(text, b"Transfer-Encoding: chunked\r\n")
    if fields.takes_trailers or fields.wants_upgrade:
        compose_connection(text, fields)
    if fields.hops >= 0:
        compose_hops(text, fields)
    if request_id.length:
        add_words(text, b"X-Request-Id: ")
        add_span(text, request_id)
        add_words(text, b"\r\n")


cdef struct Sender:  # see proxy.wire.peer.Peer
    Span address
    Span scheme
    Span node
    Span tail


cdef inline void compose_forwarded(Spans* text, Fields* fields, Span authority, Sender* sender) noexcept:
    """Note the Forwarded field (RFC 7239). No byte of an authority has to be escaped in quotation marks."""
    add_words(text, b"Forwarded: ")
    add_all(text, &fields.forwarded)
    add_span(text, sender.node)
    if authority.length:
        add_words(text, b';host="')
        add_span(text, authority)
        add_words(text, b'"')
    add_words(text, b";proto=")
    add_span(text, sender.scheme)
    add_words(text, b"\r\n")


cdef inline void compose_origin(Spans* text, Fields* fields, Span authority, Sender* sender) noexcept:
    """Note the fields that tell where a request comes from, of which a trusted peer may have told a part already."""
    if sender.node.length:
        compose_forwarded(text, fields, authority, sender)
    add_words(text, b"X-Forwarded-Host: ")
    add_span(text, fields.claimed_host if fields.claimed_host.length else authority)
    add_words(text, b"\r\n")
    if not fields.chain.count and not fields.claimed_proto.length:
        add_span(text, sender.tail)
        return
    add_words(text, b"X-Forwarded-For: ")
    add_all(text, &fields.chain)
    add_span(text, sender.address)
    add_words(text, b"\r\nX-Forwarded-Proto: ")
    add_span(text, fields.claimed_proto if fields.claimed_proto.length else sender.scheme)
    add_words(text, b"\r\nVia: 1.1 seawall\r\n\r\n")
