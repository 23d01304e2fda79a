"""What a probe sends and which answer passes, by the settings of a service."""

from typing import Any

import pytest

from proxy.control.probes.question import Question, question_of
from proxy.spec.service import BackendKey, BackendSpec, HealthSpec

PATH = "/healthz"


def question(health: HealthSpec, host: str = "10.0.0.1", port: int = 8000, scheme: str = "http") -> Question:
    key = BackendKey(container="c", host=host, port=port)
    return question_of(BackendSpec(key=key, name="web-1", service="web", scheme=scheme), health)


def sent(health: HealthSpec, **place: Any) -> bytes:
    request = question(health, **place).request
    assert request is not None
    return request.forward


def test_without_a_path_a_connect_is_all() -> None:
    asked = question(HealthSpec(), scheme="https")
    assert asked == Question(host="10.0.0.1", port=8000)


def test_path_is_asked_for_by_get_on_a_connection_of_its_own() -> None:
    assert sent(HealthSpec(path="/healthz?deep=1")) == (
        b"GET /healthz?deep=1 HTTP/1.1\r\nHost: 10.0.0.1:8000\r\nUser-Agent: seawall-probe\r\nAccept: */*\r\n"
        b"Connection: close\r\n\r\n"
    )


LINES: dict[str, tuple[dict[str, Any], dict[str, Any], bytes]] = {
    "the port is left out of Host where it is the scheme's own": ({}, {"port": 80}, b"Host: 10.0.0.1"),
    "the same for https": ({}, {"port": 443, "scheme": "https"}, b"Host: 10.0.0.1"),
    "port 443 is not http's own": ({}, {"port": 443}, b"Host: 10.0.0.1:443"),
    "an IPv6 address stands in brackets": ({}, {"host": "fd00::2"}, b"Host: [fd00::2]:8000"),
    "another port": ({"port": 9000}, {}, b"Host: 10.0.0.1:9000"),
    "another host": ({"host": "shop.example"}, {}, b"Host: shop.example"),
    "another method": ({"method": "HEAD"}, {}, b"HEAD /healthz HTTP/1.1"),
    "a method that usually has a body says that there is none": ({"method": "POST"}, {}, b"Content-Length: 0"),
    "a header of the operator's": ({"headers": (("X-Probe", "yes"),)}, {}, b"X-Probe: yes"),
    "one in place of ours": ({"headers": (("user-agent", "me"),)}, {}, b"User-Agent: me"),
    "the framing is not the operator's": ({"headers": (("connection", "upgrade"),)}, {}, b"Connection: close"),
}


@pytest.mark.parametrize(("settings", "place", "line"), LINES.values(), ids=LINES)
def test_request_has_line(settings: dict[str, Any], place: dict[str, Any], line: bytes) -> None:
    lines = sent(HealthSpec(path=PATH, **settings), **place).split(b"\r\n")
    name = line.partition(b":")[0]
    assert [one for one in lines if one.partition(b":")[0] == name] == [line]


def test_get_says_nothing_of_a_body() -> None:
    assert b"Content-Length" not in sent(HealthSpec(path=PATH))


def test_port_of_the_probe_is_where_it_connects() -> None:
    assert question(HealthSpec(path=PATH, port=9000)).port == 9000
    assert question(HealthSpec(port=9000)).port == 9000


def test_scheme_of_the_backend_is_that_of_the_probe() -> None:
    assert question(HealthSpec(path=PATH), scheme="https").tls
    assert not question(HealthSpec(path=PATH)).tls


STATUSES: dict[str, tuple[tuple[tuple[int, int], ...], int, str]] = {
    "the first of a range": (((200, 399),), 200, ""),
    "the last of a range": (((200, 399),), 399, ""),
    "one behind it": (((200, 399),), 400, "status 400, expected 200-399"),
    "one before it": (((200, 399),), 199, "status 199, expected 200-399"),
    "one of a list": (((200, 200), (300, 399)), 301, ""),
    "none of a list": (((200, 200), (300, 399)), 503, "status 503, expected 200, 300-399"),
}


@pytest.mark.parametrize(("ranges", "status", "objection"), STATUSES.values(), ids=STATUSES)
def test_status(ranges: tuple[tuple[int, int], ...], status: int, objection: str) -> None:
    assert question(HealthSpec(path=PATH, status=ranges)).objection_to_status(status) == objection


BODIES: dict[str, tuple[str | None, bytes, str]] = {
    "any will do": (None, b"\xff", ""),
    "found somewhere in it": ("ready", b'{"state": "ready"}', ""),
    "not in it": ("^ready$", b"not ready", "body does not match '^ready$'"),
    "text beyond ASCII": ("läuft", "läuft".encode(), ""),
    "bytes that are no text": ("ready", b"\xff\xferea", "body does not match 'ready'"),
}


@pytest.mark.parametrize(("pattern", "content", "objection"), BODIES.values(), ids=BODIES)
def test_body(pattern: str | None, content: bytes, objection: str) -> None:
    assert question(HealthSpec(path=PATH, body=pattern)).objection_to_body(content) == objection
