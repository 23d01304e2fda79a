"""The field lines of both kinds of head, compiled codec: their roles, and what framing and Connection say."""

from libc.stdint cimport int64_t, uint64_t

from proxy.wire.octets cimport (
    NAME, Line, Octets, Span, Spans, add, add_all, add_span, add_words, clear, skip, spells, take_member,
)

cdef enum:
    CHUNKED = -1
    UNTIL_CLOSE = -2

    MAX_PROTOCOLS = 16
    MAX_HOPS = 1000000000


cdef enum Role:  # what becomes of a field line
    KEPT, DROPPED, CONNECTION, KEEP_ALIVE, LENGTH, CODING, HOST_NAME, EXPECT, TE, UPGRADE, HOPS
    REQUEST_ID, CLAIM, DATE


cdef struct Fields:  # what the field lines of one head say, and the lines that pass on
    int count
    int most  # that there may be
    Octets behind  # the empty line
    bint closes
    bint keeps_alive
    bint wants_upgrade
    bint names_fields  # Connection has other members than those and TE
    bint has_length
    Span length
    int64_t body
    bint chunked
    int protocols  # in Upgrade
    bint bad_protocol
    bint names_http2
    # of requests
    int hosts
    Line host_line
    Span host
    bint expects
    bint takes_trailers
    bint counts_hops
    int hops  # of Max-Forwards, -1 when it is not there
    unsigned char[10] hops_text  # one less, as it goes on, at the end
    Span claimed_proto
    Span claimed_host
    int request_ids  # of a trusted peer
    Span request_id
    bint adds_forwarded
    # of responses
    bint dated
    int keep_alive  # seconds, -1 when it does not say
    # long, so behind the others, which then lie together
    Spans kept
    Spans upgrade  # the protocols but HTTP/2, a comma between two
    Spans chain  # X-Forwarded-For of a trusted peer, a comma behind each value
    Spans forwarded  # Forwarded of a trusted peer, when we add to it, likewise


cdef inline void begin(Fields* fields, int most) noexcept:
    clear(&fields.kept)
    clear(&fields.chain)
    clear(&fields.forwarded)
    clear(&fields.upgrade)
    fields.most = most
    fields.count = fields.hosts = fields.request_ids = fields.protocols = 0
    fields.closes = fields.keeps_alive = fields.names_fields = fields.wants_upgrade = False
    fields.bad_protocol = fields.names_http2 = fields.takes_trailers = fields.adds_forwarded = False
    fields.has_length = fields.chunked = fields.expects = fields.dated = False
    fields.host.length = fields.claimed_proto.length = fields.claimed_host.length = 0
    fields.counts_hops = False
    fields.hops = -1
    fields.body = 0
    fields.keep_alive = -1


cdef inline Role common_role(Octets name, Py_ssize_t length) noexcept:
    if length == 2:
        return TE if spells(name, length, b"te") else KEPT
    if length == 7:
        return UPGRADE if spells(name, length, b"upgrade") else KEPT
    if length == 10:
        if spells(name, length, b"connection"):
            return CONNECTION
        return KEEP_ALIVE if spells(name, length, b"keep-alive") else KEPT
    if length == 14:
        return LENGTH if spells(name, length, b"content-length") else KEPT
    if length == 17:
        return CODING if spells(name, length, b"transfer-encoding") else KEPT
    return DROPPED if spells(name, length, b"proxy-connection") else KEPT


cdef inline void keep(Fields* fields, Line* line) noexcept:
    add(&fields.kept, line.start, line.next - line.start)


cdef inline void read_options(Fields* fields, Span value) noexcept:
    """Take in the members of a Connection field."""
    cdef Span option
    while take_member(&value, &option):
        if spells(option.start, option.length, b"close"):
            fields.closes = True
        elif spells(option.start, option.length, b"keep-alive"):
            fields.keeps_alive = True
        elif spells(option.start, option.length, b"upgrade"):
            fields.wants_upgrade = True
        elif not spells(option.start, option.length, b"te"):
            fields.names_fields = True


cdef inline bint is_protocol(Span member) noexcept:
    """A name, and perhaps a version."""
    cdef Octets end = member.start + member.length
    cdef Octets at = skip(member.start, end, NAME)
    if at == end:
        return True
    return at > member.start and at[0] == c"/" and at + 1 < end and skip(at + 1, end, NAME) == end


cdef inline bint is_http2(Span protocol) noexcept:
    cdef Py_ssize_t length = skip(protocol.start, protocol.start + protocol.length, NAME) - protocol.start
    return spells(protocol.start, length, b"h2c") or spells(protocol.start, length, b"h2")


cdef inline void read_protocols(Fields* fields, Span value) noexcept:
    """Take in the members of an Upgrade field."""
    cdef Span member
    while not fields.bad_protocol and take_member(&value, &member):
        fields.protocols += 1
        fields.bad_protocol = fields.protocols > MAX_PROTOCOLS or not is_protocol(member)
        if is_http2(member):
            fields.names_http2 = True
            continue
        if fields.upgrade.count:
            add_words(&fields.upgrade, b", ")
        add_span(&fields.upgrade, member)


cdef inline bint switches(Fields* fields) noexcept:
    """Whether Connection and Upgrade agree that the protocol is to change (RFC 9110 section 7.8)."""
    return fields.wants_upgrade and fields.upgrade.count > 0 and not fields.bad_protocol


cdef inline void add_upgrade(Spans* text, Fields* fields) noexcept:
    add_words(text, b"Upgrade: ")
    add_all(text, &fields.upgrade)
    add_words(text, b"\r\n")


cdef inline bint read_length(Fields* fields, Span value) noexcept:
    """Take in a Content-Length; False unless it is digits, fits 63 bits and is the only one."""
    cdef uint64_t length = 0  # holds any 19 digits
    cdef Py_ssize_t index
    if fields.has_length or value.length == 0 or value.length > 19:
        return False
    for index in range(value.length):
        if not c"0" <= value.start[index] <= c"9":
            return False
        length = length * 10 + (value.start[index] - c"0")
    if length >> 63:
        return False
    fields.has_length = True
    fields.length = value
    fields.body = <int64_t>length
    return True
