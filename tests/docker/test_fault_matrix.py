"""One cell of the fault matrix runs, so that what is measured only now and then does not rot."""

from dataclasses import replace
from pathlib import Path

from benchmarks.faults.faults import FAULTS
from benchmarks.faults.figures import Cell
from benchmarks.faults.lane import Lane, Settings
from benchmarks.faults.peers import VARIANTS
from benchmarks.faults.scene import Scene
from tests.docker.conftest import AnsweringEngine
from tests.support.waiting import wait_until_async


async def _unpause_and_answer_late(scene: Scene) -> None:
    """As a busy engine does: the backend is back at work before the call returns."""
    paused = await scene.bad.log()
    await scene.bad.unpause()

    async def is_at_work() -> bool:
        return len(await scene.bad.log()) > len(paused) + 5

    await wait_until_async(is_at_work, f"{scene.bad} to get requests again", 5)


async def test_cell_of_one_paused_backend_has_its_figures(
    engine: AnsweringEngine, backend_image: str, tmp_path: Path
) -> None:
    settings = Settings(
        client=engine.client, engine=engine.url, image=backend_image, rate=100, seconds=1.5, patience=5, logs=tmp_path
    )
    (seawall,) = (each for each in VARIANTS if each.name == "seawall")
    (pause,) = (each for each in FAULTS if each.name == "pause")
    lane = Lane(seawall, replace(pause, end=_unpause_and_answer_late), settings, tmp_path / "seawall")
    try:
        await lane.open()
        cell = await lane.measure()
    finally:
        await lane.close()
    assert isinstance(cell, Cell)
    assert 300 <= cell.requests <= 600, cell
    assert not [kind for kind in cell.failed if kind.startswith("GET")], cell
    assert cell.twice_post == 0, cell
    assert cell.reached_s is not None, cell  # the log of the backend was read, and its ids are the clients'
    assert cell.reached_s < 1, cell
    assert cell.back_s is not None, cell
    assert (tmp_path / "seawall.pause.json").exists()
