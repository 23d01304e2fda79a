"""What backends and the queue are told of a request's trace, with tracing on."""

import asyncio
import random
import re
import time

import pytest

from proxy.dataplane.tracing import Tracer
from proxy.failure import Failure
from proxy.fleet.spans import RequestSpan, SpanQueue
from proxy.spec.service import RetrySpec, ServiceSpec
from tests.integration.conftest import StartProxy, until
from tests.integration.test_forwarding import fields
from tests.support.otlp_receiver import OtlpReceiver, attributes_of
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import OK, BackendConnection, ScriptedBackend
from tests.support.seawall_process import SeawallProcess

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{SPAN}-00"


def tracer(share: float = 1.0) -> Tracer:
    return Tracer(SpanQueue(), share, random.Random(7))


async def only(queue: SpanQueue) -> RequestSpan:
    """The one request that was traced, once it has ended."""
    await until(lambda: len(queue) > 0)
    (request,) = queue.take(10)
    return request


async def test_request_without_a_trace_begins_one(start_proxy: StartProxy) -> None:
    tracing = tracer()
    began = time.time_ns()
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), tracer=tracing)
        async with RawClient(proxy.port) as client:
            assert (await client.get("/a?secret", "tracestate: a=1")).status == 200
    request = await only(tracing.queue)
    (attempt,) = request.attempts
    assert fields(backend.heads[0], "traceparent") == [f"00-{request.trace.decode()}-{attempt.span.decode()}-01"]
    assert fields(backend.heads[0], "tracestate") == []  # of no trace (section 3.3)
    assert (request.parent, request.method, request.path, request.status) == (b"", b"GET", b"/a", 200)
    assert (attempt.backend, attempt.port, attempt.outcome) == ("scripted", backend.port, 200)
    assert began - 10**9 < request.began <= attempt.began <= attempt.ended <= request.ended < time.time_ns() + 10**9
    assert request.span != attempt.span


async def test_sampled_trace_goes_on_with_our_span_as_the_parent(start_proxy: StartProxy) -> None:
    tracing = tracer(share=0.0)
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), tracer=tracing)
        async with RawClient(proxy.port) as client:
            await client.get("/", f"Traceparent: {SAMPLED}", "tracestate: a=1")
    request = await only(tracing.queue)
    assert (request.trace, request.parent) == (TRACE.encode(), SPAN.encode())
    assert fields(backend.heads[0], "traceparent") == [f"00-{TRACE}-{request.attempts[0].span.decode()}-01"]
    assert fields(backend.heads[0], "tracestate") == ["a=1"]


UNTOUCHED = {
    "a trace that is not sampled": (f"traceparent: {UNSAMPLED}", "tracestate: a=1"),
    "a request without one, outside the share": ("X: y",),
    "a parent that is not valid, outside the share": ("traceparent: 00-x",),
}


@pytest.mark.parametrize("sent", UNTOUCHED.values(), ids=UNTOUCHED)
async def test_request_that_is_not_traced_passes_as_it_came(start_proxy: StartProxy, sent: tuple[str, ...]) -> None:
    tracing = tracer(share=0.0)
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), tracer=tracing)
        async with RawClient(proxy.port) as client:
            assert (await client.get("/", *sent)).status == 200
    assert all(line.encode() in backend.heads[0] for line in sent)
    assert len(tracing.queue) == 0


async def test_parent_that_is_not_valid_begins_a_new_trace(start_proxy: StartProxy) -> None:
    tracing = tracer()
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), tracer=tracing)
        async with RawClient(proxy.port) as client:
            await client.get("/", f"traceparent: {SAMPLED}", f"traceparent: {SAMPLED}")
    request = await only(tracing.queue)
    assert request.parent == b""
    (value,) = fields(backend.heads[0], "traceparent")
    assert TRACE not in value


async def test_body_goes_behind_the_new_head(start_proxy: StartProxy) -> None:
    tracing = tracer()
    bodies = []

    async def script(connection: BackendConnection) -> None:
        bodies.append((await connection.read_request())[1])
        await connection.write(OK)

    async with ScriptedBackend(script) as backend:
        proxy = await start_proxy(backend.claim(), tracer=tracing)
        async with RawClient(proxy.port) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            assert (await client.read_response()).status == 200
    assert bodies == [b"hello"]
    assert (await only(tracing.queue)).request_bytes == 5


