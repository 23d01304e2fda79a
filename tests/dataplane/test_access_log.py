"""The access log against outputs that are slow or gone, and against what clients put in it."""

import json
import os
from collections.abc import Iterator

import pytest

from proxy.dataplane.access_log import MAX_LINES, AccessLog, AccessLogFormat
from proxy.failure import Failure
from proxy.wire.codec import parse_request
from proxy.wire.head import RequestHead
from proxy.wire.peer import Peer


def request(*fields: bytes, target: bytes = b"/") -> RequestHead:
    head = parse_request(
        b"\r\n".join((b"GET " + target + b" HTTP/1.1", b"Host: a", *fields, b"", b"")), Peer(b"192.0.2.7"), 1
    )
    assert isinstance(head, RequestHead)
    return head


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            pass  # the test closed it


def test_line_is_json_with_every_byte_of_the_client_escaped(pipe: tuple[int, int]) -> None:
    log = AccessLog(AccessLogFormat.JSON, pipe[1])
    log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, request(target=b'/\xff"x'))
    log.flush()
    raw = os.read(pipe[0], 4096)
    assert raw.count(b"\n") == 1
    assert raw.isascii()
    entry = json.loads(raw)
    assert (entry["status"], entry["failure"], entry["client"]) == (404, "no-route", "192.0.2.7")


def test_combined_line_cannot_be_broken_by_quotes(pipe: tuple[int, int]) -> None:
    log = AccessLog(AccessLogFormat.COMBINED, pipe[1])
    log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, request(b'User-Agent: x" 200 "y'))
    log.flush()
    line = os.read(pipe[0], 4096).decode()
    assert '"GET / HTTP/1.1" 404' in line
    assert '"x\\" 200 \\"y"' in line


def test_reader_that_is_stuck_blocks_nobody_and_is_bounded(pipe: tuple[int, int]) -> None:
    log = AccessLog(AccessLogFormat.JSON, pipe[1])
    head = request()
    for _ in range(4):
        for _ in range(MAX_LINES):
            log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, head)
        log.flush()
    assert log.dropped > 0


def test_reader_that_is_gone_harms_nobody(pipe: tuple[int, int]) -> None:
    log = AccessLog(AccessLogFormat.JSON, pipe[1])
    os.close(pipe[0])
    log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, request())
    log.flush()
    assert log.dropped == 1
