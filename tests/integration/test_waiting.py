"""Requests that wait for a backend: while there is none, while all are full, and how the waiting ends."""

import asyncio
import ipaddress

import pytest

from proxy.failure import Failure
from proxy.spec.service import Lifecycle, LimitSpec, RetrySpec, ServiceSpec
from tests.integration.conftest import Proxy, StartProxy, until
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend


class Gate:
    """A script that answers each request when it is let through, one `pass_one` a request."""

    def __init__(self) -> None:
        self.waiting = 0
        self.most = 0
        self._passes = asyncio.Semaphore(0)

    def pass_one(self) -> None:
        self._passes.release()

    async def __call__(self, connection: BackendConnection) -> None:
        while True:
            await connection.read_request()
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            await self._passes.acquire()
            self.waiting -= 1
            await connection.write(OK)


def waiting(proxy: Proxy) -> int:
    return len(proxy.fleet.services["web"].line)


async def ask(client: RawClient, path: str = "/") -> None:
    await client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())


# nobody is there


async def test_request_waits_for_a_backend_and_is_served_when_one_comes(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(name="old") as old, ScriptedBackend(name="new") as new:
        proxy = await start_proxy(old.claim())
        proxy.fleet.observe("old", Lifecycle.DRAINING, asyncio.get_running_loop().time())
        async with RawClient(proxy.port) as client:
            await ask(client)
            await until(lambda: waiting(proxy) == 1)
            proxy.reconcile(old.claim(lifecycle=Lifecycle.GONE), new.claim())
            assert (await client.read_response()).status == 200
        assert waiting(proxy) == 0
        assert not proxy.fleet.services["web"].is_waited_for


async def test_wait_that_is_over_is_503_with_retry_after(start_proxy: StartProxy) -> None:
    spec = ServiceSpec(name="web", limit=LimitSpec(wait=0.3))
    proxy = await start_proxy(spec=spec)
    async with ScriptedBackend() as backend:
        proxy.reconcile(backend.claim(lifecycle=Lifecycle.PENDING), spec=spec)
        async with RawClient(proxy.port) as client:
            began = asyncio.get_running_loop().time()
            response = await client.get()
            waited = asyncio.get_running_loop().time() - began
        assert (response.status, response.field("x-seawall-failure")) == (503, "no-backend")
        assert response.field("retry-after") == "1"
        assert 0.3 <= waited < 1.5
        assert (waiting(proxy), proxy.fleet.services["web"].line.outwaited) == (0, 1)
        assert backend.accepted == 0


async def test_body_of_a_request_that_waits_is_sent_whole(start_proxy: StartProxy) -> None:
    bodies: list[bytes] = []

    async def collect(connection: BackendConnection) -> None:
        bodies.append((await connection.read_request())[1])
        await connection.write(OK)

    async with ScriptedBackend(collect) as backend:
        proxy = await start_proxy(backend.claim(lifecycle=Lifecycle.PENDING))
        async with RawClient(proxy.port) as client:
            body = bytes(range(256)) * 1024  # more than is held: the client is made to wait with the rest
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
            sending = asyncio.ensure_future(client.send(body))
            await until(lambda: waiting(proxy) == 1)
            proxy.reconcile(backend.claim())
            assert (await client.read_response()).status == 200
            await sending
    assert bodies == [body]


async def test_client_that_leaves_is_taken_out_of_the_line(start_proxy: StartProxy) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(lifecycle=Lifecycle.PENDING))
        async with RawClient(proxy.port) as client:
            await ask(client)
            await until(lambda: waiting(proxy) == 1)
            client.reset()
            await until(lambda: waiting(proxy) == 0)
        proxy.reconcile(backend.claim())
        await until(lambda: not proxy.fleet.services["web"].is_waited_for)
        assert backend.accepted == 0


async def test_line_that_is_full_turns_away_at_once(start_proxy: StartProxy) -> None:
    spec = ServiceSpec(name="web", limit=LimitSpec(queue=1, wait=5.0))
    async with ScriptedBackend() as backend:
        proxy = await start_proxy()
        proxy.reconcile(backend.claim(lifecycle=Lifecycle.PENDING), spec=spec)
        async with RawClient(proxy.port) as first, RawClient(proxy.port) as second:
            await ask(first)
            await until(lambda: waiting(proxy) == 1)
            response = await second.get()
            assert (response.status, response.field("x-seawall-failure")) == (503, "queue-full")
            assert proxy.fleet.services["web"].line.refused == 1
            proxy.reconcile(backend.claim(), spec=spec)
            assert (await first.read_response()).status == 200


