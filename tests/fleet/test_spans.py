"""The queue between the data plane and the exporter: in order, bounded, and nothing lost uncounted."""

from proxy.fleet.spans import MAX_WAITING, AttemptSpan, SpanQueue
from tests.support.spans import attempt, request


def test_oldest_are_taken_first() -> None:
    queue = SpanQueue()
    for number in range(3):
        queue.add(request(status=200 + number))
    assert [each.status for each in queue.take(2)] == [200, 201]
    assert [each.status for each in queue.take(2)] == [202]
    assert queue.take(2) == []


def test_queue_that_is_full_drops_and_counts_every_span() -> None:
    queue = SpanQueue()
    for _ in range(MAX_WAITING):
        queue.add(request())
    lost: tuple[AttemptSpan, ...] = (attempt(), attempt())
    queue.add(request(attempts=lost))
    assert (len(queue), queue.dropped) == (MAX_WAITING, 3)
    queue.take(1)
    queue.add(request())
    assert (len(queue), queue.dropped) == (MAX_WAITING, 3)
