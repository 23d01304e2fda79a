"""One proxy, its five containers and its clients, for one cell of the matrix.

Several lanes run side by side in step: all are opened, all are measured, all are closed. What costs the machine time,
starting and removing containers, is never beside what is measured.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import docker

from benchmarks.faults.faults import Fault
from benchmarks.faults.figures import Cell, Window, cell_of, sightings_of
from benchmarks.faults.peers import Variant, site_values, start_variant
from benchmarks.faults.scene import SIZE, Scene
from benchmarks.rig.process import Running
from tests.support.containers import LABEL, Scope
from tests.support.load import Load, Record
from tests.support.waiting import wait_until_async

WORK: Final = "/?delay=10"
BEFORE_SECONDS: Final = 1.0  # of the load before the fault that count
WARM_UP_SECONDS: Final = 1.0  # before these
ENDS_AFTER: Final = 2 / 3  # of the seconds, where a fault ends; then it goes on for as many seconds as ever
READY_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Of all cells of a run."""

    client: docker.DockerClient
    engine: str  # its URL
    image: str  # of the backend
    rate: float  # requests a second
    seconds: float  # how long a fault is watched
    patience: float  # seconds until a client gives up
    logs: Path | None  # where to keep what the proxy, its clients and its backends saw


class Lane:
    """`<Lane nginx: kill>`. `open`, `measure`, and `close` whatever happened."""

    def __init__(self, variant: Variant, fault: Fault, settings: Settings, folder: Path) -> None:
        self.variant = variant
        self.fault = fault
        self._settings = settings
        self._folder = folder
        self._scene = Scene(Scope(settings.client, settings.image), variant.labels)
        self._proxy: Running | None = None

    def __repr__(self) -> str:
        return f"<Lane {self.variant.name}: {self.fault.name}>"

    async def open(self) -> None:
        """Start the backends, then the proxy; returns when it answers."""
        await self._scene.open(self.fault.newcomer_env)
        self._folder.mkdir()
        self._folder.chmod(0o755)
        values = site_values(
            self._folder,
            self._scene.addresses,
            engine=self._settings.engine,
            scope_label=LABEL,
            scope=self._scene.scope.id,
        )
        self._proxy = start_variant(self.variant, self._folder, values)
        await asyncio.to_thread(self._proxy.wait_answer, "/")

    async def measure(self) -> Cell:
        """Let the fault happen under load. RuntimeError when not all backends serve before it."""
        assert self._proxy is not None
        settings, fault, scene = self._settings, self.fault, self._scene
        clock = asyncio.get_running_loop().time
        url = f"http://127.0.0.1:{self._proxy.port}{WORK}"
        bad = scene.bad.name if fault.has_bad_one else None
        async with Load(url, rate=settings.rate, patience=settings.patience) as load:
            await self._until_all_serve(load)
            await asyncio.sleep(WARM_UP_SECONDS + BEFORE_SECONDS)  # time itself is what is asked for, here and below
            since = clock() - time.time()  # from the wall clock to the loop's
            began = await fault.inflict(scene) + since
            ended = None
            if fault.end is not None:
                await asyncio.sleep(settings.seconds * ENDS_AFTER)
                ended = clock()  # as the beginning: before the engine is asked, for it acts before it answers
                await fault.end(scene)
            await asyncio.sleep(settings.seconds * fault.lasts)
        records = load.report.records
        window = Window(begin=began - BEFORE_SECONDS, fault=began, end=ended)
        logs = await scene.logs()
        self._keep(records, logs, window)
        return cell_of(self.variant.name, fault.name, records, sightings_of(logs), window, bad=bad)

    async def close(self) -> None:
        """Stop the proxy, remove the containers."""
        if self._proxy is not None:
            await asyncio.to_thread(self._proxy.stop)
        await self._scene.close()

    async def _until_all_serve(self, load: Load) -> None:
        """But the newcomer, which is not there yet."""
        expected = SIZE if self.fault.newcomer_env is None else SIZE - 1

        async def all_serve() -> bool:
            return len(load.report.by_backend) >= expected

        await wait_until_async(all_serve, f"{expected} backends to serve behind {self.variant.name}", READY_SECONDS)

    def _keep(
        self, records: Sequence[Record], logs: Mapping[str, Sequence[Mapping[str, object]]], window: Window
    ) -> None:
        """For whoever wants to know why a figure is what it is."""
        if self._settings.logs is None:
            return
        kept = self._settings.logs / f"{self.variant.name}.{self.fault.name}"
        document = {"window": asdict(window), "records": [asdict(record) for record in records], "backends": logs}
        kept.with_suffix(f"{kept.suffix}.json").write_text(json.dumps(document))
        output = (self._folder / "output.log").read_text(errors="replace")
        kept.with_suffix(f"{kept.suffix}.log").write_text(output)
