"""Request heads, compiled codec: from bytes to what they say."""

from libc.string cimport memchr, memcmp

from proxy.wire.head_fields cimport (
    CLAIM, CODING, CONNECTION, DROPPED, EXPECT, HOPS, HOST_NAME, KEEP_ALIVE, KEPT, LENGTH, MAX_HOPS, REQUEST_ID, TE, UPGRADE,
    Fields, Role, common_role, keep, read_length, read_options, read_protocols,
)
from proxy.wire.octets cimport (
    ADDRESS, AUTHORITY, HOST, NAME, TARGET, ZONE, Line, Octets, Span,
    add_span, add_words, begins, closes_quotes, is_line_end, read_line, skip, spells, take_member, trimmed,
)

cdef enum:
    MAX_REQUEST_ID = 128

cdef enum Refusal:
    FINE, BAD_REQUEST_LINE, BAD_VERSION, TARGET_TOO_LONG, METHOD_REFUSED, BAD_FIELD, TOO_MANY_FIELDS, BAD_FRAMING
    UNKNOWN_CODING, UNKNOWN_EXPECTATION, BAD_TARGET, BAD_HOST


cdef struct RequestLine:
    Span method
    Span target
    int minor
    Octets next


cdef inline Refusal read_request_line(RequestLine* line, Octets start, Octets end, int max_target) noexcept:
    cdef Octets stop = <Octets>memchr(start, c"\r", end - start) if end > start else NULL
    cdef Octets second, version
    while stop != NULL and not is_line_end(stop, end):
        stop = <Octets>memchr(stop + 1, c"\r", end - stop - 1) if end - stop > 1 else NULL
    if stop == NULL:
        return BAD_REQUEST_LINE
    line.next = stop + 2
    second = <Octets>memchr(start, c" ", stop - start)
    version = <Octets>memchr(second + 1, c" ", stop - second - 1) if second != NULL else NULL
    if version == NULL:
        return BAD_REQUEST_LINE
    line.method.start = start
    line.method.length = second - start
    line.target.start = second + 1
    line.target.length = version - second - 1
    version += 1
    if memchr(version, c" ", stop - version) != NULL:
        return BAD_REQUEST_LINE
    if stop - version != 8 or memcmp(version, b"HTTP/1.", 7) or (version[7] != c"1" and version[7] != c"0"):
        return BAD_VERSION if stop - version >= 5 and not memcmp(version, b"HTTP/", 5) else BAD_REQUEST_LINE
    line.minor = version[7] - c"0"
    if not line.method.length or skip(start, second, NAME) != second:
        return BAD_REQUEST_LINE
    if line.target.length > max_target:
        return TARGET_TOO_LONG
    return METHOD_REFUSED if line.method.length == 7 and not memcmp(start, b"CONNECT", 7) else FINE


cdef inline bint counts_hops(Span method) noexcept:
    """Whether Max-Forwards says something of requests of this method."""
    if method.length == 7:
        return not memcmp(method.start, b"OPTIONS", 7)
    return method.length == 5 and not memcmp(method.start, b"TRACE", 5)


cdef inline Role request_role(Octets name, Py_ssize_t length) noexcept:
    cdef Role role
    if length == 4:
        return HOST_NAME if spells(name, length, b"host") else KEPT
    if length == 6:
        return EXPECT if spells(name, length, b"expect") else KEPT
    if length == 9:
        return CLAIM if spells(name, length, b"forwarded") or spells(name, length, b"x-real-ip") else KEPT
    if length == 12:
        if spells(name, length, b"x-request-id"):
            return REQUEST_ID
        if spells(name, length, b"max-forwards"):
            return HOPS
    role = common_role(name, length)
    if role == KEPT and begins(name, length, b"x-forwarded-"):
        return CLAIM
    return DROPPED if role == KEEP_ALIVE else role


cdef inline bint is_twin(Line* line) noexcept:
    """Whether a name with underscores is one of ours to those who read them as dashes, as CGI does."""
    cdef unsigned char[20] dashed  # longer names are told by how they begin
    cdef Py_ssize_t index
    for index in range(min(line.name, 20)):
        dashed[index] = c"-" if line.start[index] == c"_" else line.start[index]
    if line.name > 20:
        return begins(dashed, 20, b"x-forwarded-")
    return request_role(dashed, line.name) != KEPT


