# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Heads, compiled codec: one pass of C over the bytes for every ordinary head.

Law: what it accepts, the reference accepts with the same answer. It never refuses by itself: a head with anything
unusual about it (a mistake, HTTP/1.0, absolute-form, claims of a trusted proxy, a Connection that names fields) goes to
the reference, which is slower and decides. So there is one place that says no, and hostile bytes meet the same checks
whichever codec runs.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from proxy.wire import request as _request
from proxy.wire import response as _response
from proxy.wire.head import RequestHead as _RequestHead
from proxy.wire.head import ResponseHead as _ResponseHead

ctypedef const unsigned char* Bytes

cdef enum:
    MOST_FIELDS = 100
    LONGEST_TARGET = 8192
    MOST_DIGITS = 18  # of a Content-Length that cannot overflow 63 bits; longer ones are the reference's
    ON_STACK = 8192  # bytes of a head to forward for which nothing is allocated twice
    CHUNKED = -1

# What becomes of a field line.
cdef enum Role:
    KEEP, DROP, HOST, CONNECTION, LENGTH, CODING, KEEP_ALIVE, DATE, UNUSUAL

# What a byte may be part of.
cdef enum:
    TOKEN = 1  # RFC 9110 section 5.6.2
    VALUE = 2  # section 5.5: visible, space, tab, 8-bit
    TARGET = 4  # origin-form without "#"
    NAME = 8  # a registered name or IPv4 address

cdef unsigned char _kind[256]
cdef unsigned char _lower[256]


cdef void _fill() noexcept:
    cdef int byte
    for byte in range(256):
        _kind[byte] = 0
        _lower[byte] = byte
        if 0x20 <= byte < 0x7F or byte == 9 or byte >= 0x80:
            _kind[byte] |= VALUE
        if (0x21 <= byte < 0x7F and byte != 0x23) or byte >= 0x80:
            _kind[byte] |= TARGET
        if 0x41 <= byte <= 0x5A:
            _lower[byte] = byte | 0x20
    for byte in b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        _kind[byte] |= TOKEN
    for byte in b"._~!$&'()*+;=%-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        _kind[byte] |= NAME


_fill()