async def test_service_that_wants_nobody_to_wait_answers_at_once(start_proxy: StartProxy) -> None:
    spec = ServiceSpec(name="web", limit=LimitSpec(wait=0.0))
    proxy = await start_proxy()
    async with ScriptedBackend() as backend:
        proxy.reconcile(backend.claim(lifecycle=Lifecycle.PENDING), spec=spec)
        async with RawClient(proxy.port) as client:
            loop = asyncio.get_running_loop()
            times = []
            for _ in range(3):
                began = loop.time()
                assert (await client.get()).status == 503
                times.append(loop.time() - began)
            assert min(times) < 0.2  # whatever else the machine does, it is not busy in the same moment of each


async def test_refused_request_waits_and_is_served_by_the_same_address_once_it_listens(
    start_proxy: StartProxy,
) -> None:
    backend = ScriptedBackend()
    async with backend:
        proxy = await start_proxy(backend.claim())
        await backend.stop_listening()
        async with RawClient(proxy.port) as client:
            await ask(client)
            await until(lambda: waiting(proxy) == 1)
            async with backend:
                key = backend.claim().backend.key
                proxy.fleet.confirmed(key, True, asyncio.get_running_loop().time())
                assert (await client.read_response()).status == 200
    assert [backend.statistics.failures for backend in proxy.fleet.backends()] == [{Failure.REFUSED: 1}]


async def test_only_replica_that_is_away_for_800_ms_costs_nobody_a_request(start_proxy: StartProxy) -> None:
    """By defaults, at 100 requests a second of which a third are POST."""
    loop = asyncio.get_running_loop()
    answers: list[tuple[float, int]] = []  # when it was asked, and the status
    back = 0.0

    async def one(proxy: Proxy, number: int) -> None:
        asked = loop.time()
        async with RawClient(proxy.port) as client:
            if number % 3:
                response = await client.get()
            else:
                await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
                response = await client.read_response()
            answers.append((asked, response.status))

    async with ScriptedBackend(name="old") as old, ScriptedBackend(name="new") as new:
        proxy = await start_proxy(old.claim())
        began = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for number in range(200):
                await asyncio.sleep(max(0.0, began + number / 100 - loop.time()))
                tasks.create_task(one(proxy, number))
                if number == 50:
                    proxy.fleet.observe("old", Lifecycle.DRAINING, loop.time())
                    await old.stop_listening()
                if number == 130:
                    proxy.reconcile(new.claim())
                    back = loop.time()
    # A busy machine may make 800 ms longer than a request waits, which is a second.
    lost = [back - asked for asked, status in answers if status != 200]
    assert [waited for waited in lost if waited < LimitSpec().wait] == []
    assert len(answers) == 200
    assert proxy.fleet.services["web"].line.waits.count >= 70


# all are full


async def test_no_more_than_the_limit_is_ever_in_flight_and_the_rest_waits(start_proxy: StartProxy) -> None:
    gate = Gate()
    spec = ServiceSpec(name="web", limit=LimitSpec(inflight=2, wait=5.0))
    async with ScriptedBackend(gate) as backend:
        proxy = await start_proxy(backend.claim(), spec=spec)
        clients = [RawClient(proxy.port) for _ in range(5)]
        for client in clients:
            await client.__aenter__()
            await ask(client)
        await until(lambda: gate.waiting == 2 and waiting(proxy) == 3)
        for _ in clients:
            gate.pass_one()
        assert [(await client.read_response()).status for client in clients] == [200] * 5
        assert gate.most == 2
        for client in clients:
            await client.__aexit__()
        assert not proxy.fleet.services["web"].is_waited_for


async def test_connections_to_a_backend_never_exceed_their_limit(start_proxy: StartProxy) -> None:
    spec = ServiceSpec(name="web", limit=LimitSpec(connections=2, wait=5.0))
    open_now = most = 0

    async def count(connection: BackendConnection) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        try:
            while True:
                await connection.read_request()
                await connection.write(OK)
        finally:
            open_now -= 1

    async with ScriptedBackend(count) as backend:
        proxy = await start_proxy(backend.claim(), spec=spec)

        async def use() -> None:
            async with RawClient(proxy.port) as client:
                for number in range(20):
                    if number % 2:
                        await ask(client)
                    else:
                        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                    assert (await client.read_response()).status == 200

        await asyncio.gather(*(use() for _ in range(6)))
        assert most <= 2


