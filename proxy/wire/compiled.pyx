# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=False
"""Request and response heads, compiled codec: the answers of `request.py` and `response.py`, in one pass.

One walk over the bytes checks every field line and sorts it. What passes on is noted as spans of the head, neighbours
joined, and copied span by span into one object of exactly the right size: no Python object is made per field.

Law: the same answer as the reference on every input (tests/wire/test_differential.py, benchmarks/fuzz_wire.py), and on
none a byte read or written out of bounds.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyTypeObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp

from proxy.wire.head_fields cimport CHUNKED, MAX_HOPS, MAX_PROTOCOLS, UNTIL_CLOSE, Fields, begin, switches
from proxy.wire.objects cimport (
    PeerSlots, PyType_GenericAlloc, RequestSlots, ResponseSlots,
    bytes_in, check_layout, held, lowered, numbered, object_in, path_of, slice_of, slots_of, span_of, written,
)
from proxy.wire.octets cimport (
    ADDRESS, AUTHORITY, CLASSES, HOST, MOST_FIELDS, NAME, TARGET, TEXT, UNDERSCORE, ZONE, Line, Octets, Span, Spans,
    add, add_all, add_span, add_words, clear, read_line,
)
from proxy.wire.request_compose cimport Sender, compose_origin, compose_request
from proxy.wire.request_scan cimport (
    FINE, MAX_REQUEST_ID, Destination, Refusal, RequestLine,
    counts_hops, has_good_id, read_destination, read_request_fields, read_request_line,
)
from proxy.wire.response_scan cimport compose_framing, compose_interim, is_good_switch, read_response_fields, read_status_line

from proxy.failure import Failure
from proxy.wire import grammar
from proxy.wire import request as request_rules
from proxy.wire import response as response_rules
from proxy.wire.head import RequestHead, ResponseHead, field_values
from proxy.wire.peer import Peer

cdef type PEER = Peer
cdef type REQUEST_HEAD = RequestHead
cdef type RESPONSE_HEAD = ResponseHead

cdef tuple FAILURES = (  # in the order of Refusal
    None, Failure.BAD_REQUEST_LINE, Failure.BAD_VERSION, Failure.TARGET_TOO_LONG, Failure.METHOD_REFUSED,
    Failure.BAD_FIELD, Failure.TOO_MANY_FIELDS, Failure.BAD_FRAMING, Failure.UNKNOWN_CODING,
    Failure.UNKNOWN_EXPECTATION, Failure.BAD_TARGET, Failure.BAD_HOST,
)
cdef object BAD_RESPONSE = Failure.BAD_RESPONSE
cdef int MAX_FIELDS = grammar.MAX_FIELDS  # of responses


cdef int classify() except -1:
    """Fill the table of byte classes from the grammar, and make sure that its limits are those of the build."""
    cdef int octet
    limits = (grammar.MOST_FIELDS, grammar.MAX_PROTOCOLS, grammar.MAX_HOPS, grammar.MAX_REQUEST_ID, grammar.MAX_LENGTH)
    built = (MOST_FIELDS, MAX_PROTOCOLS, MAX_HOPS, MAX_REQUEST_ID, (1 << 63) - 1)
    if limits != built or not 1 <= MAX_FIELDS <= MOST_FIELDS:
        raise ImportError("the compiled codec was built for other limits")
    for octet in range(256):
        one = bytes((octet,))
        absolute = grammar.ABSOLUTE_FORM.fullmatch(b"http://" + one)
        CLASSES[octet] = (
            (NAME if grammar.TOKEN.fullmatch(one) else 0)
            | (UNDERSCORE if one == b"_" else 0)
            | (TEXT if octet == 0x09 or (octet >= 0x20 and octet != 0x7F) else 0)
            | (TARGET if grammar.ORIGIN_FORM.fullmatch(b"/" + one) else 0)
            | (HOST if one != b":" and grammar.HOST.fullmatch(one) else 0)
            | (ADDRESS if grammar.HOST.fullmatch(b"[" + one + b"]") else 0)
            | (ZONE if grammar.HOST.fullmatch(b"[::%25" + one + b"]") else 0)
            | (AUTHORITY if absolute else 0)
        )
    return 0


classify()


def parse_request(bytes data not None, peer, uint64_t number):
    """See proxy.wire.request.parse_request."""
    cdef Octets start = <Octets>PyBytes_AS_STRING(data)
    cdef Octets end = start + PyBytes_GET_SIZE(data)
    cdef PeerSlots* slots = <PeerSlots*>slots_of(peer, PEER)
    cdef bytes tail = bytes_in(slots.tail)
    cdef bytes address = bytes_in(slots.address)
    cdef bytes scheme = bytes_in(slots.scheme)
    cdef bytes node = bytes_in(slots.node)
    cdef bytes request_id = bytes_in(slots.request_ids)
    cdef bint trusted = object_in(slots.trusted)
    cdef RequestLine line
    cdef Fields fields
    cdef Destination to
    cdef Sender sender
    cdef Spans text
    cdef Refusal refusal = read_request_line(&line, start, end, object_in(slots.max_target))
    if refusal == FINE:
        begin(&fields, object_in(slots.max_fields))
        fields.adds_forwarded = PyBytes_GET_SIZE(node) > 0
        fields.counts_hops = counts_hops(line.method)
        refusal = read_request_fields(&fields, line.next, end, trusted)
    if refusal == FINE:
        refusal = read_destination(&to, &line, &fields)
    if refusal != FINE:
        return FAILURES[refusal]
    cdef bytes raw = first(data, fields.behind - start)
    if fields.names_fields:
        named = request_rules.named_fields(options_of(raw))
        if named:
            drop_named(&fields.kept, named)
    clear(&text)
    if has_good_id(&fields):
        request_id = slice_of(fields.request_id)
    elif request_id:
        request_id = numbered(request_id, number)
    compose_request(&text, &line, &fields, &to, span_of(request_id))
    sender.address = span_of(address)
    sender.scheme = span_of(scheme)
    sender.node = span_of(node)
    sender.tail = span_of(tail)
    compose_origin(&text, &fields, to.authority, &sender)
    return new_request_head(&line, &fields, &to, written(&text), raw, request_id)


def parse_response(bytes data not None, request, bint client_stays, bytes date not None):
    """See proxy.wire.response.parse_response."""
    cdef Octets start = <Octets>PyBytes_AS_STRING(data)
    cdef Octets end = start + PyBytes_GET_SIZE(data)
    cdef RequestSlots* slots = <RequestSlots*>slots_of(request, REQUEST_HEAD)
    cdef bytes method = bytes_in(slots.method)
    cdef bint is_head = PyBytes_GET_SIZE(method) == 4 and not memcmp(PyBytes_AS_STRING(method), b"HEAD", 4)
    cdef long client_minor = object_in(slots.minor)
    cdef int minor = 0, status = 0
    cdef int64_t body
    cdef Py_ssize_t size
    cdef bint stays, persistent
    cdef Octets next = NULL
    cdef Fields fields
    cdef Spans text
    begin(&fields, MAX_FIELDS)
    if not read_status_line(start, end, &minor, &status, &next) or not read_response_fields(&fields, next, end, minor):
        return BAD_RESPONSE
    size = fields.behind - start
    if status == 101 and not is_good_switch(&fields, object_in(slots.upgrades)):
        return BAD_RESPONSE
    if fields.names_fields:
        named = response_rules.named_fields(options_of(first(data, size)))
        if named:
            drop_named(&fields.kept, named)
    clear(&text)
    if minor == 0:
        add_words(&text, b"HTTP/1.1")
        start += 8
    add(&text, start, next - start)
    add_all(&text, &fields.kept)
    if status < 200:
        compose_interim(&text, &fields, status)
        return new_response_head(status, 0, status != 101, status != 101, False, -1, written(&text), size)
    body = CHUNKED if fields.chunked else fields.body if fields.has_length else UNTIL_CLOSE
    if is_head or status == 204 or status == 304:
        body = 0
    stays = client_stays and (body >= 0 or client_minor == 1)
    compose_framing(&text, &fields, status, body, stays, client_minor, span_of(date))
    persistent = (not fields.closes if minor == 1 else fields.keeps_alive) and body != UNTIL_CLOSE
    return new_response_head(
        status, body, persistent, stays, body < 0 and client_minor == 1, fields.keep_alive, written(&text), size
    )


cdef int drop_named(Spans* kept, set named) except -1:
    """Take the lines whose names are in `named` out again. Rare, so Python's sets may do it, in linear time."""
    cdef Spans before = kept[0]
    cdef Line line
    cdef Octets at, end
    cdef int index
    clear(kept)
    for index in range(before.count):
        at = before.items[index].start
        end = at + before.items[index].length
        while at < end and read_line(&line, at, end):
            at = line.next
            if PyBytes_FromStringAndSize(<char*>line.start, line.name).lower() not in named:
                add(kept, line.start, line.next - line.start)
    return 0


