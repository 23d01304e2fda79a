"""The modules of the dashboard that only calculate, called in the browser."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.admin.dashboard.stage import staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALL: Final = "async ([module, name, values]) => String((await import(`./dashboard/${module}.js`))[name](...values))"
SPACE: Final = "\u202f"
BOUNDS: Final = [1, 2, 4]

CASES: Final[dict[str, tuple[str, str, list[Any], str]]] = {
    "a median of nothing is not known": ("rates", "quantile", [[0, 0, 0, 0], BOUNDS, 0.5], "null"),
    "a quantile is linear within its bucket": ("rates", "quantile", [[0, 4, 0, 0], BOUNDS, 0.5], "1.5"),
    "the first bucket begins at zero": ("rates", "quantile", [[2, 0, 0, 0], BOUNDS, 0.5], "0.5"),
    "an empty bucket in between is passed over": ("rates", "quantile", [[1, 0, 1, 0], BOUNDS, 1], "4"),
    "above the last bound there is no figure": ("rates", "quantile", [[1, 0, 0, 9], BOUNDS, 0.5], "Infinity"),
    "buckets add up place by place": ("rates", "sumOfBuckets", [[[1, 2], [3, 4]]], "4,6"),
    "a rate that is not known is a dash": ("format", "rate", [None], "\u2013"),
    "a rate of nothing is a plain zero": ("format", "rate", [0], "0/s"),
    "a small rate is not rounded to nothing": ("format", "rate", [0.01], "<0.1/s"),
    "a rate has three digits at most below a thousand": ("format", "rate", [12.34], "12/s"),
    "a rate just below ten rounds to ten": ("format", "rate", [9.96], "10/s"),
    "a large rate is in thousands": ("format", "rate", [12_340], f"12{SPACE}k/s"),
    "a million is a million and not a thousand thousands": ("format", "rate", [999_900], f"1.0{SPACE}M/s"),
    "a small share is not rounded to nothing": ("format", "percent", [0.0004], f"<0.1{SPACE}%"),
    "a whole is a hundred per cent": ("format", "percent", [1], f"100{SPACE}%"),
    "a latency below a second is in milliseconds": ("format", "latency", [0.0123, 10], f"12{SPACE}ms"),
    "a latency of almost a second is a second": ("format", "latency", [0.9999, 10], f"1.0{SPACE}s"),
    "an age below a minute is in seconds": ("format", "age", [59.9], f"59{SPACE}s"),
    "an age has its two largest units": ("format", "age", [2 * 86_400 + 3_600 * 5 + 60], f"2{SPACE}d 5{SPACE}h"),
    "a full hour has no minutes": ("format", "age", [3_600], f"1{SPACE}h"),
    "a state nobody foresaw is a warning": ("states", "gravity", ["new in the next version"], "warn"),
}

AGAIN: Final = """async () => {
  const { Samples } = await import("./dashboard/rates.js");
  const samples = new Samples(10);
  const add = (at, requests) => samples.add({ at, requests, errors: 0, counts: [requests] });
  const results = [add(1, 100), add(2, 150), samples.rate("requests", 5), add(3, 10), samples.rate("requests", 5)];
  return [...results, add(4, 30), samples.rate("requests", 5), samples.durations()];
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """One page for all: nothing here changes it."""
    async with staged(browser) as stage:
        yield await stage.open()


@pytest.mark.parametrize(("module", "name", "values", "shown"), CASES.values(), ids=CASES)
async def test_figure_reads_as_it_should(page: Page, module: str, name: str, values: list[Any], shown: str) -> None:
    assert await page.evaluate(CALL, [module, name, values]) == shown


async def test_counters_that_began_anew_give_no_rate_until_there_are_two_again(page: Page) -> None:
    assert await page.evaluate(AGAIN) == [True, True, 50, False, None, True, 20, [20]]
