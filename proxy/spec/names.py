"""Names that stand in rules, labels and URLs: hosts, paths, services."""

import ipaddress
import re
from typing import Final

from proxy.spec.values import InvalidValueError, shown

_HOST_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_PORT_SUFFIX: Final = re.compile(r":[0-9]{1,5}$")
_PATH: Final = re.compile(r'/[!"$->@-~]{0,2047}')  # visible ASCII without "?" and "#"
_PROBE_PATH: Final = re.compile(r'/[!"$-~]{0,2047}')  # with a query
_QUERY_PART: Final = re.compile(r'[!"$%\'-~]{0,1024}')  # visible ASCII without "#" and "&"
_SERVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@/-]{0,126}")


def parse_host_name(text: str) -> str:
    """A host name or IP address (IPv6 in brackets), in lower case, without the final dot. A port is an error."""
    name = text.strip().lower()
    if not name:
        raise InvalidValueError("the host is empty")
    if name.startswith("["):
        return f"[{_ipv6(name)}]"
    if not name.isascii():
        raise InvalidValueError(f"{shown(text)} is not in ASCII", "write it in punycode: xn--…")
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise InvalidValueError(f"{shown(text)} is not a host name", "letters, digits and - between dots")
    if labels[-1].isdigit():
        _check_ipv4(name)
    return name


def parse_host(text: str) -> str:
    """The host of a rule: also `*.example.com`, for one label in front; a port is left out."""
    name = text.strip().lower()
    if "://" in name or "/" in name:
        raise InvalidValueError(f"{shown(text)} is not a host name", "leave out the scheme and the path")
    name = _PORT_SUFFIX.sub("", name) if name.startswith("[") or name.count(":") == 1 else name
    if name == "*":
        raise InvalidValueError("* alone is not a host name", "leave the host out to take every host")
    wildcard = name.startswith("*.")
    rest = name.removeprefix("*.")
    if "*" in rest:
        raise InvalidValueError(f"{shown(text)} has a * that is not the whole first label", "write *.example.com")
    return "*." + parse_host_name(rest) if wildcard else parse_host_name(rest)


def parse_path(text: str) -> str:
    """A path, exactly as clients send it."""
    path = text.strip()
    if not path.startswith("/"):
        raise InvalidValueError(f"the path {shown(text)} does not start with /", f"write /{path[:40]}")
    if not path.isascii():
        raise InvalidValueError(
            f"the path {shown(text)} is not in ASCII", "write it percent-encoded, as clients send it"
        )
    if not _PATH.fullmatch(path):
        raise InvalidValueError(f"{shown(text)} is not a path", "without spaces, ? and #, at most 2048 characters")
    return path


def parse_prefix(text: str) -> str:
    """A path prefix of whole segments, without the slash at its end; `/` alone holds for every path."""
    prefix = parse_path(text)
    if prefix.endswith("/*"):
        raise InvalidValueError(f"the prefix {shown(text)} ends with a *", f"leave it out: {prefix[:-2] or '/'}")
    return prefix.rstrip("/") or "/"


def parse_probe_path(text: str) -> str:
    """The path that a probe asks for, with a query if need be."""
    if not _PROBE_PATH.fullmatch(text.strip()):
        raise InvalidValueError(f"{shown(text)} is not a path", "it starts with / and has no spaces: /healthz")
    return text.strip()


def parse_query_part(text: str) -> str:
    """A key or value of a query, as it is sent."""
    if not _QUERY_PART.fullmatch(text):
        raise InvalidValueError(
            f"{shown(text)} cannot stand in a query", "write it percent-encoded, as clients send it"
        )
    return text


def parse_service_name(text: str) -> str:
    """The name of a service."""
    if not _SERVICE.fullmatch(text.strip()):
        raise InvalidValueError(
            f"{shown(text)} is not a name for a service", "letters, digits and _ . - / @, at most 127 of them"
        )
    return text.strip()


def _ipv6(name: str) -> str:
    """The address between brackets, in its usual spelling."""
    try:
        if name.endswith("]") and "%" not in name:
            return str(ipaddress.IPv6Address(name[1:-1]))
    except ValueError:
        pass
    raise InvalidValueError(f"{shown(name)} is not an IPv6 address in brackets")


def _check_ipv4(name: str) -> None:
    """A name whose last label is a number can only be an IPv4 address (WHATWG URL, "ends in a number")."""
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        raise InvalidValueError(f"{shown(name)} is not an IPv4 address") from None
