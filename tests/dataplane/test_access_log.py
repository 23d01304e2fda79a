"""The access log against outputs that are slow or gone, and against what clients put in it."""

import asyncio
import json
import os
import random
import re
import select
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dataplane import access_log
from proxy.dataplane.access_log import MAX_HELD, AccessLog, AccessLogFormat
from proxy.dataplane.exchange import Exchange
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
    for _ in range(MAX_HELD // 100):  # no line is that short
        log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, head)
    log.flush()
    assert log.dropped > 0
    assert log._held <= MAX_HELD


def test_line_among_those_of_other_processes_is_written_in_one_piece() -> None:
    reader, writer = os.pipe2(os.O_DIRECT)  # keeps apart what was written at once
    try:
        log = AccessLog(AccessLogFormat.JSON, writer, has_company=True)
        for number in range(100):
            log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, request(target=b"/" + b"x" * number))
        log.flush()
        pieces: list[bytes] = []
        while sum(piece.count(b"\n") for piece in pieces) < 100:
            pieces.append(os.read(reader, 1 << 16))
        assert all(piece.endswith(b"\n") and len(piece) <= select.PIPE_BUF for piece in pieces)
        assert len(pieces) > 2
    finally:
        os.close(reader)
        os.close(writer)


async def test_reader_that_is_slow_gets_every_line(pipe: tuple[int, int]) -> None:
    log = AccessLog(AccessLogFormat.JSON, pipe[1])
    head = request()
    lines = 5000  # a pipe takes a tenth of them at once
    for _ in range(lines):
        log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, head)
    loop = asyncio.get_running_loop()
    log.flush(loop)
    read = await read_lines(pipe[0], lines)
    assert len({json.loads(line)["status"] for line in read}) == 1
    assert (log.dropped, log._held) == (0, 0)
    assert not loop.remove_writer(pipe[1])  # it has let go of the output


async def test_lines_written_meanwhile_come_behind_those_that_wait(pipe: tuple[int, int]) -> None:
    log = AccessLog(AccessLogFormat.JSON, pipe[1])
    loop = asyncio.get_running_loop()
    for number in range(1000):
        log.record_refused(b"%d" % number, Failure.NO_ROUTE, None)
        if number % 100 == 0:
            log.flush(loop)
    log.flush(loop)
    read = await read_lines(pipe[0], 1000)
    assert [int(json.loads(line)["client"]) for line in read] == list(range(1000))


async def read_lines(descriptor: int, least: int) -> list[bytes]:
    """What comes out of a pipe until it is so many lines."""
    loop = asyncio.get_running_loop()
    read, enough = bytearray(), asyncio.Event()

    def take() -> None:
        read.extend(os.read(descriptor, 16 * 1024))
        if read.count(b"\n") >= least:
            enough.set()

    loop.add_reader(descriptor, take)
    async with asyncio.timeout(10):
        await enough.wait()
    loop.remove_reader(descriptor)
    return bytes(read).splitlines()


def test_end_waits_a_moment_for_a_slow_reader(pipe: tuple[int, int]) -> None:
    log = AccessLog(AccessLogFormat.JSON, pipe[1])
    for _ in range(2000):
        log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, None)
    read = []

    def take() -> None:
        while chunk := os.read(pipe[0], 16 * 1024):
            read.append(chunk)

    reader = threading.Thread(target=take)
    reader.start()
    log.close()
    os.close(pipe[1])
    reader.join()
    assert b"".join(read).count(b"\n") == 2000


def test_end_does_not_wait_for_a_reader_that_is_stuck(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "LAST_LINES", 0.01)
    log = AccessLog(AccessLogFormat.JSON, pipe[1])
    for _ in range(2000):
        log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, None)
    log.close()
    assert log._held > 0


def test_reader_that_is_gone_harms_nobody(pipe: tuple[int, int]) -> None:
    log = AccessLog(AccessLogFormat.JSON, pipe[1])
    os.close(pipe[0])
    log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, request())
    log.flush()
    assert log.dropped == 1


class Ended:
    """An exchange as the log reads it."""

    def __init__(self, head: RequestHead, **changes: object) -> None:
        self.downstream = SimpleNamespace(client=b"192.0.2.7")
        self.head = head
        self.status = 200
        self.request_bytes, self.response_bytes = 5, 123
        self.queued = 0.125
        self.service = SimpleNamespace(spec=SimpleNamespace(name="web"))
        self.served_by: str | None = "web-1"
        self.attempts: tuple[tuple[str, Failure | int, float], ...] = ()
        for name, value in changes.items():
            setattr(self, name, value)


