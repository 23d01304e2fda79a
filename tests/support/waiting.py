"""Waiting for what gives no event: ask often, with a deadline, and say what was waited for when it passes."""

import asyncio
import time
from collections.abc import Awaitable, Callable

INTERVAL = 0.02  # seconds between two questions


def wait_until(is_so: Callable[[], bool], what: str, seconds: float) -> None:
    """Block until `is_so()`; TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(INTERVAL)


async def wait_until_async(is_so: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
    """Let the loop run until `await is_so()`; TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not await is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        await asyncio.sleep(INTERVAL)
