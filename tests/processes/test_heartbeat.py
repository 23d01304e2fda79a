"""When a worker counts as hung, and how soon another takes its place."""

from proxy.processes.heartbeat import CHECK_EVERY, LONGEST_PAUSE, SILENCE, Heartbeat, Restarts


def checked(heartbeat: Heartbeat, until: float, start: float = 0.0) -> list[float]:
    """When the worker was found lost."""
    times = [start + CHECK_EVERY * number for number in range(1, int((until - start) / CHECK_EVERY) + 1)]
    return [now for now in times if heartbeat.is_lost(now)]


def test_worker_that_is_heard_is_not_lost() -> None:
    heartbeat = Heartbeat(0.0)
    for now in range(1, 30):
        heartbeat.hear(now - 0.2)
        assert not heartbeat.is_lost(now)


def test_worker_that_is_silent_is_lost_after_its_time() -> None:
    assert checked(Heartbeat(0.0), 10.0)[0] == SILENCE + CHECK_EVERY


def test_supervisor_that_slept_does_not_blame_the_worker() -> None:
    heartbeat = Heartbeat(0.0)
    assert not heartbeat.is_lost(1.0)
    assert not heartbeat.is_lost(60.0)
    assert checked(heartbeat, 70.0, start=60.0)[0] == 60.0 + SILENCE + CHECK_EVERY


def test_worker_that_ends_again_and_again_is_replaced_ever_later() -> None:
    restarts = Restarts()
    pauses = []
    for now in range(10):
        restarts.start(now)
        pauses.append(restarts.end(now + 0.5))
    assert pauses[:4] == [0.0, 0.1, 0.2, 0.4]
    assert pauses[-1] == LONGEST_PAUSE
    assert restarts.count == 10


def test_worker_that_lived_for_long_is_replaced_at_once() -> None:
    restarts = Restarts()
    for now in range(5):
        restarts.start(now)
        restarts.end(now + 0.5)
    restarts.start(10.0)
    assert restarts.end(60.0) == 0.0
    restarts.start(60.0)
    assert restarts.end(61.0) == 0.0
