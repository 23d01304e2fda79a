"""Python objects, compiled codec: slots read and written where they lie, bytes made from spans.

The heads are the same classes for both codecs, with slots. The interpreter reads a slot in 5 ns and an attribute of an
extension type in 14 (Python 3.11), and the data plane reads many. `check_layout` makes sure at import that the slots
lie where they are written.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcpy

from proxy.wire.octets cimport Octets, Span, Spans, write

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        int type
        Py_ssize_t offset
    ctypedef struct PyMemberDescrObject:
        PyMemberDef* d_member
    int T_OBJECT_EX

cdef extern from "Python.h":
    PyTypeObject PyMemberDescr_Type
    object PyType_GenericAlloc(PyTypeObject* type, Py_ssize_t items)
    bint PyObject_TypeCheck(object it, PyTypeObject* type)
    PyTypeObject* Py_TYPE(object it)

cdef struct RequestSlots:
    PyObject head
    PyObject* body
    PyObject* ends_here
    PyObject* expects_continue
    PyObject* forward
    PyObject* host
    PyObject* method
    PyObject* minor
    PyObject* path
    PyObject* persistent
    PyObject* raw
    PyObject* request_id
    PyObject* takes_trailers
    PyObject* target
    PyObject* upgrades

cdef struct ResponseSlots:
    PyObject head
    PyObject* body
    PyObject* forward
    PyObject* keep_alive
    PyObject* keeps_client
    PyObject* persistent
    PyObject* rechunk
    PyObject* size
    PyObject* status

cdef struct PeerSlots:
    PyObject head
    PyObject* address
    PyObject* max_fields
    PyObject* max_target
    PyObject* node
    PyObject* request_ids
    PyObject* scheme
    PyObject* tail
    PyObject* trusted


cdef inline int check_layout(type owner, tuple names, Py_ssize_t size) except -1:
    """Whether the slots of a class are these, in this order, behind its object header, and nothing else."""
    cdef Py_ssize_t offset = sizeof(PyObject)
    cdef PyMemberDef* member
    if (<PyTypeObject*>owner).tp_basicsize != size:
        raise ImportError(f"{owner.__name__} is not laid out as the compiled codec was built for")
    for name in names:
        slot = owner.__dict__.get(name)
        member = (<PyMemberDescrObject*>slot).d_member if Py_TYPE(slot) == &PyMemberDescr_Type else NULL
        if member == NULL or member.type != T_OBJECT_EX or member.offset != offset:
            raise ImportError(f"{owner.__name__}.{name} does not lie where the compiled codec was built to find it")
        offset += sizeof(PyObject*)
    return 0


cdef inline void* slots_of(object it, type owner) except NULL:
    """Where the slots of an object lie; of a subclass they lie in the same place."""
    if not PyObject_TypeCheck(it, <PyTypeObject*>owner):
        raise TypeError(f"{owner.__name__} expected, not {type(it).__name__}")
    return <void*>it


cdef inline object object_in(PyObject* slot):
    """What a slot holds; one that was never set holds nothing."""
    if slot == NULL:
        raise AttributeError("a peer or head that was never initialised")
    return <object>slot


cdef inline bytes bytes_in(PyObject* slot):
    """What a slot holds that nothing but convention makes bytes."""
    it = object_in(slot)
    if not PyBytes_CheckExact(it):
        raise TypeError(f"bytes expected, not {type(it).__name__}")
    return <bytes>it


cdef inline PyObject* held(object it) noexcept:
    """A reference to store in a slot."""
    Py_INCREF(it)
    return <PyObject*>it


cdef inline bytes written(Spans* text):
    cdef bytes made
    if text.total < 0:
        raise RuntimeError("a head of more spans than its fields can make")
    made = PyBytes_FromStringAndSize(NULL, text.total)
    write(text, <unsigned char*>PyBytes_AS_STRING(made))
    return made


cdef inline Span span_of(bytes text) noexcept:
    cdef Span span
    span.start = <Octets>PyBytes_AS_STRING(text)
    span.length = PyBytes_GET_SIZE(text)
    return span


cdef inline bytes slice_of(Span span):
    return PyBytes_FromStringAndSize(<char*>span.start, span.length)


cdef inline bytes numbered(bytes prefix, uint64_t number):
    """The prefix and the number's 16 hex digits."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(prefix)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, size + 16)
    cdef char* text = PyBytes_AS_STRING(made)
    cdef const char* digits = b"0123456789abcdef"
    cdef int index
    memcpy(text, PyBytes_AS_STRING(prefix), size)
    for index in range(16):
        text[size + index] = digits[(number >> (60 - 4 * index)) & 15]
    return made


cdef inline bytes lowered(Span span):
    cdef bytes made = PyBytes_FromStringAndSize(<char*>span.start, span.length)
    cdef unsigned char* text = <unsigned char*>PyBytes_AS_STRING(made)
    cdef Py_ssize_t index
    if span.length > 1:  # the empty one and those of one byte are shared
        for index in range(span.length):
            if c"A" <= text[index] <= c"Z":
                text[index] |= 0x20
        return made
    return made.lower()


cdef inline bytes path_of(bytes target):
    cdef char* start = PyBytes_AS_STRING(target)
    cdef char* end = <char*>memchr(start, c"?", PyBytes_GET_SIZE(target))
    return target if end == NULL else PyBytes_FromStringAndSize(start, end - start)
