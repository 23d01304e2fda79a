"""A worker: one loop with a whole fleet and a data plane, led by the supervisor over the link it was started with.

Law: it imports nothing of the control plane and none of its libraries. Without a supervisor it goes on with what it
was told last; when the supervisor is gone, which the link shows, it lets its requests finish and ends.
"""

import asyncio
import ipaddress
import os
import random
import resource
import signal
import socket
import sys
import time
from typing import Final

import uvloop

from proxy.dataplane.access_log import AccessLog, AccessLogFormat
from proxy.dataplane.plane import ClientSettings, DataPlane
from proxy.dataplane.tracing import Tracer
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Transition
from proxy.fleet.shared_load import SharedLoad
from proxy.fleet.spans import SpanQueue
from proxy.fleet.tally import TallyTaker
from proxy.processes import messages
from proxy.processes.calls import apply
from proxy.processes.link import Link
from proxy.processes.long_lived import LongLived
from proxy.processes.messages import Ask, Reconcile, Serve, Settings, Setup, Stop, Whole, WindDown
from proxy.processes.table import cells
from proxy.spec.service import BackendKey

REPORT_EVERY: Final = 0.25  # seconds; also the worker's heartbeat
SPANS: Final = 1024  # requests in one message, about half a megabyte
SOONEST: Final = 0.01  # seconds between a report and one for what has flipped since
A_FEW: Final = 1000  # services and backends that a heartbeat looks at
AT_ONCE: Final = 250  # that an answer looks at in one round of the loop, some 0.2 ms
_SHARE: Final = 20  # times what a whole report took pass before the next one for a flip


