"""Targets and Host on the wire, and which service a request gets to by them."""

import pytest

from proxy.spec.route import Host, PathPrefix, RouteSpec, Rule
from tests.integration.conftest import Proxy, StartProxy
from tests.support.http_lines import rows
from tests.support.pieces import refusal
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend


def head(start: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join((start, *lines, b"", b""))


REFUSED = {
    "16 no Host": (head(b"GET / HTTP/1.1"), 400),
    "16 two Hosts": (head(b"GET / HTTP/1.1", b"Host: a", b"Host: a"), 400),
    "16 a comma in Host": (head(b"GET / HTTP/1.1", b"Host: a, b"), 400),
    "16 a slash in Host": (head(b"GET / HTTP/1.1", b"Host: a/b"), 400),
    "16 an @ in Host": (head(b"GET / HTTP/1.1", b"Host: a@b"), 400),
    "16 a port that is none": (head(b"GET / HTTP/1.1", b"Host: a:99999"), 400),
    "16 two Hosts in HTTP/1.0": (head(b"GET / HTTP/1.0", b"Host: a", b"Host: b"), 400),
    "18 no slash first": (head(b"GET x HTTP/1.1", b"Host: a"), 400),
    "18 * for another method": (head(b"GET * HTTP/1.1", b"Host: a"), 400),
    "18 authority-form": (head(b"GET a:80 HTTP/1.1", b"Host: a"), 400),
    "19 another scheme": (head(b"GET ws://a/ HTTP/1.1", b"Host: a"), 400),
    "19 userinfo": (head(b"GET http://a@b/ HTTP/1.1", b"Host: a"), 400),
    "19 a fragment": (head(b"GET http://a/#b HTTP/1.1", b"Host: a"), 400),
    "20 CONNECT": (head(b"CONNECT a:443 HTTP/1.1", b"Host: a:443"), 405),
    "21, 90 a # in the path": (head(b"GET /public#/../secret HTTP/1.1", b"Host: a"), 400),
    "21 a control byte in the path": (head(b"GET /\x7f HTTP/1.1", b"Host: a"), 400),
}


@pytest.mark.parametrize(("raw", "status"), rows(REFUSED))
async def test_bad_target_or_host_reaches_no_backend(start_proxy: StartProxy, raw: bytes, status: int) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        assert (await refusal(proxy.port, [raw])).status == status
        assert (
            await refusal(proxy.port, [raw[:20], raw[20:] + head(b"GET /behind HTTP/1.1", b"Host: a")])
        ).status == status
        assert backend.accepted == 0


FORWARDED = {
    "17 HTTP/1.0 without Host": (head(b"GET /x HTTP/1.0"), b"GET /x HTTP/1.1\r\nHost: "),
    "18 * for OPTIONS": (head(b"OPTIONS * HTTP/1.1", b"Host: a"), b"OPTIONS * HTTP/1.1\r\nHost: a\r\n"),
    "19 absolute-form": (
        head(b"GET http://b:81/x?y HTTP/1.1", b"Host: a"),
        b"GET /x?y HTTP/1.1\r\nHost: b:81\r\n",
    ),
    "19 absolute-form of https": (head(b"GET HTTPS://b HTTP/1.1", b"Host: a"), b"GET / HTTP/1.1\r\nHost: b\r\n"),
    "21, 90 encoded bytes": (
        head(b"GET /a%2f%2e%2e/%0d%0aX:%20y?z=%00 HTTP/1.1", b"Host: a"),
        b"GET /a%2f%2e%2e/%0d%0aX:%20y?z=%00 HTTP/1.1\r\n",
    ),
    "21 dot segments and empty segments": (
        head(b"GET /a/./b/..//c?d=../e HTTP/1.1", b"Host: a"),
        b"GET /a/./b/..//c?d=../e HTTP/1.1\r\n",
    ),
    "21 8-bit bytes": (head(b"GET /\xe4?\xf6 HTTP/1.1", b"Host: a"), b"GET /\xe4?\xf6 HTTP/1.1\r\n"),
    "22 TRACE is the backend's": (head(b"TRACE / HTTP/1.1", b"Host: a"), b"TRACE / HTTP/1.1\r\nHost: a\r\n"),
}


@pytest.mark.parametrize(("raw", "beginning"), rows(FORWARDED))
async def test_target_and_host_go_on(start_proxy: StartProxy, raw: bytes, beginning: bytes) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        async with RawClient(proxy.port) as client:
            await client.send(raw)
            assert (await client.read_response()).body == b"ok"
        (seen,) = backend.heads
        assert seen.startswith(beginning)
        assert seen.lower().count(b"\r\nhost:") == 1


async def two_services(start_proxy: StartProxy, one: ScriptedBackend, two: ScriptedBackend, *rules: Rule) -> Proxy:
    """A proxy that sends to each of two services what its rule takes."""
    proxy = await start_proxy(one.claim("one"), two.claim("two"))
    routes = tuple(RouteSpec(rule=rule, service=name) for rule, name in zip(rules, ("one", "two"), strict=True))
    proxy.reconcile(one.claim("one"), two.claim("two"), routes=routes)
    return proxy


@pytest.mark.http(89)
async def test_each_request_of_a_connection_goes_where_its_own_host_says(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(name="one") as one, ScriptedBackend(name="two") as two:
        proxy = await two_services(start_proxy, one, two, Host("one.test"), Host("two.test"))
        async with RawClient(proxy.port) as client:
            for _ in range(2):
                await client.send(head(b"GET /1 HTTP/1.1", b"Host: one.test"))
                assert (await client.read_response()).status == 200
                await client.send(head(b"GET http://two.test/2 HTTP/1.1", b"Host: one.test"))
                assert (await client.read_response()).status == 200
            await client.send(head(b"GET /3 HTTP/1.1", b"Host: three.test"))
            assert (await client.read_response()).status == 404
            await client.send(head(b"GET /4 HTTP/1.1", b"Host: one.test, two.test"))
            assert (await client.read_response()).status == 400
            assert await client.is_closed()
        assert [seen.split(b"\r\n")[0] for seen in one.heads] == [b"GET /1 HTTP/1.1"] * 2
        assert [seen.split(b"\r\n")[0] for seen in two.heads] == [b"GET /2 HTTP/1.1"] * 2


ESCAPES = [b"/api/../admin", b"/api/%2e%2e/admin", b"/api/.%2E/admin", b"/api/v1/../../admin", b"/api//../admin"]


@pytest.mark.http(21)
@pytest.mark.parametrize("path", ESCAPES)
async def test_dot_segments_do_not_lead_out_of_a_prefix(start_proxy: StartProxy, path: bytes) -> None:
    async with ScriptedBackend(name="one") as one, ScriptedBackend(name="two") as two:
        proxy = await two_services(start_proxy, one, two, PathPrefix("/api"), PathPrefix("/other"))
        async with RawClient(proxy.port) as client:
            await client.send(head(b"GET " + path + b" HTTP/1.1", b"Host: a"))
            assert (await client.read_response()).status == 404
        assert one.accepted + two.accepted == 0


@pytest.mark.http(20)
async def test_connect_opens_no_tunnel(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim())
        target = b"127.0.0.1:%d" % backend.port
        raw = head(b"CONNECT " + target + b" HTTP/1.1", b"Host: " + target)
        response = await refusal(proxy.port, [raw, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
        assert response.status == 405
        assert response.field("allow") is not None
        assert backend.accepted == 0
