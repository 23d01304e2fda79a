"""Forwarding below a prefix: a backend that does not know the path it is mounted at gets targets without it.

Law: what is taken off is whole segments of the path as it was sent, and what is left is a path, never an authority. A
target of two slashes at its beginning is a reference to another host to whoever resolves it (RFC 3986 section 4.2), and
so it is, to browsers, with a backslash in either place: all of them at the beginning of the rest become one slash.
"""

from typing import Final

from proxy.wire.head import RequestHead

_NAME: Final = b"X-Forwarded-Prefix: "
_LINE: Final = b"\r\nx-forwarded-prefix:"


def without_prefix(head: RequestHead, prefix: bytes) -> bytes:
    """The head to forward, without `prefix` in its target and with it in X-Forwarded-Prefix.

    `prefix` begins with a slash; one at its end means nothing. Dot segments stay as sent: they must not lead out of the
    prefix, which is for the route to see. A target that is not below it, such as `*`, goes on unchanged and without the
    field. What a trusted peer said was taken off before comes first in the field, the first of its lines that says
    something; the codec has dropped what others said.
    """
    prefix = prefix.rstrip(b"/")
    path, size = head.path, len(prefix)
    if not prefix or not path.startswith(prefix) or path[size : size + 1] not in (b"", b"/"):
        return head.forward
    rest = b"/" + path[size:].lstrip(b"/\\") + head.target[len(path) :]
    start = len(head.method) + 1
    fields, claimed = _take_claims(head.forward[start + len(head.target) : -2])
    return b"".join((head.forward[:start], rest, fields, _NAME, claimed.rstrip(b"/"), prefix, b"\r\n\r\n"))


def _take_claims(lines: bytes) -> tuple[bytes, bytes]:
    """(the lines without X-Forwarded-Prefix, the first value of it that says something)."""
    lower = lines.lower()
    at = lower.find(_LINE)
    if at < 0:
        return lines, b""
    kept, claimed, end = [], b"", 0
    while at >= 0:
        kept.append(lines[end:at])
        end = lines.find(b"\r\n", at + 2)
        claimed = claimed or lines[at + len(_LINE) : end].strip(b" \t")
        at = lower.find(_LINE, end)
    kept.append(lines[end:])
    return b"".join(kept), claimed
