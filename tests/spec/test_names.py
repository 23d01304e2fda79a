"""Hosts, paths and names of services by table."""

from collections.abc import Callable

import pytest

from proxy.spec import names
from proxy.spec.values import InvalidValueError

READ: list[tuple[str, Callable[[str], str], str, str]] = [
    ("a host in capitals", names.parse_host, "Shop.Example", "shop.example"),
    ("a host with a port", names.parse_host, "shop.example:8080", "shop.example"),
    ("a host with the final dot", names.parse_host, "shop.example.", "shop.example"),
    ("a wildcard", names.parse_host, "*.Example.com", "*.example.com"),
    ("a wildcard with a port", names.parse_host, "*.example.com:80", "*.example.com"),
    ("an underscore, as compose makes them", names.parse_host, "my_app", "my_app"),
    ("an IPv4 address", names.parse_host, "10.0.0.1:80", "10.0.0.1"),
    ("an IPv6 address", names.parse_host, "[FD00:0::1]:80", "[fd00::1]"),
    ("punycode", names.parse_host, "xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("a path", names.parse_path, " /a/b ", "/a/b"),
    ("a path that is percent-encoded", names.parse_path, "/caf%C3%A9", "/caf%C3%A9"),
    ("a prefix with a slash at its end", names.parse_prefix, "/api/", "/api"),
    ("the prefix of everything", names.parse_prefix, "/", "/"),
    ("a path to probe, with a query", names.parse_probe_path, "/healthz?deep=1", "/healthz?deep=1"),
    ("a service of a Swarm stack", names.parse_service_name, "shop_web.1", "shop_web.1"),
]

REFUSED: list[tuple[str, Callable[[str], str], str, str]] = [
    ("an empty host", names.parse_host, "", "empty"),
    ("a URL as host", names.parse_host, "https://shop.example", "leave out the scheme"),
    ("a host with a path", names.parse_host, "shop.example/api", "leave out the scheme and the path"),
    ("a star alone", names.parse_host, "*", "leave the host out"),
    ("a star inside a label", names.parse_host, "w*.example.com", "write *.example.com"),
    ("a star in the middle", names.parse_host, "a.*.com", "write *.example.com"),
    ("two stars", names.parse_host, "*.*.com", "write *.example.com"),
    ("a wildcard of nothing", names.parse_host, "*.", "empty"),
    ("a wildcard of an address", names.parse_host, "*.0.0.1", "not an IPv4 address"),
    ("an umlaut", names.parse_host, "bücher.example", "punycode"),
    ("a space", names.parse_host, "shop example", "not a host name"),
    ("two dots", names.parse_host, "shop..example", "not a host name"),
    ("a label that begins with a hyphen", names.parse_host, "-a.example", "not a host name"),
    ("a label of 64 characters", names.parse_host, "a" * 64, "not a host name"),
    ("a name of 254 characters", names.parse_host, "a.b" * 84 + "cc", "not a host name"),
    ("an IPv4 address out of range", names.parse_host, "300.0.0.1", "not an IPv4 address"),
    ("an IPv6 address without brackets", names.parse_host, "fd00::1", "not a host name"),
    ("brackets without address", names.parse_host, "[]", "not an IPv6 address"),
    ("an IPv6 address with zone", names.parse_host, "[fe80::1%eth0]", "not an IPv6 address"),
    ("a path without slash", names.parse_path, "api", "write /api"),
    ("a path with a query", names.parse_path, "/a?b", "not a path"),
    ("a path with a fragment", names.parse_path, "/a#b", "not a path"),
    ("a path with a space", names.parse_path, "/a b", "not a path"),
    ("a path outside ASCII", names.parse_path, "/café", "percent-encoded"),
    ("an endless path", names.parse_path, "/" + "a" * 2048, "not a path"),
    ("a prefix with a star", names.parse_prefix, "/api/*", "leave it out: /api"),
    ("a path to probe with a line break", names.parse_probe_path, "/a\r\nHost: b", "not a path"),
    ("an ampersand in a query", names.parse_query_part, "a&b", "percent-encoded"),
    ("a space in a query", names.parse_query_part, "a b", "percent-encoded"),
    ("an empty name of a service", names.parse_service_name, "", "not a name for a service"),
    ("a name of a service with a quote", names.parse_service_name, 'a"b', "not a name for a service"),
    ("a name of a service with a line break", names.parse_service_name, "a\nb", "not a name for a service"),
    ("an endless name of a service", names.parse_service_name, "a" * 128, "not a name for a service"),
]


@pytest.mark.parametrize(("parse", "text", "value"), [pytest.param(*row[1:], id=row[0]) for row in READ])
def test_name_is_read(parse: Callable[[str], str], text: str, value: str) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(("parse", "text", "words"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_name_is_refused(parse: Callable[[str], str], text: str, words: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse(text)
    assert words in f"{caught.value} ({caught.value.hint})"
