"""What is known of one container, beyond what the engine says of it when asked. Pure: time is an argument."""

from dataclasses import dataclass, replace
from typing import Final

from proxy.control.discovery.event import EngineEvent
from proxy.spec.container import Container, ContainerReport
from proxy.spec.service import Lifecycle

STOPPING: Final = 60.0  # seconds a container told to stop has to end; longer when its own stop timeout is
OOM: Final = 1.0  # seconds until it is clear whether the process that ran out of memory was the container's last
_TAKES_REQUESTS: Final = (Lifecycle.RUNNING, Lifecycle.PENDING, Lifecycle.UNHEALTHY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An event whose effect the engine's own description does not show: a stopping container is `running` there."""

    lifecycle: Lifecycle
    signal: int | None  # of a kill, None: ran out of memory
    time: float  # when it happened, by the engine's clock
    at: float  # when it was heard of, in monotonic seconds

    def holds_for(self, container: Container) -> bool:
        """Whether it was about this run of the container, and tells it to end."""
        return container.started <= self.time and (self.signal is None or self.signal in container.stop_signals)

    def until(self, container: Container | None) -> float:
        """When it loses its force, in monotonic seconds."""
        if self.signal is None:
            return self.at + OOM
        return self.at + max(STOPPING, container.stop_timeout if container is not None else 0.0)


class Known:
    """One container.

    `version` counts the reasons to inspect: an answer asked for before the last of them is out of date. `fingerprint`
    is the list's when the last inspect was asked for, None when something happened since.
    """

    __slots__ = ("fingerprint", "id", "is_inspected", "is_queued", "marks", "name", "report", "retry_at", "version")

    def __init__(self, container: str, name: str) -> None:
        self.id = container
        self.name = name
        self.report: ContainerReport | None = None
        self.fingerprint: str | None = None
        self.version = 0
        self.is_queued = False
        self.is_inspected = False  # being
        self.retry_at: float | None = None  # in monotonic seconds, after an inspect that failed
        self.marks: dict[int | None, Mark] = {}

    @property
    def container(self) -> Container | None:
        """As last seen."""
        return None if self.report is None else self.report.container

    def touch(self) -> None:
        """Something happened: what was asked before is out of date, and the next list must look again."""
        self.version += 1
        self.fingerprint = None

    def remember(self, event: EngineEvent, now: float) -> None:
        """Keep what the engine's description will not show; the first of several equal signals counts."""
        if event.action == "die":
            self.marks.clear()
        elif event.action == "oom":
            self.marks[None] = Mark(lifecycle=Lifecycle.GONE, signal=None, time=event.time, at=now)
        elif event.action == "kill" and event.signal is not None and event.signal not in self.marks:
            mark = Mark(lifecycle=Lifecycle.DRAINING, signal=event.signal, time=event.time, at=now)
            if self.container is None or mark.holds_for(self.container):
                self.marks[event.signal] = mark

    def take_expired(self, now: float) -> bool:
        """Drop the marks that have lost their force; True when there were any."""
        expired = [key for key, mark in self.marks.items() if mark.until(self.container) <= now]
        for key in expired:
            del self.marks[key]
        return bool(expired)

    def take_retry(self, now: float) -> bool:
        """True, once, when an inspect that failed is to be tried again."""
        if self.retry_at is None or now < self.retry_at:
            return False
        self.retry_at = None
        return True

    def settle(self, container: Container, now: float) -> Container:
        """The container as inspected, with what is remembered; what was about another run of it is dropped."""
        if container.lifecycle is Lifecycle.GONE:
            self.marks.clear()
            return _dead(container)
        self.marks = {
            key: mark for key, mark in self.marks.items() if mark.holds_for(container) and now < mark.until(container)
        }
        if container.lifecycle not in _TAKES_REQUESTS or not self.marks:
            return container
        gone = None in self.marks
        return replace(container, lifecycle=Lifecycle.GONE if gone else Lifecycle.DRAINING)

    def __repr__(self) -> str:
        state = "unknown" if self.container is None else self.container.lifecycle.name
        return f"<Known {self.name} {self.id[:12]} {state} marks={sorted(map(str, self.marks))}>"


def seen(container: Container, event: EngineEvent, lifecycle: Lifecycle) -> Container:
    """The container after an event that was a fact."""
    return _dead(container) if event.action == "die" else replace(container, lifecycle=lifecycle)


def _dead(container: Container) -> Container:
    """It has no address any more. The engine says so too, except of one that died while the engine was away."""
    attachments = tuple(replace(attachment, ip="") for attachment in container.attachments)
    return replace(container, lifecycle=Lifecycle.GONE, attachments=attachments)
