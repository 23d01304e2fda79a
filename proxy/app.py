"""The composition root: what the program is made of, and the order in which it starts and stops.

Start: data plane (binds), admin server (binds), then discovery and probes, so that nothing is watched when an address
is taken; clients are answered once the static backends have been probed, and wait in the backlog until then.
Stop: readiness fails first, then the listeners close and requests finish, then the control plane ends, then the rest.
"""

import asyncio
import random
import resource
import secrets
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, Self

import structlog
from structlog.typing import FilteringBoundLogger

from proxy.admin.events import EventLog
from proxy.admin.server import AdminServer
from proxy.admin.views import Condition, Readiness
from proxy.app_plane import client_settings, handed_over, make_plane
from proxy.app_start import Reread, catch_up, read_again, wait_first_round
from proxy.app_views import Shown
from proxy.control.discovery.docker import DockerSource
from proxy.control.discovery.docker_api import DockerEngine
from proxy.control.discovery.own_container import possible_own_ids
from proxy.control.discovery.source import Source
from proxy.control.discovery.static import StaticSource
from proxy.control.prober import Prober
from proxy.control.reconciler import Reconciler
from proxy.control.transitions import AnnouncedFleet, log_changes
from proxy.dataplane.plane import ClientSettings, DataPlane
from proxy.fleet.fleet import Fleet
from proxy.fleet.interface import Changes, Transition
from proxy.fleet.spans import SpanQueue
from proxy.processes.succession import Succession
from proxy.processes.supervisor import Supervisor
from proxy.processes.takeover import Inheritance
from proxy.spec.config import Resolved
from proxy.spec.container import Surroundings
from proxy.spec.reload import reload
from proxy.telemetry.exporter import Exporter
from proxy.wire.codec import IMPLEMENTATION

RESTART_PAUSE: Final = 1.0  # seconds before a slow loop that broke is started again