cdef dict _methods = {method: method for method in (b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH")}


cdef inline bint _is(Bytes text, Py_ssize_t length, const char* word, Py_ssize_t word_length) noexcept:
    """Whether the text is the word, which is in lower case, in any case."""
    cdef Py_ssize_t index
    if length != word_length:
        return False
    for index in range(length):
        if _lower[text[index]] != <unsigned char>word[index]:
            return False
    return True


cdef inline Py_ssize_t _run(Bytes text, Py_ssize_t start, Py_ssize_t end, unsigned char kind) noexcept:
    """Where the run of bytes of this kind that begins at `start` ends."""
    while start < end and _kind[text[start]] & kind:
        start += 1
    return start


cdef struct Line:
    Py_ssize_t start
    Py_ssize_t colon
    Py_ssize_t value  # without blanks around it
    Py_ssize_t value_end
    Py_ssize_t next  # line's start


cdef inline bint _read_line(Bytes text, Py_ssize_t start, Py_ssize_t length, Line* line) noexcept:
    """Read one field line with its CRLF; False when it is not well-formed."""
    cdef Py_ssize_t end
    line.start = start
    line.colon = _run(text, start, length, TOKEN)
    if line.colon == start or line.colon >= length or text[line.colon] != c":":
        return False
    end = _run(text, line.colon + 1, length, VALUE)
    if end + 1 >= length or text[end] != 13 or text[end + 1] != 10:
        return False
    line.next = end + 2
    line.value = line.colon + 1
    while line.value < end and (text[line.value] == 32 or text[line.value] == 9):
        line.value += 1
    while end > line.value and (text[end - 1] == 32 or text[end - 1] == 9):
        end -= 1
    line.value_end = end
    return True


cdef inline Py_ssize_t _length_of(Bytes text, Py_ssize_t start, Py_ssize_t end) noexcept:
    """A Content-Length, or -1 when it is unusual."""
    cdef Py_ssize_t value = 0
    if end == start or end - start > MOST_DIGITS or (text[start] == c"0" and end - start > 1):
        return -1
    while start < end:
        if not c"0" <= text[start] <= c"9":
            return -1
        value = value * 10 + (text[start] - c"0")
        start += 1
    return value


cdef inline int _persistence(Bytes text, Line* line) noexcept:
    """Of a Connection field: 1 keep-alive, 0 close, -1 anything else."""
    if _is(text + line.value, line.value_end - line.value, b"keep-alive", 10):
        return 1
    return 0 if _is(text + line.value, line.value_end - line.value, b"close", 5) else -1


cdef inline Role _request_role(Bytes name, Py_ssize_t length) noexcept:
    if length == 4:
        return HOST if _is(name, 4, b"host", 4) else KEEP
    if length == 10:
        if _is(name, 10, b"connection", 10):
            return CONNECTION
        return DROP if _is(name, 10, b"keep-alive", 10) else KEEP
    if length == 14 and _is(name, 14, b"content-length", 14):
        return LENGTH
    if length == 17 and _is(name, 17, b"transfer-encoding", 17):
        return CODING
    if (length == 2 and _is(name, 2, b"te", 2)) or (length == 7 and _is(name, 7, b"upgrade", 7)):
        return DROP
    if length == 16 and _is(name, 16, b"proxy-connection", 16):
        return DROP
    if length == 6 and _is(name, 6, b"expect", 6):
        return UNUSUAL
    if length == 9 and (_is(name, 9, b"forwarded", 9) or _is(name, 9, b"x-real-ip", 9)):
        return UNUSUAL
    if length >= 12 and _is(name, 12, b"x-forwarded-", 12):
        return UNUSUAL
    return KEEP


cdef inline Role _response_role(Bytes name, Py_ssize_t length) noexcept:
    if length == 4:
        return DATE if _is(name, 4, b"date", 4) else KEEP
    if length == 10:
        if _is(name, 10, b"connection", 10):
            return CONNECTION
        return KEEP_ALIVE if _is(name, 10, b"keep-alive", 10) else KEEP
    if length == 14:
        return LENGTH if _is(name, 14, b"content-length", 14) else KEEP
    if length == 17 and _is(name, 17, b"transfer-encoding", 17):
        return CODING
    if (length == 2 and _is(name, 2, b"te", 2)) or (length == 7 and _is(name, 7, b"upgrade", 7)):
        return DROP
    return DROP if length == 16 and _is(name, 16, b"proxy-connection", 16) else KEEP


cdef struct Runs:
    int count
    Py_ssize_t start[MOST_FIELDS + 1]
    Py_ssize_t end[MOST_FIELDS + 1]


cdef inline void _keep(Runs* runs, Line* line) noexcept:
    """Lines that pass on next to each other are one run, copied at once."""
    if runs.count and runs.end[runs.count - 1] == line.start:
        runs.end[runs.count - 1] = line.next
        return
    runs.start[runs.count] = line.start
    runs.end[runs.count] = line.next
    runs.count += 1


cdef struct Output:
    unsigned char* bytes
    Py_ssize_t length


cdef inline int _open(Output* output, unsigned char* on_stack, Py_ssize_t most) except -1:
    """Make room for `most` bytes: on the caller's stack when they fit there, else allocated until `_made`."""
    output.bytes = on_stack
    output.length = 0
    if most > ON_STACK:
        output.bytes = <unsigned char*>malloc(most)
        if output.bytes == NULL:
            raise MemoryError
    return 0


cdef inline void _add(Output* output, const void* data, Py_ssize_t length) noexcept:
    memcpy(output.bytes + output.length, data, length)
    output.length += length


cdef inline void _add_runs(Output* output, Bytes text, Runs* runs) noexcept:
    cdef int index
    for index in range(runs.count):
        _add(output, text + runs.start[index], runs.end[index] - runs.start[index])


cdef struct Request:
    Py_ssize_t method  # its end; it starts at 0
    Py_ssize_t target_end  # it starts behind the method's space
    Py_ssize_t path_end
    Py_ssize_t host
    Py_ssize_t host_end  # port and all
    Py_ssize_t name_end  # without the port
    Py_ssize_t body
    Line length
    bint persistent
    Runs runs


cdef bint _read_request(Bytes text, Py_ssize_t length, Request* head) noexcept:
    """Read an ordinary head; False when it is not one."""
    cdef Line line
    cdef Role role
    cdef Py_ssize_t at
    cdef int fields = 0
    head.method = _run(text, 0, length, TOKEN)
    at = head.method + 1
    if head.method == 0 or at >= length or text[at - 1] != 32 or text[at] != c"/":
        return False
    head.target_end = _run(text, at, length, TARGET)
    if head.target_end - at > LONGEST_TARGET or head.target_end + 11 > length:
        return False
    if memcmp(text + head.target_end, b" HTTP/1.1\r\n", 11) != 0:
        return False
    head.path_end = at
    while head.path_end < head.target_end and text[head.path_end] != c"?":
        head.path_end += 1
    head.host = head.length.start = head.body = 0
    head.persistent = True
    head.runs.count = 0
    at = head.target_end + 11
    while at + 1 < length and text[at] != 13:
        if not _read_line(text, at, length, &line):
            return False
        fields += 1
        if fields > MOST_FIELDS:
            return False
        at = line.next
        role = _request_role(text + line.start, line.colon - line.start)
        if role == KEEP:
            if memchr(text + line.start, c"_", line.colon - line.start) != NULL:
                return False
            _keep(&head.runs, &line)
        elif role == HOST:
            if head.host:
                return False
            head.host = line.value
            head.host_end = line.value_end
        elif role == CONNECTION:
            if _persistence(text, &line) < 0:
                return False
            head.persistent = head.persistent and _persistence(text, &line) == 1
        elif role == LENGTH:
            head.body = _length_of(text, line.value, line.value_end)
            if head.length.start or head.body < 0:
                return False
            head.length = line
        elif role != DROP:
            return False
    return head.host != 0 and at + 2 == length and text[at + 1] == 10 and _read_host(text, head)


cdef inline bint _read_host(Bytes text, Request* head) noexcept:
    """A name or IPv4 address and perhaps a port of up to four digits, which cannot be too high."""
    cdef Py_ssize_t at
    head.name_end = at = _run(text, head.host, head.host_end, NAME)
    if at == head.host:
        return False
    if at == head.host_end:
        return True
    if text[at] != c":" or head.host_end - at > 5:
        return False
    at += 1
    while at < head.host_end:
        if not c"0" <= text[at] <= c"9":
            return False
        at += 1
    return True


def parse_request(bytes raw, peer):
    """See proxy.wire.request.parse_request."""
    cdef Bytes text = <Bytes>PyBytes_AS_STRING(raw)
    cdef Request head
    if not _read_request(text, PyBytes_GET_SIZE(raw), &head):
        return _request.parse_request(raw, peer)
    method = _methods.get(raw[: head.method])
    if method is None:
        return _request.parse_request(raw, peer)
    made = _RequestHead.__new__(_RequestHead)
    made.method = method
    made.target = raw[head.method + 1 : head.target_end]
    made.path = made.target if head.path_end == head.target_end else raw[head.method + 1 : head.path_end]
    made.host = _lowered(text + head.host, head.name_end - head.host)
    made.minor = 1
    made.persistent = head.persistent
    made.body = head.body
    made.expects_continue = False
    made.forward = _forward_request(text, &head, peer.tail)
    made.raw = raw
    return made


cdef bytes _lowered(Bytes text, Py_ssize_t length):
    cdef bytes made = PyBytes_FromStringAndSize(<char*>text, length)
    cdef unsigned char* at = <unsigned char*>PyBytes_AS_STRING(made)
    cdef Py_ssize_t index
    for index in range(length):
        at[index] = _lower[at[index]]
    return made


cdef bytes _forward_request(Bytes text, Request* head, bytes tail):
    cdef unsigned char on_stack[ON_STACK]
    cdef Output output
    cdef Py_ssize_t host = head.host_end - head.host
    cdef Py_ssize_t most = head.target_end + 2 * host + PyBytes_GET_SIZE(tail) + 128
    cdef int index
    for index in range(head.runs.count):
        most += head.runs.end[index] - head.runs.start[index]
    _open(&output, on_stack, most)
    _add(&output, text, head.target_end)
    _add(&output, b" HTTP/1.1\r\nHost: ", 17)
    _add(&output, text + head.host, host)
    _add(&output, b"\r\n", 2)
    _add_runs(&output, text, &head.runs)
    if head.length.start:
        _add(&output, b"Content-Length: ", 16)
        _add(&output, text + head.length.value, head.length.value_end - head.length.value)
        _add(&output, b"\r\n", 2)
    _add(&output, b"X-Forwarded-Host: ", 18)
    _add(&output, text + head.host, host)
    _add(&output, b"\r\n", 2)
    _add(&output, PyBytes_AS_STRING(tail), PyBytes_GET_SIZE(tail))
    return _made(&output, most)


cdef bytes _made(Output* output, Py_ssize_t most):
    try:
        return PyBytes_FromStringAndSize(<char*>output.bytes, output.length)
    finally:
        if most > ON_STACK:
            free(output.bytes)


cdef struct Response:
    Py_ssize_t line_end  # of the status line, behind its CRLF
    int status
    Py_ssize_t body
    Line length
    Line keep_alive
    bint persistent
    bint dated
    Runs runs


cdef bint _read_response(Bytes text, Py_ssize_t length, Response* head) noexcept:
    """Read an ordinary final head; False when it is not one."""
    cdef Line line
    cdef Role role
    cdef Py_ssize_t at = 12
    cdef int fields = 0
    cdef bint chunked = False
    if length < 16 or memcmp(text, b"HTTP/1.1 ", 9) != 0 or not c"2" <= text[9] <= c"9":
        return False
    if not (c"0" <= text[10] <= c"9" and c"0" <= text[11] <= c"9") or (text[12] != 32 and text[12] != 13):
        return False
    head.status = (text[9] - c"0") * 100 + (text[10] - c"0") * 10 + (text[11] - c"0")
    if head.status == 204 or head.status == 304:
        return False
    at = _run(text, 12, length, VALUE)
    if at + 3 >= length or text[at] != 13 or text[at + 1] != 10:
        return False
    head.line_end = at = at + 2
    head.length.start = head.keep_alive.start = 0
    head.persistent = True
    head.dated = False
    head.runs.count = 0
    while at + 1 < length and text[at] != 13:
        if not _read_line(text, at, length, &line):
            return False
        fields += 1
        if fields > MOST_FIELDS:
            return False
        at = line.next
        role = _response_role(text + line.start, line.colon - line.start)
        if role == KEEP:
            _keep(&head.runs, &line)
        elif role == DATE:
            head.dated = True
            _keep(&head.runs, &line)
        elif role == LENGTH:
            head.body = _length_of(text, line.value, line.value_end)
            if head.length.start or chunked or head.body < 0:
                return False
            head.length = line
        elif role == CODING:
            if head.length.start or chunked or not _is(text + line.value, line.value_end - line.value, b"chunked", 7):
                return False
            chunked = True
        elif role == CONNECTION:
            if _persistence(text, &line) < 0:
                return False
            head.persistent = head.persistent and _persistence(text, &line) == 1
        elif role == KEEP_ALIVE:
            head.keep_alive = line
    if chunked:
        head.body = CHUNKED
    return (chunked or head.length.start != 0) and at + 2 == length and text[at + 1] == 10


def parse_response(bytes raw, request, bint client_stays, bytes date):
    """See proxy.wire.response.parse_response."""
    cdef Bytes text = <Bytes>PyBytes_AS_STRING(raw)
    cdef Response head
    if not _read_response(text, PyBytes_GET_SIZE(raw), &head) or request.minor != 1 or request.method == b"HEAD":
        return _response.parse_response(raw, request, client_stays, date)
    made = _ResponseHead.__new__(_ResponseHead)
    made.status = head.status
    made.body = head.body
    made.persistent = head.persistent
    made.keeps_client = client_stays
    made.rechunk = head.body == CHUNKED
    made.keep_alive = None
    if head.keep_alive.start:
        made.keep_alive = _response.keep_alive_of(raw[head.keep_alive.value : head.keep_alive.value_end])
    made.forward = _forward_response(text, &head, client_stays, date)
    return made


cdef bytes _forward_response(Bytes text, Response* head, bint client_stays, bytes date):
    cdef unsigned char on_stack[ON_STACK]
    cdef Output output
    cdef Py_ssize_t most = head.line_end + PyBytes_GET_SIZE(date) + 160
    cdef int index
    for index in range(head.runs.count):
        most += head.runs.end[index] - head.runs.start[index]
    _open(&output, on_stack, most)
    _add(&output, text, head.line_end)
    _add_runs(&output, text, &head.runs)
    if head.body == CHUNKED:
        _add(&output, b"Transfer-Encoding: chunked\r\n", 28)
    else:
        _add(&output, b"Content-Length: ", 16)
        _add(&output, text + head.length.value, head.length.value_end - head.length.value)
        _add(&output, b"\r\n", 2)
    if not head.dated:
        _add(&output, b"Date: ", 6)
        _add(&output, PyBytes_AS_STRING(date), PyBytes_GET_SIZE(date))
        _add(&output, b"\r\n", 2)
    if not client_stays:
        _add(&output, b"Connection: close\r\n", 19)
    _add(&output, b"Via: 1.1 seawall\r\n\r\n", 20)
    return _made(&output, most)