cdef inline bytes first(bytes data, Py_ssize_t size):
    """The head that the data begins with, without a copy when it is all."""
    return data if size == PyBytes_GET_SIZE(data) else PyBytes_FromStringAndSize(PyBytes_AS_STRING(data), size)


cdef list options_of(bytes raw):
    """The members of every Connection field, lower case."""
    return [option for value in field_values(raw, b"connection") for option in grammar.list_members(value)]


# Python objects

cdef tuple METHODS = (b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"PATCH", b"OPTIONS")

check_layout(
    RequestHead,
    (
        "body", "ends_here", "expects_continue", "forward", "host", "method", "minor", "path", "persistent", "raw",
        "request_id", "takes_trailers", "target", "upgrades",
    ),
    sizeof(RequestSlots),
)
check_layout(
    ResponseHead,
    ("body", "forward", "keep_alive", "keeps_client", "persistent", "rechunk", "size", "status"),
    sizeof(ResponseSlots),
)
check_layout(
    Peer, ("address", "max_fields", "max_target", "node", "request_ids", "scheme", "tail", "trusted"), sizeof(PeerSlots)
)


cdef inline bytes method_of(Span span):
    cdef bytes method
    for method in METHODS:
        if PyBytes_GET_SIZE(method) == span.length and not memcmp(PyBytes_AS_STRING(method), span.start, span.length):
            return method
    return slice_of(span)


