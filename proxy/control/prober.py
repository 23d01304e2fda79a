"""Probes every backend in its own time, and tells the fleet when the settled verdict on one flips.

It learns from each Desired whom to probe. Every probe is a task of its own with a deadline, so one that hangs delays
nobody; at most LIMIT run at once. Who is due when stands in one heap, which one loop works off.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from proxy.control.probes.probe import probe
from proxy.control.probes.question import Question
from proxy.control.probes.schedule import NEVER, Schedule
from proxy.control.probes.subject import Subject
from proxy.fleet.interface import FleetInterface
from proxy.health.verdict import Outcome, Verdict
from proxy.spec.desired import Desired
from proxy.spec.service import BackendKey, BackendSpec, HealthSpec

LIMIT: Final = 256  # probes at once; one that hangs holds its place for no longer than its timeout
TICK: Final = 0.02  # seconds; what falls due within one is started together, so wake-ups do not grow with backends
SHORTEST_CONFIRMATION: Final = 0.1  # seconds that a confirming probe may take, see resilience.md
LONGEST_CONFIRMATION: Final = 1.0
_PATIENCE: Final = 4  # times the backend's usual probe time

Ask: TypeAlias = Callable[[Question, float], Awaitable[Outcome | None]]


class Prober:
    """`heard` is set once every backend of the first Desired has given an outcome, good or bad, or has left."""

    def __init__(
        self,
        fleet: FleetInterface,
        chance: random.Random,
        ask: Ask = probe,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.heard = asyncio.Event()
        self._fleet = fleet
        self._chance = chance
        self._ask = ask
        self._clock = clock
        self._subjects: dict[BackendKey, Subject] = {}
        self._schedule: Schedule[Subject] = Schedule()
        self._unheard: set[BackendKey] | None = None  # of the first Desired; None before it
        self._suspects: list[Subject] = []  # to be asked at once
        self._running = 0
        self._wake = asyncio.Event()
        self._waking_at = NEVER  # by itself, monotonic seconds

    async def run(self) -> None:
        """Probe until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._begin()
            while True:
                self._wake.clear()
                self._start_confirming(group)
                self._start_due(group)
                await self._sleep()

    def _begin(self) -> None:
        """Nothing is under way, whatever a run that broke was about to start."""
        self._running = 0
        for subject in self._subjects.values():
            subject.is_probing = False
            subject.is_confirming = subject in self._suspects
        self._plan_all()

    # called by the reconciler

    def follow(self, desired: Desired) -> None:
        """Probe the backends of `desired` and no others; what was learned of those that stay is kept."""
        now = self._clock()
        wanted = _by_key(desired)
        for key in [key for key in self._subjects if key not in wanted]:
            self._schedule.drop(self._subjects.pop(key))
            self._on_heard(key)
        for key, (backends, health) in wanted.items():
            subject = self._subjects.get(key)
            if subject is None:
                self._subjects[key] = Subject(backends, health, now)
            else:
                subject.apply(backends, health, now)
        if self._unheard is None:
            self._unheard = {key for key, subject in self._subjects.items() if subject.is_probed}
        if not self._unheard:
            self.heard.set()
        self._plan_all()

    # called by the fleet

    def confirm(self, key: BackendKey) -> None:
        """A request failed there: ask now whether it is down, whoever else is due."""
        subject = self._subjects.get(key)
        if subject is not None and subject.is_reachable and not subject.is_confirming:
            subject.is_confirming = True
            self._suspects.append(subject)
            self._wake.set()

    # what others read

    def subject(self, key: BackendKey) -> Subject | None:
        """What is known of an address; None when it is not probed by anybody."""
        return self._subjects.get(key)

    # when

    def _plan_all(self) -> None:
        """Who is to be probed and is not due is due now; who is not to be probed is not due."""
        now = self._clock()
        for subject in self._subjects.values():
            if not subject.is_probed:
                self._schedule.drop(subject)
            elif subject not in self._schedule and not subject.is_probing:
                self._plan(subject, now)

    def _plan(self, subject: Subject, due: float) -> None:
        self._schedule.put(subject, due)
        if due < self._waking_at:
            self._wake.set()

    async def _sleep(self) -> None:
        """Until somebody is due, but a TICK at least, or there is another reason."""
        now = self._clock()
        self._waking_at = max(self._schedule.next_due, now + TICK)
        if self._waking_at == NEVER:
            await self._wake.wait()
            return
        timer = asyncio.get_running_loop().call_later(self._waking_at - now, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    # one probe

    def _start_confirming(self, group: asyncio.TaskGroup) -> None:
        """Whatever the LIMIT: somebody's request waits for the answer."""
        suspects, self._suspects = self._suspects, []
        for subject in suspects:
            group.create_task(self._confirm(subject))

    def _start_due(self, group: asyncio.TaskGroup) -> None:
        now = self._clock()
        while self._running < LIMIT and (subject := self._schedule.take_due(now)) is not None:
            subject.is_probing = True
            self._running += 1
            group.create_task(self._probe(subject))

    async def _probe(self, subject: Subject) -> None:
        record = subject.record
        try:
            outcome = await self._ask(subject.question, subject.health.timeout)
        finally:
            self._running -= 1
            subject.is_probing = False
        if not self._is_of_use(subject):
            return
        now = self._clock()
        was_unknown = record.verdict is Verdict.UNKNOWN
        if outcome is not None and subject.record is record:
            self._learn(subject, outcome, record.record(outcome, now), now)
        if subject.is_probed:
            delay = subject.record.next_delay(self._chance)
            if was_unknown and subject.record.verdict is Verdict.PASSING:
                delay *= self._chance.random()  # backends that came together must not stay together
            self._plan(subject, now + delay)

    async def _confirm(self, subject: Subject) -> None:
        record = subject.record
        try:
            outcome = await self._ask(subject.question, confirmation_time(record.usual_seconds))
        finally:
            subject.is_confirming = False
        if not self._is_of_use(subject) or subject.record is not record:
            return
        now = self._clock()
        flipped = outcome is not None and record.confirm(outcome, now)
        passed = outcome is None or outcome.passed  # when we could not ask, nothing is held against it
        if outcome is not None:
            self._learn(subject, outcome, flipped, now)  # first, since it says what is wrong
        self._fleet.confirmed(subject.key, passed, now)
        if flipped and subject.is_probed and not subject.is_probing:
            self._plan(subject, now + record.next_delay(self._chance))

    def _learn(self, subject: Subject, outcome: Outcome, flipped: bool, now: float) -> None:
        """What to do with an outcome once the record has it."""
        subject.statistics.count(outcome)
        self._on_heard(subject.key)
        if flipped:
            self._fleet.probed(subject.key, subject.record.verdict, outcome.error, now)

    def _is_of_use(self, subject: Subject) -> bool:
        """Whether what was asked is still of interest: much can have happened since."""
        return self._subjects.get(subject.key) is subject and subject.is_reachable

    def _on_heard(self, key: BackendKey) -> None:
        if self._unheard:
            self._unheard.discard(key)
            if not self._unheard:
                self.heard.set()

    def __repr__(self) -> str:
        return f"<Prober of {len(self._subjects)} running={self._running} {self._schedule!r}>"


def confirmation_time(usual: float) -> float:
    """How long a confirming probe may take, in seconds, where a probe usually takes `usual`."""
    return min(max(_PATIENCE * usual, SHORTEST_CONFIRMATION), LONGEST_CONFIRMATION)


def _by_key(desired: Desired) -> dict[BackendKey, tuple[list[BackendSpec], HealthSpec]]:
    """The backends of each address, and how it is probed: of services that share it, the first with a path says."""
    health = {service.name: service.health for service in desired.services}
    found: dict[BackendKey, tuple[list[BackendSpec], HealthSpec]] = {}
    for backend in desired.backends:
        own = health[backend.service]
        if backend.key not in found:
            found[backend.key] = ([backend], own)
            continue
        backends, chosen = found[backend.key]
        backends.append(backend)
        if chosen.path is None and own.path is not None:
            found[backend.key] = (backends, own)
    return found