async def test_each_attempt_has_a_span_and_tells_it_to_its_backend(start_proxy: StartProxy) -> None:
    tracing = tracer()

    async def reset(connection: BackendConnection) -> None:
        await connection.read_head()
        connection.reset()

    async with ScriptedBackend(reset, name="a") as bad, ScriptedBackend(name="b") as good:
        claims = (bad.claim(weight=256), good.claim())
        proxy = await start_proxy(*claims, spec=ServiceSpec(name="web"), tracer=tracing)
        requests = []
        while not bad.heads:
            async with RawClient(proxy.port) as client:
                assert (await client.get()).status == 200
            requests.append(await only(tracing.queue))
    first, second = requests[-1].attempts
    assert (first.backend, first.outcome) == ("a", Failure.RESET)
    assert (second.backend, second.outcome) == ("b", 200)
    assert first.ended <= second.began
    told = [fields(head, "traceparent") for head in (bad.heads[-1], good.heads[-1])]
    trace = requests[-1].trace.decode()
    assert told == [[f"00-{trace}-{each.span.decode()}-01"] for each in (first, second)]


async def test_request_that_nobody_takes_has_its_failed_attempt(start_proxy: StartProxy) -> None:
    tracing = tracer()
    async with ScriptedBackend() as backend:
        claim = backend.claim()
    proxy = await start_proxy(claim, spec=ServiceSpec(name="web", retry=RetrySpec(attempts=1)), tracer=tracing)
    async with RawClient(proxy.port) as client:
        assert (await client.get()).status == 502
    request = await only(tracing.queue)
    assert (request.status, request.failure) == (502, Failure.REFUSED)
    assert [attempt.outcome for attempt in request.attempts] == [Failure.REFUSED]


async def test_slow_try_that_answers_after_all_is_one_span_and_the_other_was_called_off(
    start_proxy: StartProxy,
) -> None:
    tracing, both = tracer(), asyncio.Event()
    held: list[BackendConnection] = []
    quick = 40  # requests before: one in twenty may have a second try

    async def script(connection: BackendConnection) -> None:
        while True:
            await connection.read_head()
            if len(one.heads) + len(other.heads) > quick:
                break
            await connection.write(OK)
        held.append(connection)
        if len(held) == 2:  # the second try is called off when the first answers
            both.set()
            await connection.gone.wait()
            return
        await both.wait()
        await connection.write(OK)
        await connection.gone.wait()

    async with ScriptedBackend(script, name="a") as one, ScriptedBackend(script, name="b") as other:
        spec = ServiceSpec(name="web", retry=RetrySpec(try_timeout=0.1))
        proxy = await start_proxy(one.claim(), other.claim(), spec=spec, tracer=tracing)
        async with RawClient(proxy.port) as client:
            for _ in range(quick):
                assert (await client.get()).status == 200
            tracing.queue.take(quick)
            assert (await client.get()).status == 200
        request = await only(tracing.queue)
        await proxy.plane.pool.close()
    assert [attempt.outcome for attempt in request.attempts] == [200, None]
    assert len({attempt.span for attempt in request.attempts}) == 2


async def test_share_of_requests_begins_a_trace(start_proxy: StartProxy) -> None:
    tracing = tracer(share=0.25)
    async with ScriptedBackend() as backend:
        proxy = await start_proxy(backend.claim(), tracer=tracing)
        async with RawClient(proxy.port) as client:
            for _ in range(100):
                await client.get()
    assert 15 <= len(tracing.queue) <= 35


async def test_spans_of_a_process_reach_a_receiver_and_are_counted() -> None:
    async with OtlpReceiver() as receiver, ScriptedBackend() as backend:
        static = ("--no-docker", "--backend", f"http://127.0.0.1:{backend.port}")
        async with SeawallProcess(*static, "--otlp-endpoint", receiver.url) as seawall:
            async with RawClient(seawall.port) as client:
                assert (await client.get("/a", f"traceparent: {SAMPLED}")).status == 200
            await receiver.wait_posts(1)
            async with RawClient(seawall.port) as client:
                assert (await client.get("/last")).status == 200
    requests = [span for span in receiver.spans if span["kind"] == 2]
    assert {attributes_of(span)["url.path"] for span in requests} == {"/a", "/last"}  # the end loses nothing
    (first,) = (span for span in receiver.spans if span.get("parentSpanId") == SPAN)
    (attempt,) = (span for span in receiver.spans if span.get("parentSpanId") == first["spanId"])
    told = [value for head in backend.heads for value in fields(head, "traceparent")]
    assert f"00-{TRACE}-{attempt['spanId']}-01" in told
    assert re.fullmatch(r"[0-9a-f]{16}", receiver.resources[0]["service.instance.id"])
