"""What the proxy tells backends of a request, and what it answers itself. Numbers are http.md's."""

import ipaddress
import re

import pytest

from proxy.spec.proxy import ListenAddress
from proxy.spec.route import EVERYTHING, PathPrefix, RouteSpec
from proxy.spec.service import ServiceSpec
from tests.integration.conftest import StartProxy
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import BackendConnection, ScriptedBackend

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def fields(head: bytes, name: str) -> list[str]:
    pairs = (line.decode("latin-1").partition(":") for line in head.split(b"\r\n")[1:])
    return [value.strip() for key, _, value in pairs if key.lower() == name]


# request ids


async def test_each_request_gets_an_id_of_its_own(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            for _ in range(3):
                await client.get("/", "X-Request-Id: mine")
        ids = [fields(head, "x-request-id") for head in backend.heads]
        assert all(len(each) == 1 and re.fullmatch(r"[0-9a-f]{32}", each[0]) for each in ids)
        assert len({each[0] for each in ids}) == 3


async def test_id_of_a_trusted_peer_is_kept(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), trusted=LOOPBACK)
        async with RawClient(proxy.port) as client:
            await client.get("/", "X-Request-Id: theirs")
        assert fields(backend.heads[0], "x-request-id") == ["theirs"]


async def test_no_ids_are_made_when_they_are_not_wanted(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), request_id=False)
        async with RawClient(proxy.port) as client:
            await client.get("/")
        assert fields(backend.heads[0], "x-request-id") == []


async def test_traceparent_passes_as_it_is(start_proxy: StartProxy) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.get("/", f"traceparent: {parent}", "tracestate: a=1")
        assert fields(backend.heads[0], "traceparent") == [parent]
        assert fields(backend.heads[0], "tracestate") == ["a=1"]


# who sent it


@pytest.mark.http(25)
async def test_forwarded_is_sent_where_it_is_wanted_and_not_believed_from_strangers(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), forwarded=True)
        async with RawClient(proxy.port) as client:
            await client.get("/", "Forwarded: for=10.0.0.1")
        assert fields(backend.heads[0], "forwarded") == ['for=127.0.0.1;host="example.com";proto=http']
        assert fields(backend.heads[0], "x-forwarded-for") == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("header", "client_address"),
    [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 4096 80\r\n", "192.0.2.1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (
            b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes((192, 0, 2, 7, 192, 0, 2, 2)) + b"\x10\x00\x00\x50",
            "192.0.2.7",
        ),
    ],
    ids=["version 1", "version 1, unknown", "version 2"],
)
@pytest.mark.parametrize("step", [1, 1000], ids=["byte by byte", "at once"])
async def test_proxy_protocol_says_whose_connection_it_is(
    start_proxy: StartProxy, header: bytes, client_address: str, step: int
) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), listen=ListenAddress("127.0.0.1", 0, proxy_protocol=True))
        async with RawClient(proxy.port) as client:
            data = header + b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
            for start in range(0, len(data), step):
                await client.send(data[start : start + step])
            assert (await client.read_response()).status == 200
            assert (await client.get("/2")).status == 200
        assert [fields(head, "x-forwarded-for") for head in backend.heads] == [[client_address]] * 2


@pytest.mark.parametrize(
    "header", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PROXY TCP4 nonsense\r\n", b"\r\n\r\n\x00\r\nQUIX\n"]
)
async def test_connection_without_a_good_proxy_header_is_closed_without_an_answer(
    start_proxy: StartProxy, header: bytes
) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), listen=ListenAddress("127.0.0.1", 0, proxy_protocol=True))
        async with RawClient(proxy.port) as client:
            await client.send(header)
            assert await client.is_closed()
        assert backend.heads == []
        assert {failure.label for failure in proxy.plane.statistics.bad_requests} == {"bad-proxy-header"}


async def test_proxy_header_that_does_not_come_in_time_closes_the_connection(start_proxy: StartProxy) -> None:
    listen = ListenAddress("127.0.0.1", 0, proxy_protocol=True)
    proxy = await start_proxy(listen=listen, head_timeout=0.2)
    async with RawClient(proxy.port) as client:
        await client.send(b"PROXY TCP4 192.")
        assert await client.is_closed()


async def test_limit_per_client_counts_the_clients_behind_a_load_balancer_apart(start_proxy: StartProxy) -> None:
    listen = ListenAddress("127.0.0.1", 0, proxy_protocol=True)
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), listen=listen, max_connections_per_client=1)
        async with RawClient(proxy.port) as first, RawClient(proxy.port) as second, RawClient(proxy.port) as third:
            for client, last, status in ((first, 1, 200), (second, 2, 200), (third, 1, 503)):
                await client.send(b"PROXY TCP4 192.0.2.%d 192.0.2.9 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" % last)
                assert (await client.read_response()).status == status


