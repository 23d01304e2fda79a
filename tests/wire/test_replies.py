"""The answers the proxy makes itself."""

import pytest

from proxy.failure import Failure
from proxy.wire.codec import parse_response
from proxy.wire.head import ResponseHead
from proxy.wire.replies import options_reply, reply
from tests.wire.test_response import GET

pytestmark = pytest.mark.usefixtures("codec")


@pytest.mark.parametrize("failure", list(Failure), ids=lambda failure: failure.label)
def test_reply_is_a_whole_response_that_names_its_failure(failure: Failure) -> None:
    raw = reply(failure, b"now", 1, True, False)
    head, _, body = raw.partition(b"\r\n\r\n")
    parsed = parse_response(head + b"\r\n\r\n", GET, True, b"")
    assert isinstance(parsed, ResponseHead)
    assert parsed.status == failure.status
    assert parsed.body == len(body)
    assert b"X-Seawall-Failure: " + failure.label.encode() in head
    assert b"Server: seawall" in head
    assert body.count(b"\n") == 1


@pytest.mark.http(60)
def test_60_reply_to_head_has_no_body() -> None:
    assert reply(Failure.NO_BACKEND, b"now", 1, True, True).endswith(b"\r\n\r\n")


@pytest.mark.http(22)
def test_22_answer_to_options_that_ends_here_is_whole() -> None:
    assert options_reply(b"now", 1, stays=True).endswith(b"Content-Length: 0\r\nDate: now\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in options_reply(b"now", 1, stays=False)
    assert b"\r\nConnection: keep-alive\r\n" in options_reply(b"now", 0, stays=True)


def test_no_backend_says_when_to_come_again() -> None:
    assert b"Retry-After: 1\r\n" in reply(Failure.NO_BACKEND, b"now", 1, True, False)


@pytest.mark.http(48)
def test_48_connection_is_announced_as_it_will_be() -> None:
    assert b"Connection: close" in reply(Failure.NO_ROUTE, b"now", 1, False, False)
    assert b"Connection" not in reply(Failure.NO_ROUTE, b"now", 1, True, False)
    assert b"Connection: keep-alive" in reply(Failure.NO_ROUTE, b"now", 0, True, False)
