"""Does a scrape of ten thousand backends' series delay requests?

The control plane is in a process of its own, so it should not. One worker on a core of its own serves an open loop at a
modest rate; in every other half of a round the metrics of 10 000 backends are scraped as fast as they come. Exit 1 when
the median over the rounds of p99 with scrapes over p99 without is more than 1.5.

    python -m benchmarks.scrape_under_load [--rounds N] [--seconds S] [--backends N]
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from tests.support.scripted_backend import ScriptedBackend
from tests.support.seawall_process import SeawallProcess

RATE = 300  # requests per second
MOST = 1.5


def configuration(port: int, backends: int) -> str:
    """So many addresses of the loopback network, all of them one listener. Probed seldom: that is another question."""
    addresses = (f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}" for number in range(backends))
    urls = ",\n".join(f'  "web=http://{address}:{port}"' for address in addresses)
    return f'backend = [\n{urls}\n]\n[defaults]\nhealth.interval = "10m"\n'


async def latencies(session: aiohttp.ClientSession, url: str, seconds: float) -> list[float]:
    """How long each of an open loop's requests took, from when it was due, in seconds."""
    taken: list[float] = []

    async def one(due: float) -> None:
        async with session.get(url) as response:
            await response.read()
            assert response.status == 200
        taken.append(time.perf_counter() - due)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(seconds * RATE)):
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(due))
    return taken


async def scrape(session: aiohttp.ClientSession, url: str, sizes: list[int]) -> None:
    while True:
        async with session.get(url) as response:
            sizes.append(len(await response.read()))


def p99(taken: list[float]) -> float:
    """In milliseconds."""
    return sorted(taken)[int(len(taken) * 0.99)] * 1000


async def measure(rounds: int, seconds: float, backends: int) -> int:
    async with ScriptedBackend() as backend:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "seawall.toml"
            file.write_text(configuration(backend.port, backends))
            async with (
                SeawallProcess("--no-docker", "--config", str(file)) as seawall,
                aiohttp.ClientSession() as session,
            ):
                await latencies(session, seawall.url, 2.0)
                ratios = []
                for number in range(rounds):
                    without = p99(await latencies(session, seawall.url, seconds))
                    sizes: list[int] = []
                    scraping = asyncio.create_task(scrape(session, seawall.admin_url + "/metrics", sizes))
                    with_scrapes = p99(await latencies(session, seawall.url, seconds))
                    scraping.cancel()
                    await asyncio.gather(scraping, return_exceptions=True)
                    ratios.append(with_scrapes / without)
                    megabytes = statistics.mean(sizes) / 1e6 if sizes else 0.0
                    scrapes = f"{len(sizes)} scrapes of {megabytes:.0f} MB"
                    print(f"round {number + 1}: p99 {without:.1f} ms, {with_scrapes:.1f} ms beside {scrapes}")
    ratio = statistics.median(ratios)
    print(f"p99 beside scrapes is {ratio:.2f} of the one without (median of {rounds} rounds)")
    return 1 if ratio > MOST else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scrape_under_load", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--backends", type=int, default=10_000)
    options = parser.parse_args()
    return asyncio.run(measure(options.rounds, options.seconds, options.backends))


if __name__ == "__main__":
    sys.exit(main())
