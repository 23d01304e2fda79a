"""What the compiled codec does with bytes: classes, words, field lines, spans. C only, no Python objects.

Law: a pointer is compared with its end before it is read, and never moves past it.
"""

from libc.stdint cimport uint64_t
from libc.string cimport memcpy, strlen

ctypedef const unsigned char* Octets

cdef extern from *:
    """
    static unsigned char CLASSES[256];  /* what a byte may be a part of; filled once, at import */
    """
    unsigned char[256] CLASSES

cdef enum:
    NAME = 1  # a field name or a method: token characters
    UNDERSCORE = 2
    TEXT = 4  # a field value or a reason: blanks, visible and 8-bit characters
    TARGET = 8  # a request target behind its first character
    HOST = 16  # a registered name or an IPv4 address
    ADDRESS = 32  # an IPv6 address
    ZONE = 64  # the zone of one
    AUTHORITY = 128  # what ends only with the path of absolute-form; whether it is a host is asked later

    MOST_FIELDS = 256
    CAPACITY = 2 * MOST_FIELDS + 96  # spans: a claim and its comma of each line, protocols with theirs, and ours


cdef struct Span:
    Octets start
    Py_ssize_t length


cdef struct Line:  # one field line
    Octets start  # of it and of its name
    Py_ssize_t name  # length of its name
    bint underscored
    Span value  # what is between the colon and the line end, blanks included
    Octets next  # behind its line end


cdef struct Spans:  # pieces of a text to be written
    int count
    Py_ssize_t total  # of their lengths, -1 when there were too many of them
    Span[CAPACITY] items


# words

cdef inline bint spells(Octets text, Py_ssize_t length, const char* word) noexcept:
    """Whether valid text is `word`, which is in lower case, in any case.

    Setting the bit that tells the cases of a letter apart turns no other character of TEXT into one of a word: those
    are letters, digits and dashes, and what becomes a digit or a dash by it is a control character.
    """
    cdef Py_ssize_t index
    if length != <Py_ssize_t>strlen(word):
        return False
    for index in range(length):
        if (text[index] | 0x20) != <unsigned char>word[index]:
            return False
    return True


cdef inline bint begins(Octets text, Py_ssize_t length, const char* word) noexcept:
    """Whether valid text begins with `word`, read as by `spells`."""
    cdef Py_ssize_t size = <Py_ssize_t>strlen(word)
    return length >= size and spells(text, size, word)


cdef inline Octets skip(Octets text, Octets end, unsigned char kind) noexcept:
    """Behind the bytes of one class."""
    while text < end and CLASSES[text[0]] & kind:
        text += 1
    return text


cdef inline Octets skip_text(Octets text, Octets end) noexcept:
    """`skip` for TEXT, by eight bytes while none of them is DEL or below the space.

    Both tests are exact for "any of the eight", in either byte order (Bit Twiddling Hacks: hasless, haszero).
    """
    cdef uint64_t ones = 0x0101010101010101
    cdef uint64_t word, other
    while end - text >= 8:
        memcpy(&word, text, 8)
        other = word ^ (ones * 0x7F)
        if (((word - ones * 0x20) & ~word) | ((other - ones) & ~other)) & (ones * 0x80):
            break
        text += 8
    return skip(text, end, TEXT)


# field lines

cdef inline bint is_line_end(Octets text, Octets end) noexcept:
    """Whether CRLF stands at `text`."""
    return end - text >= 2 and text[0] == c"\r" and text[1] == c"\n"


cdef inline bint read_line(Line* line, Octets text, Octets end) noexcept:
    """Read the field line that begins at `text`; False when it is malformed or has no end."""
    cdef Octets at = text
    cdef unsigned char seen = 0
    while at < end and CLASSES[at[0]] & NAME:
        seen |= CLASSES[at[0]]
        at += 1
    if at == text or at == end or at[0] != c":":
        return False
    line.start = text
    line.name = at - text
    line.underscored = seen & UNDERSCORE
    line.value.start = at + 1
    at = skip_text(at + 1, end)
    line.value.length = at - line.value.start
    if not is_line_end(at, end):
        return False
    line.next = at + 2
    return True


cdef inline bint is_blank(unsigned char octet) noexcept:
    return octet == c" " or octet == c"\t"


cdef inline Span trimmed(Span span) noexcept:
    """Without the blanks around it."""
    while span.length and is_blank(span.start[0]):
        span.start += 1
        span.length -= 1
    while span.length and is_blank(span.start[span.length - 1]):
        span.length -= 1
    return span


cdef inline bint closes_quotes(Span text) noexcept:
    """Whether what is written behind the text is not inside of its quotation marks (RFC 9110 section 5.6.4)."""
    cdef bint quoted = False
    cdef Py_ssize_t index = 0
    while index < text.length:
        if text.start[index] == c'"':
            quoted = not quoted
        elif quoted and text.start[index] == c"\\":
            index += 1
        index += 1
    return not quoted


cdef inline bint take_member(Span* rest, Span* member) noexcept:
    """Take the next member that is not empty off a comma-separated list; False when there is none."""
    cdef Span piece
    while rest.length:
        piece = rest[0]
        while rest.length and rest.start[0] != c",":
            rest.start += 1
            rest.length -= 1
        piece.length -= rest.length
        if rest.length:  # the comma
            rest.start += 1
            rest.length -= 1
        member[0] = trimmed(piece)
        if member.length:
            return True
    return False


# spans

cdef inline void clear(Spans* spans) noexcept:
    """Begin an empty text; what `items` holds is never read beyond `count`."""
    spans.count = 0
    spans.total = 0


cdef inline void add(Spans* spans, Octets start, Py_ssize_t length) noexcept:
    """Note a piece; one that follows the last in memory becomes a part of it."""
    cdef Span* last
    if spans.total < 0:
        return
    if spans.count:
        last = &spans.items[spans.count - 1]
        if last.start + last.length == start:
            last.length += length
            spans.total += length
            return
    if spans.count == CAPACITY:
        spans.total = -1
        return
    spans.items[spans.count].start = start
    spans.items[spans.count].length = length
    spans.count += 1
    spans.total += length


cdef inline void add_span(Spans* spans, Span span) noexcept:
    add(spans, span.start, span.length)


cdef inline void add_words(Spans* spans, const char* words) noexcept:
    """Note a literal."""
    add(spans, <Octets>words, <Py_ssize_t>strlen(words))


cdef inline void add_all(Spans* spans, Spans* others) noexcept:
    """Note the pieces of another text."""
    cdef int index
    for index in range(others.count):
        add_span(spans, others.items[index])
    if others.total < 0:
        spans.total = -1


cdef inline void write(Spans* spans, unsigned char* place) noexcept:
    """Write the text to a place of `total` bytes."""
    cdef int index
    for index in range(spans.count):
        memcpy(place, spans.items[index].start, spans.items[index].length)
        place += spans.items[index].length