def entry_of(pipe: tuple[int, int], exchange: Ended, failure: Failure | None = None) -> dict[str, object]:
    """The line that is written for an exchange of 1.25 s."""
    log = AccessLog(AccessLogFormat.JSON, pipe[1])
    log.record(cast(Exchange, exchange), 1.25, failure)
    log.flush()
    raw = os.read(pipe[0], 1 << 16)
    assert raw.count(b"\n") == 1
    assert raw.endswith(b"\n")
    assert raw.isascii()
    entry: dict[str, object] = json.loads(raw)
    return entry


def test_json_line_has_every_figure_of_its_exchange(pipe: tuple[int, int]) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    entry = entry_of(pipe, Ended(request(target=b"/x?y")))
    written = datetime.fromisoformat(str(entry.pop("time")))
    assert before <= written <= datetime.now(UTC)
    assert entry == {
        "client": "192.0.2.7",
        "method": "GET",
        "host": "a",
        "path": "/x",
        "status": 200,
        "request_bytes": 5,
        "response_bytes": 123,
        "duration_ms": 1250.0,
        "queue_ms": 125.0,
        "request_id": "",
        "service": "web",
        "backend": "web-1",
        "attempts": [],
        "failure": None,
    }


def test_json_line_has_every_attempt(pipe: tuple[int, int]) -> None:
    attempts = (("web-1", Failure.REFUSED, 0.001), ("web-2", 503, 0.5), ('we"b', Failure.RESET, 0.25))
    exchange = Ended(request(), status=502, served_by=None, attempts=attempts)
    entry = entry_of(pipe, exchange, Failure.RESET)
    assert (entry["status"], entry["backend"], entry["failure"]) == (502, None, "reset")
    assert entry["attempts"] == [
        {"backend": "web-1", "failure": "refused", "ms": 1.0},
        {"backend": "web-2", "status": 503, "ms": 500.0},
        {"backend": 'we"b', "failure": "reset", "ms": 250.0},
    ]


HOSTILE = {
    "a quotation mark": (b'/"', '/"'),
    "a backslash": (b"/%5c\\x41", "/%5c\\\\x41"),
    "8-bit bytes": (b"/\xe4\xff", "/\\xe4\\xff"),
    "what looks like the end of the line": (b'/","status":200}', '/","status":200}'),
    "percent signs": (b"/%d%b%s", "/%d%b%s"),
}


@pytest.mark.http(28)
@pytest.mark.parametrize(("target", "path"), HOSTILE.values(), ids=HOSTILE)
def test_bytes_of_a_client_cannot_break_its_line(pipe: tuple[int, int], target: bytes, path: str) -> None:
    assert entry_of(pipe, Ended(request(target=target)))["path"] == path


@given(st.binary(max_size=40), st.text(max_size=20))
def test_any_bytes_and_names_make_one_line_of_json(path: bytes, name: str) -> None:
    head = request()
    head.path = path
    reader, writer = os.pipe()
    try:
        entry = entry_of((reader, writer), Ended(head, served_by=name))
    finally:
        os.close(reader)
        os.close(writer)
    assert entry["path"] == path.decode("latin-1").encode("unicode_escape").decode("ascii")
    assert entry["backend"] == name


def test_refused_line_without_a_head_says_so(pipe: tuple[int, int]) -> None:
    log = AccessLog(AccessLogFormat.JSON, pipe[1])
    log.record_refused(b"192.0.2.7", Failure.BAD_REQUEST_LINE, None)
    log.flush()
    entry = json.loads(os.read(pipe[0], 4096))
    assert (entry["method"], entry["host"], entry["path"]) == (None, None, None)
    assert (entry["status"], entry["failure"]) == (400, "bad-request-line")


# combined

FIELDS = {
    "both fields": ((b"User-Agent: curl/8", b"Referer: http://a/"), '"http://a/" "curl/8"'),
    "neither": ((), '"-" "-"'),
    "in any case, blanks trimmed": ((b"USER-AGENT: \t x \t",), '"-" "x"'),
    "an empty one": ((b"User-Agent:",), '"-" "-"'),
    "several lines": ((b"User-Agent: a", b"user-agent: b"), '"-" "a, b"'),
    "a name within another": ((b"X-User-Agent: a",), '"-" "-"'),
    "a backslash": ((b"User-Agent: a\\",), '"-" "a\\\\"'),
    "8-bit bytes": ((b"Referer: \xe4",), '"\\xe4" "-"'),
}


