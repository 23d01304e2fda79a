"""The exporter against a receiver that takes batches, refuses them, asks for patience, or is not there."""

import asyncio

import pytest

from proxy.fleet.spans import SpanQueue
from proxy.telemetry import exporter as module
from proxy.telemetry.exporter import MOST_REQUESTS, Exporter, traces_url
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.recording_log import RecordingLog
from tests.support.scripted_backend import BackendConnection, ScriptedBackend
from tests.support.spans import attempt, request
from tests.support.waiting import wait_until_async

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.02)


def queue_of(count: int) -> SpanQueue:
    queue = SpanQueue()
    for _ in range(count):
        queue.add(request(attempts=(attempt(),)))
    return queue


async def run_until_empty(exporter: Exporter) -> None:
    async def is_empty() -> bool:
        return not exporter.waiting

    task = asyncio.create_task(exporter.run())
    await wait_until_async(is_empty, "everything is exported", 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_everything_that_waits_is_sent_in_batches() -> None:
    queue = queue_of(MOST_REQUESTS + 1)
    async with OtlpReceiver() as receiver:
        exporter = Exporter(queue, receiver.url, RecordingLog().log)
        await run_until_empty(exporter)
    assert receiver.posts == 2
    assert len(receiver.spans) == queue.exported == 2 * (MOST_REQUESTS + 1)
    assert (queue.dropped, len(queue), exporter.problem) == (0, 0, "")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_receiver_that_asks_for_patience_gets_the_batch_again(status: int) -> None:
    queue, recording = queue_of(1), RecordingLog()
    async with OtlpReceiver() as receiver:
        receiver.statuses = [status, status]
        exporter = Exporter(queue, receiver.url, recording.log)
        await run_until_empty(exporter)
    assert len(receiver.spans) == queue.exported == 2
    assert queue.dropped == 0
    assert len(recording.of("traces cannot be exported")) == 1  # not one a second
    assert len(recording.of("traces are exported again")) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 500])
async def test_batch_that_is_refused_is_dropped_and_counted(status: int) -> None:
    queue, recording = queue_of(1), RecordingLog()
    async with OtlpReceiver() as receiver:
        receiver.statuses = [status]
        exporter = Exporter(queue, receiver.url, recording.log)
        await exporter.finish()
    assert (receiver.posts, queue.exported, queue.dropped) == (1, 0, 2)
    assert recording.of("traces cannot be exported")[0]["problem"] == f"the receiver answered {status}"


async def test_spans_that_a_receiver_did_not_take_are_counted() -> None:
    queue = queue_of(2)
    async with OtlpReceiver() as receiver:
        receiver.answer = {"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}
        exporter = Exporter(queue, receiver.url, RecordingLog().log)
        await exporter.finish()
    assert (queue.exported, queue.dropped) == (1, 3)
    assert exporter.problem == "the receiver rejected spans: too old"


@pytest.mark.parametrize("answer", [{}, {"partialSuccess": {}}, {"partialSuccess": {"rejectedSpans": "x"}}])
async def test_answer_that_rejects_nothing_counts_all(answer: dict[str, object]) -> None:
    queue = queue_of(1)
    async with OtlpReceiver() as receiver:
        receiver.answer = answer
        await Exporter(queue, receiver.url, RecordingLog().log).finish()
    assert (queue.exported, queue.dropped) == (2, 0)


async def test_what_is_left_without_a_receiver_is_dropped_at_the_end() -> None:
    queue = queue_of(3)
    exporter = Exporter(queue, NOWHERE, RecordingLog().log)
    await exporter.finish()
    assert (queue.exported, queue.dropped, len(queue)) == (0, 6, 0)
    assert exporter.problem


async def test_end_does_not_wait_for_a_receiver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_WORDS", 0.05)

    async def hang(connection: BackendConnection) -> None:
        await connection.gone.wait()

    queue = queue_of(1)
    async with ScriptedBackend(hang) as receiver:
        await Exporter(queue, f"http://127.0.0.1:{receiver.port}", RecordingLog().log).finish()
    assert (queue.exported, queue.dropped) == (0, 2)


URLS = {
    "a host": ("http://otel:4318", "http://otel:4318/v1/traces"),
    "a slash": ("http://otel:4318/", "http://otel:4318/v1/traces"),
    "a path in front": ("https://a/otlp", "https://a/otlp/v1/traces"),
    "the whole path": ("https://a/otlp/v1/traces", "https://a/otlp/v1/traces"),
}


@pytest.mark.parametrize(("endpoint", "url"), URLS.values(), ids=URLS)
def test_path_of_traces_is_added_once(endpoint: str, url: str) -> None:
    assert traces_url(endpoint) == url
