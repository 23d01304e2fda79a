"""Static backends by table."""

import pytest

from proxy.spec.container import Claim
from proxy.spec.route import EVERYTHING, RouteSpec
from proxy.spec.service import BackendKey, BackendSpec, PolicyName, ServiceSpec
from proxy.spec.static import parse_static
from proxy.spec.values import InvalidValueError


def test_static_backend_is_a_whole_claim_on_every_request() -> None:
    key = BackendKey(container="http://127.0.0.1:8001", host="127.0.0.1", port=8001)
    assert parse_static("shop=http://127.0.0.1:8001") == Claim(
        service=ServiceSpec(name="shop"),
        backend=BackendSpec(key=key, name="127.0.0.1:8001", service="shop"),
        routes=(RouteSpec(rule=EVERYTHING, service="shop", text="everything"),),
    )


READ: dict[str, tuple[str, str, str, str, int, str]] = {
    "no service": ("http://a.example:81", "default", "http", "a.example", 81, "a.example:81"),
    "http has port 80": ("http://a.example", "default", "http", "a.example", 80, "a.example:80"),
    "https has port 443": ("s=HTTPS://A.example/", "s", "https", "a.example", 443, "a.example:443"),
    "IPv6": ("s=http://[fd00:0::1]:81", "s", "http", "fd00::1", 81, "[fd00::1]:81"),
    "IPv6 without port": ("http://[::1]", "default", "http", "::1", 80, "[::1]:80"),
}


@pytest.mark.parametrize(("text", "service", "scheme", "host", "port", "name"), READ.values(), ids=READ.keys())
def test_static_backend_is_read(text: str, service: str, scheme: str, host: str, port: int, name: str) -> None:
    backend = parse_static(text).backend
    key = BackendKey(container=f"{scheme}://{name}", host=host, port=port)
    assert (backend.service, backend.scheme, backend.key, backend.name) == (service, scheme, key, name)


REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("", "is not a URL"),
    "no scheme": ("127.0.0.1:8001", "is not a URL"),
    "another scheme": ("ftp://a", "not one of http and https"),
    "a path": ("http://a/api", "cannot carry a path or query: '/api'"),
    "a query": ("http://a?b=c", "cannot carry a path or query"),
    "a fragment": ("http://a#b", "cannot carry a path or query"),
    "a user": ("http://me:secret@a", "cannot carry a user or password"),
    "no host": ("http://:80", "the host is empty"),
    "a bad host": ("http://a b", "not a host name"),
    "a wildcard": ("http://*.example.com", "not a host name"),
    "a port in words": ("http://a:http", "'http' is not a port"),
    "an empty port": ("http://a:", "'' is not a port"),
    "a port out of range": ("http://a:70000", "'70000' is not a port"),
    "IPv6 without brackets": ("http://::1", "not a host and port"),
    "an IPv6 bracket left open": ("http://[::1", "not a host and port"),
    "an IPv4 address out of range": ("http://1.2.3.400", "not an IPv4 address"),
    "an empty service": ("=http://a", "not a name for a service"),
    "a bad service": ("a b=http://a", "not a name for a service"),
}


@pytest.mark.parametrize(("text", "what"), REFUSED.values(), ids=REFUSED.keys())
def test_static_backend_is_refused(text: str, what: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_static(text)
    assert what in str(caught.value)


def test_password_is_not_repeated_in_the_message() -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_static("http://me:secret@a")
    assert "secret" not in str(caught.value)


def test_operators_defaults_hold_for_static_backends() -> None:
    assert parse_static("http://a", {"policy": "random"}).service.policy is PolicyName.RANDOM