# the path


@pytest.mark.parametrize(
    ("path", "sent", "prefix"),
    [
        ("/api/users?id=1", "/users?id=1", ["/api"]),
        ("/api", "/", ["/api"]),
        ("/api?x", "/?x", ["/api"]),
        ("/api/%2e%2e%2fx", "/%2e%2e%2fx", ["/api"]),
    ],
)
async def test_prefix_of_the_route_is_stripped_where_the_service_wants_it(
    start_proxy: StartProxy, path: str, sent: str, prefix: list[str]
) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy()
        proxy.reconcile(
            backend.claim(),
            spec=ServiceSpec(name="web", strip_prefix=True),
            routes=(RouteSpec(rule=PathPrefix("/api"), service="web"),),
        )
        async with RawClient(proxy.port) as client:
            assert (await client.get(path, "X-Forwarded-Prefix: /lie")).status == 200
            assert (await client.get("/other")).status == 404
        (head,) = backend.heads
        assert head.split(b" ")[1].decode() == sent
        assert fields(head, "x-forwarded-prefix") == prefix


async def test_service_that_strips_without_a_prefix_in_its_route_gets_the_path_as_it_is(
    start_proxy: StartProxy,
) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy()
        proxy.reconcile(
            backend.claim(),
            spec=ServiceSpec(name="web", strip_prefix=True),
            routes=(RouteSpec(rule=EVERYTHING, service="web"),),
        )
        async with RawClient(proxy.port) as client:
            assert (await client.get("/a/b")).status == 200
        assert backend.heads[0].startswith(b"GET /a/b HTTP/1.1\r\n")
        assert fields(backend.heads[0], "x-forwarded-prefix") == []


# hops


@pytest.mark.http(22)
async def test_max_forwards_is_counted_down_and_ends_here_at_0(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            assert (await client.get("/", "Max-Forwards: 3", method="OPTIONS")).status == 200
            assert (await client.get("/", "Max-Forwards: 3", method="TRACE")).status == 200
            answer = await client.get("/", "Max-Forwards: 0", method="OPTIONS")
            assert (answer.status, answer.field("server"), answer.body) == (200, "seawall", b"")
            assert "GET" in (answer.field("allow") or "")
            refused = await client.get("/", "Max-Forwards: 0", "Cookie: secret", method="TRACE")
            assert (refused.status, refused.field("x-seawall-failure")) == (405, "method-refused")
            assert b"secret" not in refused.body
            assert (await client.get("/", "Max-Forwards: 0")).status == 200
        assert [fields(head, "max-forwards") for head in backend.heads] == [["2"], ["2"], ["0"]]


# trailers


async def with_trailers(connection: BackendConnection) -> None:
    """Answer every request in chunks, with trailers of which some are never to pass."""
    while True:
        await connection.read_request()
        await connection.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Content-Length\r\n\r\n5\r\nhello\r\n"
            b"0\r\nX-Sum: 17\r\nContent-Length: 999\r\nSet-Cookie: a=b\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n"
        )


@pytest.mark.http(31)
async def test_trailers_reach_a_client_that_takes_them(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(with_trailers) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
            await client.read_head()
            body = await client.reader.readuntil(b"\r\n\r\n")
            assert body == b"5\r\nhello\r\n0\r\nX-Sum: 17\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n"
            assert (await client.get()).body == b"hello"
        assert fields(backend.heads[0], "te") == ["trailers"]
        assert fields(backend.heads[0], "connection") == ["TE"]


@pytest.mark.http(31)
@pytest.mark.parametrize(
    "request_head", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.0\r\nTE: trailers\r\n\r\n"]
)
async def test_trailers_do_not_reach_a_client_that_did_not_ask_for_them(
    start_proxy: StartProxy, request_head: bytes
) -> None:
    async with ScriptedBackend(with_trailers) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(request_head)
            assert (await client.read_response()).body == b"hello"
        assert fields(backend.heads[0], "te") == []


@pytest.mark.http(31)
async def test_trailers_of_a_request_end_at_the_proxy(start_proxy: StartProxy) -> None:
    bodies = []

    async def collect(connection: BackendConnection) -> None:
        bodies.append((await connection.read_request())[1])
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with ScriptedBackend(collect) as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"2\r\nhi\r\n0\r\nHost: evil\r\nX-A: b\r\n\r\n"
            )
            assert (await client.read_response()).status == 200
    assert bodies == [b"2\r\nhi\r\n0\r\n\r\n"]