class App:
    """A whole Seawall. `run` is until a signal; `async with` is for those who end it otherwise.

    `workers` is how many processes serve; with 0 the data plane is in this one, and `fleet` is what it serves. `reread`
    reads the configuration again, when SIGHUP asks for it. `inheritance` is what another proxy has handed over.
    """

    def __init__(
        self,
        resolved: Resolved,
        workers: int = 0,
        reread: Reread | None = None,
        inheritance: Inheritance | None = None,
    ) -> None:
        _raise_descriptor_limit()
        self._resolved = resolved
        self._reread = reread
        self._inheritance = inheritance
        spec = self.spec = resolved.spec
        self.log = structlog.get_logger("seawall")
        chance = random.Random()
        self._secret = spec.sticky_secret or (inheritance.handover.secret if inheritance else secrets.token_bytes(32))
        self.fleet = Fleet(chance, probes=True, secret=self._secret)
        self.fleet.on_flip = self._on_flip
        self.events = EventLog()
        self._spans = SpanQueue()
        self._exporter = Exporter(self._spans, spec.otlp_endpoint, self.log) if spec.otlp_endpoint else None
        listening = inheritance.listening if inheritance is not None else ()
        self.plane = make_plane(spec, workers, self.fleet, self._secret, self._spans, self.log, listening)
        self._supervisor = self.plane if isinstance(self.plane, Supervisor) else None
        calls = self._supervisor.calls if self._supervisor else self.fleet
        self._announced = AnnouncedFleet(calls, self._announce)  # what the slow loops speak to
        self.readiness = Readiness()
        if self._supervisor is not None:
            self._supervisor.on_served = self._on_served
        self._engine = DockerEngine(spec.docker) if spec.docker else None
        self._docker = self._docker_source(self._engine) if self._engine else None
        self._static = StaticSource(spec.backends)
        sources: list[Source] = [self._static, *([self._docker] if self._docker is not None else ())]
        self.reconciler = Reconciler(sources, self._announced, self.log)
        self.prober = Prober(self._announced, chance)
        self.reconciler.on_desired = self.prober.follow
        self.fleet.on_suspect = self.prober.confirm
        self.admin = AdminServer(self._shown().views(), token=spec.admin_token)
        self._succession = None
        if self._supervisor is not None:
            give = partial(handed_over, self.fleet, self._supervisor, self.admin, self._secret)
            self._succession = Succession(spec.takeover, give, self._on_taken, self.log)
        self._loops: list[Callable[[], Awaitable[None]]] = [
            self.reconciler.run,
            self.prober.run,
            self._watch_discovery,
            self._reload_when_asked,
            *(each.run for each in (self._docker, self._exporter) if each is not None),
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._signals = 0
        self._is_taken = False  # another proxy serves in the place of this one
        self._news = asyncio.Event()
        self._asked_to_stop = asyncio.Event()
        self._asked_again = asyncio.Event()
        self._asked_to_reload = asyncio.Event()

    # from start to end

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain; a second signal ends it at once. Raises BindError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(signal.SIGHUP, self._asked_to_reload.set)
        if self._succession is not None:
            loop.add_signal_handler(signal.SIGUSR2, self._succession.start)
        async with self:
            await self._asked_to_stop.wait()
            await self.drain()

    async def __aenter__(self) -> Self:
        try:
            if self._succession is not None:
                self._succession.bind()
            await self.plane.bind(self.spec.listen)
            inherited = self._inheritance.admin(self.spec.admin) if self._inheritance is not None else None
            await self.admin.start(*self.spec.admin, inherited)
            self.reconciler.reconcile()  # static backends serve from the first request on
            self._tasks = [asyncio.create_task(_keep_running(loop, self.log)) for loop in self._loops]
            await self._find_out()
            await self.plane.serve()
        except BaseException:
            await self._stop()
            raise
        self.readiness.hold(Condition.LISTENING)
        if self._supervisor is None:
            self.readiness.hold(Condition.SERVED)
        self.log.info(
            "listening",
            listen=[_text(address) for address in self.plane.addresses],
            admin=_text(self.admin.address),
            docker=self.spec.docker or "off",
            codec=IMPLEMENTATION,
        )
        if self._inheritance is not None:
            await self._inheritance.conclude()
        if self._succession is not None:
            self._tasks.append(asyncio.create_task(_keep_running(self._succession.run, self.log)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()
        self.log.info("stopped")

    async def drain(self) -> None:
        """Let what is under way finish, for as long as the configuration allows or until asked again."""
        self.readiness.lose(Condition.NOT_DRAINING)
        if self._is_taken:
            await self.admin.stop()  # its address is the next one's
        elif self._succession is not None:
            self._succession.refuse()
        self.log.info("draining", seconds=self.spec.drain, connections=sum(self.plane.connections[:2]))
        draining = asyncio.create_task(self.plane.drain(self.spec.drain))
        again = asyncio.create_task(self._asked_again.wait())
        await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
        if draining.done() and draining.result():
            self.log.info("drained")
        else:
            reason = "asked a second time" if again.done() else "time is over"
            self.log.warning("not drained", reason=reason, connections=sum(self.plane.connections[:2]))
        for task in (draining, again):
            task.cancel()
        await asyncio.gather(draining, again, return_exceptions=True)

    async def _find_out(self) -> None:
        """Know enough to answer the first clients, or as much as the proxy knows that this one takes over from."""
        discovered = self.reconciler.completed
        if self._inheritance is not None:
            handover = self._inheritance.handover
            await catch_up(handover, self.fleet, self._announced, discovered=discovered, news=self._news, log=self.log)
            return
        rounds = [discovered] if self._docker is not None else []
        await wait_first_round([*rounds, self.prober.heard] if self.spec.backends else rounds, self.log)

    def _on_served(self, is_served: bool) -> None:
        """Some worker takes connections, or none does: they wait in the backlog then, for as long as that lasts."""
        if is_served == self.readiness.holds(Condition.SERVED):
            return
        (self.readiness.hold if is_served else self.readiness.lose)(Condition.SERVED)
        if not is_served and not self._asked_to_stop.is_set():
            self.log.error("no worker serves")

    def _on_taken(self) -> None:
        self.log.info("taken over")
        self._is_taken = True
        self._asked_to_stop.set()

    async def _stop(self) -> None:
        """End everything, also what has not started."""
        if self._inheritance is not None:
            self._inheritance.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._succession is not None:
            self._succession.close()
        if self._engine is not None:
            await self._engine.close()
        await self.plane.close()
        if self._exporter is not None:
            await self._exporter.finish()
        await self.admin.stop()

    def _on_signal(self) -> None:
        self._signals += 1
        (self._asked_to_stop if self._signals == 1 else self._asked_again).set()

    # slow loops

    async def _watch_discovery(self) -> None:
        await self.reconciler.completed.wait()
        self.readiness.hold(Condition.DISCOVERED)
        self.log.info("first discovery done", backends=len(list(self.fleet.backends())))

    async def _reload_when_asked(self) -> None:
        while self._reread is not None:
            await self._asked_to_reload.wait()
            self._asked_to_reload.clear()
            if resolved := await read_again(self._reread, self.log):
                self._take_over(resolved)

    def _take_over(self, resolved: Resolved) -> None:
        """These settings hold from now on, but for those that need a new start."""
        step = reload(self.spec, resolved.spec)
        spec = self.spec = step.spec
        self._resolved = replace(resolved, spec=spec)
        self._static.replace(spec.backends)
        if self._docker is not None:
            self._docker.adjust(self._surroundings())
        settings = client_settings(spec, len(self._supervisor.seats) if self._supervisor else 1)
        if self._supervisor is not None:
            self._supervisor.apply(spec, settings)
        elif isinstance(self.plane, DataPlane):
            self.plane.apply(ClientSettings(**settings))
        self.log.info("configuration read", changed=step.changed, needs_a_new_start=step.kept)

    def _on_flip(self, transition: Transition) -> None:
        self._announce(Changes(transitions=(transition,)))

    def _announce(self, changes: Changes) -> None:
        self._news.set()
        log_changes(self.log, changes)
        self.events.add(changes.transitions)

    # wiring

    def _docker_source(self, engine: DockerEngine) -> DockerSource:
        return DockerSource(
            engine, self._announced, self._surroundings(), self.log, possible_own_ids=possible_own_ids()
        )

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            expose_by_default=self.spec.expose_by_default,
            constraints=self.spec.constraints,
            defaults=self.spec.defaults,
        )

    def _shown(self) -> Shown:
        return Shown(
            fleet=self.fleet,
            calls=self._announced,
            plane=self.plane,
            readiness=self.readiness,
            reconciler=self.reconciler,
            prober=self.prober,
            docker=self._docker,
            events=self.events,
            configuration=lambda: self._resolved,
            spans=self._spans,
        )

    def __repr__(self) -> str:
        return f"<App {self.plane.addresses} {self.fleet!r}>"


async def _keep_running(loop: Callable[[], Awaitable[None]], log: FilteringBoundLogger) -> None:
    """A slow loop that breaks is a bug; it must not take the others along, or stop a request."""
    while True:
        try:
            await loop()
            return
        except Exception:
            log.exception("a control loop broke and is started again", loop=str(loop))
        await asyncio.sleep(RESTART_PAUSE)


def _text(address: tuple[Any, ...]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _raise_descriptor_limit() -> None:
    """As many descriptors as the system allows: every connection needs one on each side, and the default is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
