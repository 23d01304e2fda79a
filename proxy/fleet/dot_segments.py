"""What a path may mean to a backend that resolves dot segments, so that they cannot leave a prefix.

Routing reads the path as sent. A backend may read `/api/../admin` as `/admin` (RFC 3986 section 5.2.4), may decode
`%2e` before it does, and may merge slashes before that, as nginx does: then `/api/x//../../admin` is `/admin` too.
A prefix therefore holds only if it holds for every reading; one that must not hold, for none.
"""

import re
from functools import lru_cache
from itertools import takewhile
from typing import Final

DOT_SEGMENT: Final = re.compile(rb"/(?:\.|%2[eE]){1,2}(?=/|\Z)")
_SLASHES: Final = re.compile(rb"/{2,}")
_SINGLE: Final = frozenset((b".", b"%2e", b"%2E"))
_DOUBLE: Final = frozenset(first + second for first in _SINGLE for second in _SINGLE)


def readings(path: bytes) -> tuple[bytes, ...]:
    """The path as sent, and when it has dot segments also as backends may resolve it."""
    return _resolved(path) if DOT_SEGMENT.search(path) else (path,)


def certain_path(path: bytes) -> bytes:
    """The part of `path`, in whole segments, that all readings begin with: a prefix holds when it holds for this."""
    return _in_common(path) if DOT_SEGMENT.search(path) else path


def resolve(path: bytes) -> bytes:
    """`path`, which begins with a slash, without its dot segments (RFC 3986 section 5.2.4); `%2e` counts as a dot."""
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment in _DOUBLE:
            del kept[-1:]
        elif segment not in _SINGLE:
            kept.append(segment)
    if segments[-1] in _SINGLE or segments[-1] in _DOUBLE:
        kept.append(b"")
    return b"/" + b"/".join(kept)


# A hostile path may be long and many conditions may ask about it: one request resolves it once.
@lru_cache(maxsize=1)
def _resolved(path: bytes) -> tuple[bytes, ...]:
    return path, resolve(path), resolve(_SLASHES.sub(b"/", path))


@lru_cache(maxsize=1)
def _in_common(path: bytes) -> bytes:
    columns = zip(*(reading.split(b"/") for reading in _resolved(path)), strict=False)
    return b"/".join(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))
