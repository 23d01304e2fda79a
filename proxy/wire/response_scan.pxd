"""Response heads, compiled codec: from bytes to what they say and to the spans of the head to forward."""

from libc.stdint cimport int64_t
from libc.string cimport memcmp

from proxy.wire.head_fields cimport (
    CODING, CONNECTION, DATE, KEEP_ALIVE, KEPT, LENGTH, UPGRADE, Fields, Role,
    add_upgrade, common_role, keep, read_length, read_options, read_protocols, switches,
)
from proxy.wire.octets cimport (
    Line, Octets, Span, Spans, add, add_span, add_words, begins, is_blank, is_line_end, read_line, skip_text, spells,
    trimmed,
)


cdef inline bint read_status_line(Octets start, Octets end, int* minor, int* status, Octets* next) noexcept:
    """HTTP/1.x, a status from 100 to 999, and perhaps a reason."""
    cdef Octets at
    if end - start < 14 or memcmp(start, b"HTTP/1.", 7) or start[8] != c" ":
        return False
    if (start[7] != c"0" and start[7] != c"1") or not c"1" <= start[9] <= c"9":
        return False
    if not (c"0" <= start[10] <= c"9" and c"0" <= start[11] <= c"9"):
        return False
    minor[0] = start[7] - c"0"
    status[0] = (start[9] - c"0") * 100 + (start[10] - c"0") * 10 + (start[11] - c"0")
    at = start + 12
    if at[0] == c" ":
        at = skip_text(at, end)
    next[0] = at + 2
    return is_line_end(at, end)


cdef inline Role response_role(Octets name, Py_ssize_t length) noexcept:
    if length == 4:
        return DATE if spells(name, length, b"date") else KEPT
    return common_role(name, length)


cdef inline Octets skip_blanks(Octets at, Octets end) noexcept:
    while at < end and is_blank(at[0]):
        at += 1
    return at


cdef inline int timeout_of(Span value) noexcept:
    """The timeout of a Keep-Alive field: its first six digits; -1 when it does not say."""
    cdef Octets end = value.start + value.length
    cdef Octets at, digits
    cdef Octets first = value.start
    cdef int timeout = 0
    while end - first > 7:
        at = first
        first += 1
        if not begins(at, end - at, b"timeout"):
            continue
        if at != value.start and (at - 1)[0] != c"," and not is_blank((at - 1)[0]):
            continue
        at = skip_blanks(at + 7, end)
        if at == end or at[0] != c"=":
            continue
        at = skip_blanks(at + 1, end)
        if at < end and at[0] == c'"':
            at += 1
        digits = at
        while at < end and at - digits < 6 and c"0" <= at[0] <= c"9":
            timeout = timeout * 10 + (at[0] - c"0")
            at += 1
        if at > digits:
            return timeout
    return -1


cdef inline bint take_response_field(Fields* fields, Line* line) noexcept:
    cdef Role role = response_role(line.start, line.name)
    cdef Span value
    if role == KEPT or role == DATE:
        keep(fields, line)
        fields.dated |= role == DATE
        return True
    value = trimmed(line.value)
    if role == LENGTH:
        return read_length(fields, value)
    if role == CODING:
        if fields.chunked or not spells(value.start, value.length, b"chunked"):
            return False
        fields.chunked = True
    elif role == CONNECTION:
        read_options(fields, value)
    elif role == UPGRADE:
        read_protocols(fields, value)
    elif role == KEEP_ALIVE:
        fields.keep_alive = timeout_of(value)
    return True


cdef inline bint read_response_fields(Fields* fields, Octets at, Octets end, int minor) noexcept:
    cdef Line line
    while not is_line_end(at, end):
        fields.count += 1
        if fields.count > fields.most or not read_line(&line, at, end) or not take_response_field(fields, &line):
            return False
        at = line.next
    fields.behind = at + 2
    return not (fields.chunked and (fields.has_length or minor == 0))


cdef inline bint is_good_switch(Fields* fields, bint asked) noexcept:
    """Whether a 101 may go on: to a client that asked, and not to HTTP/2 (RFC 9110 sections 7.8 and 15.2.2)."""
    return asked and switches(fields) and not fields.names_http2


cdef inline void compose_interim(Spans* text, Fields* fields, int status) noexcept:
    """Note what follows the kept lines of a 1xx response, which has neither body nor framing."""
    if status == 101:
        add_words(text, b"Connection: upgrade\r\n")
        add_upgrade(text, fields)
        add_words(text, b"Via: 1.1 seawall\r\n")
    add_words(text, b"\r\n")


cdef inline void compose_framing(
    Spans* text, Fields* fields, int status, int64_t body, bint stays, long client_minor, Span date
) noexcept:
    """Note what follows the kept lines of a final response."""
    if fields.has_length and status != 204:
        while fields.length.length > 1 and fields.length.start[0] == c"0":
            fields.length.start += 1
            fields.length.length -= 1
        add_words(text, b"Content-Length: ")
        add_span(text, fields.length)
        add_words(text, b"\r\n")
    elif client_minor == 1 and (body < 0 or (fields.chunked and status != 204)):
        add_words(text, b"Transfer-Encoding: chunked\r\n")
    if not fields.dated:
        add_words(text, b"Date: ")
        add_span(text, date)
        add_words(text, b"\r\n")
    if not stays:
        add_words(text, b"Connection: close\r\n")
    elif client_minor == 0:
        add_words(text, b"Connection: keep-alive\r\n")
    add_words(text, b"Via: 1.1 seawall\r\n\r\n")
