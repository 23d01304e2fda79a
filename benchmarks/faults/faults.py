"""The faults: what happens to one of five backends, or to all, while a constant rate of requests goes on.

What a fault means for who runs a service is told in benchmarks/faults.md.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.faults.scene import SIZE, Scene

SLOW_MS: Final = 90  # more than the 10 ms that a request takes: ten times as long


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`inflict` returns the wall-clock time at which it began, in seconds."""

    name: str
    title: str
    inflict: Callable[[Scene], Awaitable[float]]
    end: Callable[[Scene], Awaitable[None]] | None = None
    has_bad_one: bool = True  # the first backend is the one that is ill, and no other
    newcomer_env: Mapping[str, str | float] | None = None  # given: the first backend boots only when the fault begins
    lasts: float = 1.0  # times the seconds of the run
    is_alone: bool = False  # measured one proxy at a time: it starts containers, which is work


async def _nothing(_: Scene) -> float:
    return time.time()


async def _kill(scene: Scene) -> float:
    began = time.time()
    await scene.bad.kill("SIGKILL")
    return began


async def _stop(scene: Scene) -> float:
    began = time.time()
    await scene.bad.stop()
    return began


async def _pause(scene: Scene) -> float:
    began = time.time()
    await scene.bad.pause()
    return began


async def _unpause(scene: Scene) -> None:
    await scene.bad.unpause()


async def _freeze(scene: Scene) -> float:
    began = time.time()
    await scene.bad.kill("SIGSTOP")
    return began


async def _thaw(scene: Scene) -> None:
    await scene.bad.kill("SIGCONT")


async def _slow_down(scene: Scene) -> float:
    return await scene.become(scene.bad, slow=SLOW_MS)


async def _fail(scene: Scene) -> float:
    return await scene.become(scene.bad, fail_percent=100)


async def _fail_some(scene: Scene) -> float:
    return await scene.become(scene.bad, fail_percent=30)


async def _fail_everywhere(scene: Scene) -> float:
    return min(await asyncio.gather(*(scene.become(backend, fail_percent=100) for backend in scene.backends)))


async def _let_newcomer_hang(scene: Scene) -> float:
    return await scene.let_newcomer_boot()


async def _replace_all(scene: Scene) -> float:
    began = time.time()
    for place in range(SIZE):
        await scene.replace(place)
    return began


FAULTS: Final = (
    Fault(name="none", title="nothing happens", inflict=_nothing, has_bad_one=False),
    Fault(name="kill", title="SIGKILL of one", inflict=_kill),
    Fault(name="stop", title="docker stop of one", inflict=_stop),
    Fault(
        name="deploy",
        title="all five replaced, one by one",
        inflict=_replace_all,
        has_bad_one=False,
        lasts=0.25,
        is_alone=True,
    ),
    Fault(name="pause", title="one paused, and back", inflict=_pause, end=_unpause),
    Fault(name="freeze", title="one frozen, and back", inflict=_freeze, end=_thaw),
    Fault(name="slow", title="one 10 times slower", inflict=_slow_down),
    Fault(name="errors", title="one answers 500 at once", inflict=_fail),
    Fault(name="some-errors", title="30 % errors on one", inflict=_fail_some),
    Fault(name="all-errors", title="all answer 500", inflict=_fail_everywhere, has_bad_one=False, lasts=0.5),
    # Twice as long: who has just found nobody at the address looks again only after 10 s.
    Fault(name="new-hangs", title="a new one hangs", inflict=_let_newcomer_hang, newcomer_env={"SILENT": 1}, lasts=2.0),
)
