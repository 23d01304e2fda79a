"""A thousand clients that dribble, beside a few that do not: a slice of benchmarks/slowloris.py."""

import asyncio
import resource
from collections.abc import Iterator

import pytest

from benchmarks.rig.dribblers import Dribblers
from tests.support.load import Load
from tests.support.scripted_backend import ScriptedBackend
from tests.support.seawall_process import SeawallProcess

HEADS, BODIES = 900, 100
FILES = 3000  # descriptors for both sides
BOUND = 0.5  # seconds; a proxy that serves nobody while it waits for one of them takes the patience of the load


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for so many sockets, here and in what is started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"needs {FILES} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.http(71, 75)
@pytest.mark.usefixtures("many_files")
async def test_a_thousand_dribblers_hold_nobody_up() -> None:
    async with (
        ScriptedBackend() as backend,
        SeawallProcess("--no-docker", "--backend", f"http://127.0.0.1:{backend.port}") as seawall,
    ):
        slow = Dribblers(seawall.port)
        await slow.begin(heads=HEADS, bodies=BODIES, readers=0)
        dribbling = asyncio.create_task(slow.wait())
        try:
            async with Load(seawall.url, rate=100, post_share=0.2, max_seconds=2.0) as load:
                report = await load.finish()
            assert not dribbling.done()
        finally:
            dribbling.cancel()
            await slow.stop()
            await asyncio.gather(dribbling, return_exceptions=True)
    assert len(report.records) == 200
    assert not report.failed, report
    assert report.percentile(50) < BOUND, report
