"""An open-loop load in a process of its own: each request is due at a set time and its latency counts from then.

One thread with `select`, whose timeout is fine enough for sending on time; how late it was is told with the rest, since
a load that is delayed itself measures nothing. A line `SECONDS RATE` on the input is answered by a line of JSON.
Run: `python -m benchmarks.rig.steady_load PORT`.
"""

import json
import select
import socket
import sys
import time
from collections import deque

REQUEST = b"GET /small HTTP/1.1\r\nHost: app.example.com\r\nUser-Agent: benchmark\r\n\r\n"
PATIENCE = 5.0  # seconds for what is under way at the end


class SteadyLoad:
    """Keeps its connections from one phase to the next."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[socket.socket] = deque()
        self._due: dict[socket.socket, float] = {}  # of those that wait for an answer
        self._latencies: list[float] = []
        self._lateness: list[float] = []
        self._failed = 0

    def run(self, seconds: float, rate: float) -> dict[str, object]:
        """One phase; latencies and lateness in µs."""
        self._latencies, self._lateness, self._failed = [], [], 0
        began = time.perf_counter()
        for number in range(int(seconds * rate)):
            due = began + number / rate
            while (left := due - time.perf_counter()) > 0:
                self._receive(left)
            self._send(due)
        end = time.perf_counter() + PATIENCE
        while self._due and (left := end - time.perf_counter()) > 0:
            self._receive(left)
        return {
            "latencies": [round(each * 1e6) for each in self._latencies],
            "lateness": [round(each * 1e6) for each in self._lateness],
            "failed": self._failed + len(self._due),
        }

    def _send(self, due: float) -> None:
        if self._idle:
            connection = self._idle.popleft()
        else:
            connection = socket.create_connection(("127.0.0.1", self._port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lateness.append(time.perf_counter() - due)
        self._due[connection] = due
        connection.sendall(REQUEST)

    def _receive(self, within: float) -> None:
        """Take the answers that come within so many seconds, at least those of one connection."""
        readable, _, _ = select.select(list(self._due), (), (), within)
        now = time.perf_counter()
        for connection in readable:
            answer = connection.recv(4096)  # an answer is small enough to come whole
            latency = now - self._due.pop(connection)
            if answer.startswith(b"HTTP/1.1 200 "):
                self._latencies.append(latency)
                self._idle.append(connection)
            else:
                self._failed += 1
                connection.close()


if __name__ == "__main__":
    load = SteadyLoad(int(sys.argv[1]))
    for line in sys.stdin:
        length, frequency = map(float, line.split())
        print(json.dumps(load.run(length, frequency)), flush=True)