cdef object new_request_head(
    RequestLine* line, Fields* fields, Destination* to, bytes forward, bytes raw, bytes request_id
):
    cdef bytes target = slice_of(to.target)
    if to.lacks_slash:
        target = b"/" + target
    cdef bytes path = path_of(target)
    cdef bytes method = method_of(line.method)
    cdef bytes host = lowered(to.host)
    cdef object body = CHUNKED if fields.chunked else fields.body
    head = PyType_GenericAlloc(<PyTypeObject*>REQUEST_HEAD, 0)
    cdef RequestSlots* slots = <RequestSlots*>head
    slots.method = held(method)
    slots.target = held(target)
    slots.path = held(path)
    slots.host = held(host)
    slots.minor = held(line.minor)
    slots.persistent = held(True if (not fields.closes if line.minor else fields.keeps_alive) else False)
    slots.body = held(body)
    slots.expects_continue = held(True if fields.expects else False)
    slots.ends_here = held(True if fields.hops == 0 else False)
    slots.takes_trailers = held(True if fields.takes_trailers else False)
    slots.upgrades = held(True if switches(fields) else False)
    slots.forward = held(forward)
    slots.raw = held(raw)
    slots.request_id = held(request_id)
    return head


cdef object new_response_head(
    int status, int64_t body, bint persistent, bint keeps_client, bint rechunk, int keep_alive, bytes forward,
    Py_ssize_t size
):
    head = PyType_GenericAlloc(<PyTypeObject*>RESPONSE_HEAD, 0)
    cdef ResponseSlots* slots = <ResponseSlots*>head
    slots.status = held(status)
    slots.body = held(body)
    slots.persistent = held(True if persistent else False)
    slots.keeps_client = held(True if keeps_client else False)
    slots.rechunk = held(True if rechunk else False)
    slots.keep_alive = held(None if keep_alive < 0 else keep_alive)
    slots.forward = held(forward)
    slots.size = held(size)
    return head