cdef inline Refusal take_coding(Fields* fields, Span value) noexcept:
    cdef Refusal refusal = BAD_FRAMING
    cdef Span coding
    if fields.chunked:
        return BAD_FRAMING
    if spells(value.start, value.length, b"chunked"):
        fields.chunked = True
        return FINE
    while take_member(&value, &coding):
        if spells(coding.start, coding.length, b"chunked") or spells(coding.start, coding.length, b"identity"):
            return BAD_FRAMING
        refusal = UNKNOWN_CODING
    return refusal


cdef inline bint has_trailers(Span value) noexcept:
    """Whether a TE field has that member, of whatever weight (RFC 9110 section 10.1.4)."""
    cdef Span member
    cdef Octets weight
    while take_member(&value, &member):
        weight = <Octets>memchr(member.start, c";", member.length)
        if weight != NULL:
            member.length = weight - member.start
            member = trimmed(member)
        if spells(member.start, member.length, b"trailers"):
            return True
    return False


cdef inline Refusal take_hops(Fields* fields, Line* line, Span value) noexcept:
    """Max-Forwards, which counts for two methods only (RFC 9110 section 7.6.2)."""
    cdef Py_ssize_t index
    if not fields.counts_hops:
        keep(fields, line)
        return FINE
    if fields.hops >= 0 or not value.length:
        return BAD_FIELD
    fields.hops = 0
    for index in range(value.length):
        if not c"0" <= value.start[index] <= c"9":
            return BAD_FIELD
        if fields.hops >= MAX_HOPS // 10:
            fields.hops = MAX_HOPS
        else:
            fields.hops = fields.hops * 10 + (value.start[index] - c"0")
    return FINE


cdef inline void take_claim(Fields* fields, Line* line, Span value) noexcept:
    """A field of a trusted peer that says where a request comes from."""
    if spells(line.start, line.name, b"x-forwarded-for"):
        if value.length:
            add_span(&fields.chain, value)
            add_words(&fields.chain, b", ")
    elif spells(line.start, line.name, b"x-forwarded-proto"):
        if not fields.claimed_proto.length:
            fields.claimed_proto = value
    elif spells(line.start, line.name, b"x-forwarded-host"):
        if not fields.claimed_host.length:
            fields.claimed_host = value
    elif fields.adds_forwarded and spells(line.start, line.name, b"forwarded"):
        if value.length and closes_quotes(value):
            add_span(&fields.forwarded, value)
            add_words(&fields.forwarded, b", ")
    else:
        keep(fields, line)


cdef inline Refusal take_request_field(Fields* fields, Line* line, bint trusted) noexcept:
    cdef Role role = request_role(line.start, line.name)
    cdef Span value
    if role == KEPT:
        if not line.underscored or trusted or not is_twin(line):
            keep(fields, line)
        return FINE
    value = trimmed(line.value)
    if role == HOST_NAME:
        fields.hosts += 1
        fields.host_line = line[0]
        fields.host = value
    elif role == CONNECTION:
        read_options(fields, value)
    elif role == LENGTH:
        return FINE if read_length(fields, value) else BAD_FRAMING
    elif role == CODING:
        return take_coding(fields, value)
    elif role == EXPECT:
        if not spells(value.start, value.length, b"100-continue"):
            return UNKNOWN_EXPECTATION
        fields.expects = True
    elif role == TE:
        fields.takes_trailers |= has_trailers(value)
    elif role == UPGRADE:
        read_protocols(fields, value)
    elif role == HOPS:
        return take_hops(fields, line, value)
    elif role == REQUEST_ID and trusted:
        fields.request_ids += 1
        fields.request_id = value
    elif role == CLAIM and trusted:
        take_claim(fields, line, value)
    return FINE


cdef inline void forget_for_http10(Fields* fields) noexcept:
    """Take back what an HTTP/1.0 client cannot ask for."""
    fields.expects = fields.wants_upgrade = fields.takes_trailers = False