@pytest.mark.parametrize(("fields", "end"), FIELDS.values(), ids=FIELDS)
def test_combined_line_ends_in_referer_and_agent(pipe: tuple[int, int], fields: tuple[bytes, ...], end: str) -> None:
    assert combined_line(pipe, Ended(request(*fields))).endswith(f'"GET / HTTP/1.1" 200 123 {end}\n')


@given(st.binary(max_size=40))
def test_any_bytes_make_one_line_of_four_quoted_parts(target: bytes) -> None:
    head = request(b"User-Agent: x")
    head.target = target
    reader, writer = os.pipe()
    try:
        line = combined_line((reader, writer), Ended(head))
    finally:
        os.close(reader)
        os.close(writer)
    assert line[:-1].isprintable()
    parts = re.fullmatch(r'192\.0\.2\.7 - - \[[^]]+\] "((?:[^"\\]|\\.)*)" 200 123 "-" "x"\n', line)
    assert parts is not None
    shown = target.decode("latin-1").encode("unicode_escape").decode("ascii").replace('"', '\\"')
    assert parts[1] == f"GET {shown} HTTP/1.1"


def combined_line(pipe: tuple[int, int], exchange: Ended) -> str:
    log = AccessLog(AccessLogFormat.COMBINED, pipe[1])
    log.record(cast(Exchange, exchange), 1.25, None)
    log.flush()
    return os.read(pipe[0], 1 << 16).decode("ascii")


# sampling

RETRIED = (("web-1", Failure.REFUSED, 0.001),)
KEPT: dict[str, tuple[dict[str, object], Failure | None]] = {
    "a response of the backend with 500": ({"status": 500}, None),
    "an answer of ours with 502": ({"status": 502}, Failure.REFUSED),
    "a response that was cut": ({"status": 200}, Failure.TRUNCATED),
    "a retry that went well": ({"status": 200, "attempts": RETRIED}, None),
}
LEFT_OUT: dict[str, tuple[dict[str, object], Failure | None]] = {
    "a response with 200": ({"status": 200}, None),
    "a response with 404": ({"status": 404}, None),
    "a client that left": ({"status": 499}, Failure.CLIENT_GONE),
}


def lines_of(pipe: tuple[int, int], share: float, exchange: Ended, failure: Failure | None, times: int = 1) -> int:
    log = AccessLog(AccessLogFormat.JSON, pipe[1], share, random.Random(7))
    for _ in range(times):
        log.record(cast(Exchange, exchange), 1.25, failure)
    log.flush()
    os.set_blocking(pipe[0], False)
    try:
        return os.read(pipe[0], 1 << 17).count(b"\n")
    except BlockingIOError:
        return 0


@pytest.mark.parametrize(("changes", "failure"), KEPT.values(), ids=KEPT)
def test_share_of_nothing_still_keeps(
    pipe: tuple[int, int], changes: dict[str, object], failure: Failure | None
) -> None:
    assert lines_of(pipe, 0.0, Ended(request(), **changes), failure) == 1


@pytest.mark.parametrize(("changes", "failure"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_share_of_nothing_leaves_out(
    pipe: tuple[int, int], changes: dict[str, object], failure: Failure | None
) -> None:
    assert lines_of(pipe, 0.0, Ended(request(), **changes), failure) == 0


def test_share_is_about_what_was_asked_for(pipe: tuple[int, int]) -> None:
    assert 60 <= lines_of(pipe, 0.25, Ended(request()), None, times=300) <= 90


def test_refused_request_is_sampled_unless_it_was_for_a_fault_of_ours(pipe: tuple[int, int]) -> None:
    log = AccessLog(AccessLogFormat.JSON, pipe[1], 0.0)
    log.record_refused(b"192.0.2.7", Failure.NO_ROUTE, None)
    log.record_refused(b"192.0.2.7", Failure.TOO_MANY_CONNECTIONS, None)
    log.flush()
    (line,) = os.read(pipe[0], 4096).splitlines()
    assert json.loads(line)["failure"] == "too-many-connections"