class Worker:
    """From the first message to the last. `run` returns when nothing is left to be done."""

    def __init__(self) -> None:
        self._link: Link | None = None
        self._fleet = Fleet(random.Random(), probes=True)
        self._plane: DataPlane | None = None
        self._taker: TallyTaker | None = None
        self._setup: Setup | None = None
        self._long_lived = LongLived()
        self._spans = SpanQueue()
        self._drain = 0.0  # seconds for what is under way when the supervisor is gone
        self._version = 0  # that is served
        self._is_version_due = False
        self._orders: asyncio.Queue[Serve | WindDown] = asyncio.Queue()
        self._stopped = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._cost = 0.0  # seconds that the last whole report took
        self._soon: asyncio.TimerHandle | None = None

    async def run(self, end: socket.socket) -> None:
        """Serve as the other end of `end` says."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._wind_down_alone)
        self._link = await Link.over(end, self)
        try:
            await self._follow()
        finally:
            for timer in (self._timer, self._soon):
                if timer is not None:
                    timer.cancel()
            if self._plane is not None:
                await self._plane.close()
            self._link.close()
            await asyncio.sleep(0)  # the transport closes in the next round of the loop

    async def _follow(self) -> None:
        """Work off the orders until the one to end."""
        stopped = asyncio.create_task(self._stopped.wait())
        working = asyncio.create_task(self._work())
        await asyncio.wait((stopped, working), return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, working):
            task.cancel()
        results = await asyncio.gather(stopped, working, return_exceptions=True)
        if isinstance(results[1], Exception):
            raise results[1]

    async def _work(self) -> None:
        while True:
            order = await self._orders.get()
            plane = self._plane
            if plane is None or self._setup is None:
                return  # the supervisor was gone before it said anything
            if isinstance(order, WindDown):
                whole = await plane.drain(order.seconds)
                self._report(0)
                self._send(messages.WoundDown(whole))
                return
            await plane.adopt(
                [(socket.socket(fileno=each.descriptor), each.proxy_protocol) for each in self._setup.listening]
            )
            self._long_lived.settle()
            await plane.serve()
            self._send(messages.Serving())

    # called by the link

    def on_message(self, data: bytes) -> None:
        """A call or an order."""
        message = messages.decode_down(data)
        match message:
            case Setup():
                self._set_up(message)
            case Settings():
                self._adjust(message)
            case Serve() | WindDown():
                self._orders.put_nowait(message)
            case Ask(number):
                self._answer(number)
            case Stop():
                self._stopped.set()
            case _:
                apply(message, self._fleet, time.monotonic())
                if isinstance(message, Reconcile | Whole):
                    self._long_lived.on_change(sum(1 for _ in self._fleet.backends()))
                self._on_version(message.version)

    def on_link_lost(self) -> None:
        """The supervisor is gone."""
        self._wind_down_alone()

    def on_link_full(self) -> None:
        """It does not listen; what there is to say waits, see `_report`."""

    def on_link_room(self) -> None:
        """It listens again."""
        self._say_version()
        self._report(0)

    # the fleet

    def _set_up(self, setup: Setup) -> None:
        self._setup = setup
        if setup.core is not None:
            os.sched_setaffinity(0, (setup.core,))
        shared = setup.shared
        load = SharedLoad(cells(shared.descriptor), shared.row, shared.rows) if shared is not None else None
        fleet = self._fleet = Fleet(random.Random(), probes=True, secret=setup.secret, shared=load)
        fleet.on_flip = self._on_flip
        fleet.on_suspect = self._on_suspect
        self._drain = setup.settings.drain
        tracer = Tracer(self._spans, setup.trace_sample) if setup.trace_sample is not None else None
        self._plane = DataPlane(fleet, _clients(setup.settings), _access_log(setup), tracer)
        self._taker = TallyTaker(fleet, self._plane.statistics)
        self._beat()

    def _adjust(self, settings: Settings) -> None:
        self._drain = settings.drain
        if self._plane is not None:
            self._plane.apply(_clients(settings))

    def _on_version(self, version: int) -> None:
        """Say so once for all calls that came together."""
        self._version = version
        if not self._is_version_due:
            self._is_version_due = True
            asyncio.get_running_loop().call_soon(self._say_version)
        self._report_soon()

    def _say_version(self) -> None:
        self._is_version_due = False
        self._send(messages.Served(self._version))

    def _on_flip(self, transition: Transition) -> None:
        self._send(messages.Flipped(transition))
        self._report_soon()

    def _on_suspect(self, key: BackendKey) -> None:
        self._send(messages.Suspected(key))

    # reports

    def _beat(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(REPORT_EVERY, self._beat)
        self._report(0, A_FEW)

    def _report_soon(self) -> None:
        if self._soon is None:
            pause = max(SOONEST, _SHARE * self._cost)
            self._soon = asyncio.get_running_loop().call_later(pause, self._report, 0)

    def _answer(self, number: int, is_begun: bool = False) -> None:
        """Report on everybody, a few in each round of the loop: no request waits until all have been looked at."""
        if self._taker is None or self._link is None or self._link.is_full:
            return
        if not is_begun:
            self._taker.begin_turn(time.monotonic())
        if self._taker.left <= AT_ONCE:
            self._report(number, AT_ONCE)
            return
        self._report(0, AT_ONCE)
        asyncio.get_running_loop().call_soon(self._answer, number, True)

    def _report(self, answer: int, most: int | None = None) -> None:
        """Say what is new. While nobody takes it nothing is lost: the next report is as much larger."""
        if most is None and self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._plane is None or self._taker is None or self._link is None or self._link.is_full:
            return
        began = time.monotonic()
        tally = self._taker.take(began, most)
        if most is None:
            self._cost = time.monotonic() - began
        self._send(messages.Report(answer, tally, self._plane.connections))
        self._send_spans()

    def _send_spans(self) -> None:
        """Those of requests that have ended; what does not fit in the queue meanwhile is dropped there."""
        spans = self._spans
        while (len(spans) or spans.dropped) and self._link is not None and not self._link.is_full:
            dropped, spans.dropped = spans.dropped, 0
            self._send(messages.Spans([messages.written_span(each) for each in spans.take(SPANS)], dropped))

    def _send(self, message: messages.Message) -> None:
        if self._link is not None and not self._link.is_full:
            self._link.send(messages.encode(message))

    def _wind_down_alone(self) -> None:
        self._orders.put_nowait(WindDown(self._drain))

    def __repr__(self) -> str:
        return f"<Worker version={self._version} {self._plane!r}>"


def _clients(settings: Settings) -> ClientSettings:
    trusted = tuple(ipaddress.ip_network(text) for text in settings.trusted)
    return ClientSettings(**settings.clients, trusted=trusted)


def _access_log(setup: Setup) -> AccessLog | None:
    if not setup.access_log:
        return None
    return AccessLog(
        AccessLogFormat(setup.access_log), share=setup.access_log_sample, has_company=setup.shared is not None
    )


def main() -> None:
    """`python -m proxy.processes.worker DESCRIPTOR`, as the supervisor starts it."""
    for number in (
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGUSR2,
    ):  # to a whole group; the supervisor says what follows from them
        signal.signal(number, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(Worker().run(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
