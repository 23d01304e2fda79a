"""The field lines of both kinds of head, compiled codec: their roles, and what framing and Connection say."""

from libc.stdint cimport int64_t, uint64_t

from proxy.wire.octets cimport Line, Octets, Span, Spans, add, clear, spells, take_member

cdef enum:
    CHUNKED = -1
    UNTIL_CLOSE = -2


cdef enum Role:  # what becomes of a field line
    KEPT, DROPPED, CONNECTION, KEEP_ALIVE, LENGTH, CODING, HOST_NAME, EXPECT, REQUEST_ID, CLAIM, DATE


cdef struct Fields:  # what the field lines of one head say, and the lines that pass on
    Spans kept
    int count
    int most  # that there may be
    bint closes
    bint keeps_alive
    bint names_fields  # Connection has other members than those two
    bint has_length
    Span length
    int64_t body
    bint chunked
    # of requests
    int hosts
    Line host_line
    Span host
    bint expects
    Spans chain  # X-Forwarded-For of a trusted peer, a comma behind each value
    Span claimed_proto
    Span claimed_host
    int request_ids  # of a trusted peer
    Span request_id
    # of responses
    bint dated
    int keep_alive  # seconds, -1 when it does not say


cdef inline void begin(Fields* fields, int most) noexcept:
    clear(&fields.kept)
    clear(&fields.chain)
    fields.most = most
    fields.count = fields.hosts = fields.request_ids = 0
    fields.closes = fields.keeps_alive = fields.names_fields = False
    fields.has_length = fields.chunked = fields.expects = fields.dated = False
    fields.host.length = fields.claimed_proto.length = fields.claimed_host.length = 0
    fields.body = 0
    fields.keep_alive = -1


cdef inline Role common_role(Octets name, Py_ssize_t length) noexcept:
    if length == 10:
        if spells(name, length, b"connection"):
            return CONNECTION
        return KEEP_ALIVE if spells(name, length, b"keep-alive") else KEPT
    if length == 14:
        return LENGTH if spells(name, length, b"content-length") else KEPT
    if length == 17:
        return CODING if spells(name, length, b"transfer-encoding") else KEPT
    if spells(name, length, b"te") or spells(name, length, b"upgrade") or spells(name, length, b"proxy-connection"):
        return DROPPED
    return KEPT


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
        else:
            fields.names_fields = True


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
