"""Fields on the way, both ways: what goes, what is added, and what a client cannot reach."""

import ipaddress
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.dataplane.access_log import AccessLog, AccessLogFormat
from tests.integration.conftest import StartProxy
from tests.support.http_lines import rows
from tests.support.pieces import KeptRequests, lines_of
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend

OURS = (b"X-Forwarded-Host: a", b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http", b"Via: 1.1 seawall")
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def get(*lines: bytes) -> bytes:
    return b"\r\n".join((b"GET / HTTP/1.1", b"Host: a", *lines, b"", b""))


async def seen_by_backend(start_proxy: StartProxy, *lines: bytes, **settings: object) -> list[bytes]:
    """The field lines the backend gets behind Host, but for the id, of a request with these."""
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), **settings)
        async with RawClient(proxy.port) as client:
            await client.send(get(*lines))
            assert (await client.read_response()).status == 200
        (head,) = backend.heads
        first, *others = lines_of(head)
        assert first == b"Host: a"
        return [line for line in others if not line.startswith(b"X-Request-Id: ")]


REQUEST_FIELDS = {
    "24, 25 nothing but ours": ([], OURS),
    "23 hop-by-hop fields": (
        [b"Connection: close", b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"TE: gzip"],
        OURS,
    ),
    "23 a field that Connection names, before and behind it": (
        [b"X-A: 1", b"Connection: x-a, X-B", b"x-b: 2", b"X-C: 3"],
        (b"X-C: 3", *OURS),
    ),
    "23 Connection cannot take away what routing and login need": (
        [b"Connection: host, cookie, authorization", b"Cookie: c", b"Authorization: d"],
        (b"Cookie: c", b"Authorization: d", *OURS),
    ),
    "23, 25, 90 Connection cannot take away who asked": (
        [b"Connection: close, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Via"],
        OURS,
    ),
    "25 what a client claims": (
        [b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: evil", b"Forwarded: for=x"],
        OURS,
    ),
    "27 names that become ours in a backend's variables": (
        [b"X_Forwarded_For: 10.0.0.1", b"Content_Length: 9", b"Transfer_Encoding: chunked", b"a_b: stays"],
        (b"a_b: stays", *OURS),
    ),
}


@pytest.mark.parametrize(("sent", "expected"), rows(REQUEST_FIELDS))
async def test_backend_sees_end_to_end_fields_and_ours(
    start_proxy: StartProxy, sent: list[bytes], expected: tuple[bytes, ...]
) -> None:
    assert await seen_by_backend(start_proxy, *sent) == list(expected)


@pytest.mark.http(25)
async def test_claims_of_a_trusted_proxy_are_continued(start_proxy: StartProxy) -> None:
    seen = await seen_by_backend(
        start_proxy,
        b"X-Forwarded-For: 192.0.2.1",
        b"X-Forwarded-For: 192.0.2.2, 192.0.2.3",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: shop.test",
        b"Forwarded: for=192.0.2.1",
        trusted=LOOPBACK,
    )
    assert seen == [
        b"Forwarded: for=192.0.2.1",
        b"X-Forwarded-Host: shop.test",
        b"X-Forwarded-For: 192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1",
        b"X-Forwarded-Proto: https",
        b"Via: 1.1 seawall",
    ]


@pytest.mark.http(23, 24, 26)
async def test_client_sees_end_to_end_fields_and_ours(start_proxy: StartProxy) -> None:
    script = KeptRequests(
        b"HTTP/1.1 200 OK\r\nX-Hop: 1\r\nConnection: x-hop, keep-alive\r\nKeep-Alive: timeout=9\r\nUpgrade: h2c\r\n"
        b"Proxy-Connection: keep-alive\r\nVia: 1.0 other\r\nETag: e\r\nContent-Length: 0\r\n\r\n"
    )
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            response = await client.get()
        lines = lines_of(response.head)
        date = [line for line in lines if line.startswith(b"Date: ")]
        assert len(date) == 1
        assert date[0].endswith(b" GMT")
        lines.remove(date[0])
        assert lines == [b"Via: 1.0 other", b"ETag: e", b"Content-Length: 0", b"Via: 1.1 seawall"]


@pytest.mark.http(26)
async def test_date_of_the_backend_stays(start_proxy: StartProxy) -> None:
    script = KeptRequests(b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n")
    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            response = await client.get()
        assert response.head.lower().count(b"\r\ndate:") == 1
        assert response.field("date") == "Thu, 01 Jan 1970 00:00:00 GMT"


HOSTILE = {
    "28 a refused one": (b"GET /<script>\x1b[31m HTTP/1.1\r\nHost: <script>\r\n\r\n", 400),
    "28 one that no route takes": (b"GET /<script>%0d%0aX:y HTTP/1.1\r\nHost: a\r\nX-A: <script>\r\n\r\n", 404),
    "28 an unknown method": (b"<SCRIPT> / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
}


@pytest.mark.parametrize(("raw", "status"), rows(HOSTILE))
async def test_nothing_of_the_client_is_in_an_answer_of_our_own(
    start_proxy: StartProxy, raw: bytes, status: int
) -> None:
    proxy = await start_proxy()
    async with RawClient(proxy.port) as client:
        await client.send(raw)
        response = await client.read_response()
    assert response.status == status
    assert b"script" not in (response.head + response.body).lower()
    assert b"\x1b" not in response.head + response.body


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[tuple[AccessLog, Path]]:
    """A JSON access log, and the file it goes to."""
    path = tmp_path / "access.log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    yield AccessLog(AccessLogFormat.JSON, descriptor), path
    os.close(descriptor)


@pytest.mark.http(28)
async def test_bytes_of_the_client_are_escaped_in_the_log(
    start_proxy: StartProxy, log_file: tuple[AccessLog, Path]
) -> None:
    log, path = log_file
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), access_log=log)
        async with RawClient(proxy.port) as client:
            await client.send(b'GET /\xff"%0a HTTP/1.1\r\nHost: a\r\n\r\n')
            assert (await client.read_response()).status == 200
            await client.send(b"GET /\n{} HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await client.read_response()).status == 400
    log.flush()
    raw = path.read_bytes()
    assert raw.isascii()
    good, bad = (json.loads(line) for line in raw.splitlines())
    assert (good["path"], good["status"]) == ('/\\xff"%0a', 200)
    assert (bad["path"], bad["status"]) == (None, 400)