cdef inline Refusal read_request_fields(Fields* fields, Octets at, Octets end, bint trusted) noexcept:
    """Sort the lines up to the empty one at the end. A malformed line counts before all else, wherever it stands."""
    cdef Refusal refusal = FINE
    cdef Line line
    while not is_line_end(at, end):
        if not read_line(&line, at, end):
            return BAD_FIELD
        at = line.next
        fields.count += 1
        if refusal == FINE and fields.count <= fields.most:
            refusal = take_request_field(fields, &line, trusted)
    fields.behind = at + 2
    return refusal if fields.count <= fields.most else TOO_MANY_FIELDS


cdef struct Destination:  # where a request goes
    bint is_absolute
    Span target  # in origin-form or `*`, but for the slash when `lacks_slash`
    bint lacks_slash
    Span authority
    Span host


cdef inline bint read_absolute(Destination* to, Span target) noexcept:
    """Split absolute-form, http or https, into authority and the rest (RFC 9112 section 3.2.2)."""
    cdef Octets end = target.start + target.length
    cdef Octets at
    if begins(target.start, target.length, b"https"):
        at = target.start + 5
    elif begins(target.start, target.length, b"http"):
        at = target.start + 4
    else:
        return False
    if end - at < 3 or memcmp(at, b"://", 3):
        return False
    to.authority.start = at + 3
    at = skip(at + 3, end, AUTHORITY)
    to.authority.length = at - to.authority.start
    to.target.start = at
    to.target.length = end - at
    to.lacks_slash = at == end or at[0] != c"/"
    if not to.authority.length or (at < end and at[0] != c"/" and at[0] != c"?"):
        return False
    return at == end or skip(at + 1, end, TARGET) == end


cdef inline bint read_host(Span authority, Span* host) noexcept:
    """The host of an authority, without its port; False when it is not one (RFC 3986 section 3.2.2)."""
    cdef Octets end = authority.start + authority.length
    cdef Octets at = authority.start
    cdef Octets inner
    cdef int port = 0
    if at < end and at[0] == c"[":
        inner = at + 1
        at = skip(inner, end, ADDRESS)
        if at == inner:
            return False
        if end - at >= 3 and not memcmp(at, b"%25", 3):
            inner = at + 3
            at = skip(inner, end, ZONE)
            if at == inner:
                return False
        if at == end or at[0] != c"]":
            return False
        at += 1
    else:
        at = skip(at, end, HOST)
    host.start = authority.start
    host.length = at - authority.start
    if at == end:
        return True
    if at[0] != c":" or end - at > 6:
        return False
    at += 1
    while at < end:
        if not c"0" <= at[0] <= c"9":
            return False
        port = port * 10 + (at[0] - c"0")
        at += 1
    return port <= 65535


cdef inline Refusal read_destination(Destination* to, RequestLine* line, Fields* fields) noexcept:
    """Judge what needs the whole head: framing, Host, target."""
    cdef Octets start = line.target.start
    cdef Octets end = start + line.target.length
    cdef Span ignored
    if fields.chunked and (fields.has_length or line.minor == 0):
        return BAD_FRAMING
    if line.minor == 0:
        forget_for_http10(fields)
    if fields.hosts > 1 or (fields.hosts == 0 and line.minor == 1):
        return BAD_HOST
    to.is_absolute = to.lacks_slash = False
    to.target = line.target
    to.authority = fields.host
    if line.target.length and start[0] == c"/":
        if skip(start + 1, end, TARGET) != end:
            return BAD_TARGET
    elif line.target.length == 1 and start[0] == c"*":
        if line.method.length != 7 or memcmp(line.method.start, b"OPTIONS", 7):
            return BAD_TARGET
    else:
        to.is_absolute = True
        if not read_absolute(to, line.target):
            return BAD_TARGET
        if fields.hosts and not read_host(fields.host, &ignored):
            return BAD_HOST
    if not read_host(to.authority, &to.host) or (line.minor == 1 and not to.host.length):
        return BAD_HOST
    return FINE


cdef inline bint has_good_id(Fields* fields) noexcept:
    """Whether a trusted peer gave one id that can be kept."""
    return fields.request_ids == 1 and 0 < fields.request_id.length <= MAX_REQUEST_ID