async def test_newest_is_served_first_once_the_line_has_stood(start_proxy: StartProxy) -> None:
    gate = Gate()
    spec = ServiceSpec(name="web", limit=LimitSpec(inflight=1, wait=5.0))
    async with ScriptedBackend(gate) as backend:
        proxy = await start_proxy(backend.claim(), spec=spec)
        async with RawClient(proxy.port) as busy, RawClient(proxy.port) as old, RawClient(proxy.port) as new:
            await ask(busy, "/busy")
            await until(lambda: gate.waiting == 1)
            await ask(old, "/old")
            await until(lambda: waiting(proxy) == 1)
            await asyncio.sleep(0.15)  # the line stands
            await ask(new, "/new")
            await until(lambda: waiting(proxy) == 2)
            for client in (busy, new, old):
                gate.pass_one()
                assert (await client.read_response()).status == 200
        assert [head.split(b" ")[1] for head in backend.heads] == [b"/busy", b"/new", b"/old"]


async def test_limit_that_is_taken_away_lets_everybody_through(start_proxy: StartProxy) -> None:
    gate = Gate()
    spec = ServiceSpec(name="web", limit=LimitSpec(inflight=1, wait=5.0))
    async with ScriptedBackend(gate) as backend:
        proxy = await start_proxy(backend.claim(), spec=spec)
        async with RawClient(proxy.port) as first, RawClient(proxy.port) as second:
            await ask(first)
            await ask(second)
            await until(lambda: gate.waiting == 1 and waiting(proxy) == 1)
            proxy.reconcile(backend.claim(), spec=ServiceSpec(name="web"))
            await until(lambda: gate.waiting == 2)
            gate.pass_one()
            gate.pass_one()
            assert {(await client.read_response()).status for client in (first, second)} == {200}


# clients that are kept

STICKY = ServiceSpec(name="web", sticky="srv", retry=RetrySpec())


async def test_client_stays_at_the_backend_that_its_cookie_names(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(name="a") as first, ScriptedBackend(name="b") as second:
        proxy = await start_proxy(first.claim(), second.claim(), spec=STICKY)
        async with RawClient(proxy.port) as client:
            cookie = (await client.get()).field("set-cookie") or ""
            assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
            named = cookie.split(";")[0]
            assert named.startswith("srv=")
            home, away = (first, second) if first.heads else (second, first)
            for _ in range(9):
                assert (await client.get("/", f"Cookie: a=b; {named}")).field("set-cookie") is None
        assert (len(home.heads), len(away.heads)) == (10, 0)


async def test_client_moves_on_when_its_backend_goes_and_gets_a_new_cookie(start_proxy: StartProxy) -> None:
    async with ScriptedBackend(name="a") as first, ScriptedBackend(name="b") as second:
        proxy = await start_proxy(first.claim(), second.claim(), spec=STICKY)
        async with RawClient(proxy.port) as client:
            cookie = ((await client.get()).field("set-cookie") or "").split(";")[0]
            home, away = ("a", second) if first.heads else ("b", first)
            proxy.fleet.drain(home, asyncio.get_running_loop().time())
            moved = (await client.get("/", f"Cookie: {cookie}")).field("set-cookie")
            assert moved is not None
            assert moved.split(";")[0] != cookie
            assert len(away.heads) == 1


@pytest.mark.parametrize("cookie", ["srv=0123456789abcdef", "srv=", 'srv="', "SRV=x"])
async def test_cookie_that_names_nobody_is_replaced(start_proxy: StartProxy, cookie: str) -> None:
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), spec=STICKY)
        async with RawClient(proxy.port) as client:
            response = await client.get("/", f"Cookie: {cookie}")
            assert response.status == 200
            assert (response.field("set-cookie") or "").startswith("srv=")


async def test_cookie_is_secure_where_a_trusted_proxy_says_https(start_proxy: StartProxy) -> None:
    trusted = (ipaddress.ip_network("127.0.0.0/8"),)
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), spec=STICKY, trusted=trusted)
        async with RawClient(proxy.port) as client:
            response = await client.get("/", "X-Forwarded-Proto: https")
            assert (response.field("set-cookie") or "").endswith("; Secure")
            assert response.body == b"ok"
