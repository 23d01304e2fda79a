"""The schedule and the quantiles of the open-loop client, and the client itself beside a backend that is slow once."""

import random
import socket
import threading
from itertools import pairwise
from statistics import mean

import pytest

from benchmarks.rig import open_loop
from benchmarks.rig.open_loop import Client, quantiles_of, schedule

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world\n"


def test_schedule_asks_at_the_rate_and_in_order() -> None:
    dues = schedule(1000.0, 20.0, random.Random(1))

    assert dues == sorted(dues)
    assert len(dues) == pytest.approx(20_000, rel=0.03)
    assert dues[-1] < 20.0


def test_schedule_has_the_spread_of_independent_clients() -> None:
    dues = schedule(1000.0, 20.0, random.Random(2))
    gaps = [later - earlier for earlier, later in pairwise(dues)]
    middle = mean(gaps)

    assert mean((gap - middle) ** 2 for gap in gaps) ** 0.5 == pytest.approx(middle, rel=0.05)


def test_same_seed_gives_the_same_schedule() -> None:
    assert schedule(100.0, 1.0, random.Random(3)) == schedule(100.0, 1.0, random.Random(3))


def test_quantiles_are_values_that_occurred() -> None:
    found = quantiles_of([number / 1e6 for number in range(1000, 0, -1)])

    assert found == {"p50": 500.0, "p90": 900.0, "p99": 990.0, "p999": 999.0, "most": 1000.0}


def test_quantiles_of_one_value_are_that_value() -> None:
    assert set(quantiles_of([2e-6]).values()) == {2.0}


def test_quantiles_of_nothing_are_zero() -> None:
    assert set(quantiles_of([]).values()) == {0.0}


class Server(threading.Thread):
    """Answers on one connection; the first answer only after `hold` requests of bytes have come."""

    def __init__(self, requests: int, hold: int) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.requests = requests
        self.pause = threading.Event()
        self.hold = hold

    def run(self) -> None:
        connection, _ = self.listener.accept()
        with connection, self.listener:
            for number in range(self.requests):
                connection.recv(4096)
                if number == self.hold:
                    self.pause.wait(0.2)  # nobody sets it: the time is what is tested
                connection.sendall(ANSWER[:20])
                connection.sendall(ANSWER[20:])
            connection.recv(4096)  # until the client closes


def test_requests_behind_a_slow_answer_are_counted_from_when_they_were_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "CONNECTIONS", 1)
    dues = [number * 0.01 for number in range(20)]
    server = Server(len(dues), hold=5)
    server.start()

    client = Client(server.port)
    client.run(dues, 0.0)
    client.close()

    server.join(5)
    assert (len(client.waits), client.failed) == (20, 0)
    assert client.held >= 10  # all that were due in those 0.2 s
    assert sum(wait > 0.05 for wait in client.waits) >= 10  # a closed loop would have counted one
    assert max(client.lateness) < 0.1  # not the client's own fault


def test_wrong_answer_is_a_failure_and_not_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "CONNECTIONS", 1)
    monkeypatch.setattr(open_loop, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr("tests.benchmarks.test_open_loop.ANSWER", b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    server = Server(1, hold=9)
    server.start()

    client = Client(server.port)
    client.run([0.0], 0.0)
    client.close()
    server.join(5)

    assert (client.waits, client.failed) == ([], 1)
