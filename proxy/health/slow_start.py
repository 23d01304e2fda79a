"""How much a backend that has just come up may take: cold caches and empty pools want to be warmed, not flooded.

Pure. `elapsed` and `duration` are in seconds since it came up and of the whole slow start.
"""

from math import ceil
from typing import Final

LEAST: Final = 0.1  # share of its weight that it begins with
STEPS: Final = 10  # weights are whole numbers: while one warms up, those of its service are multiples of a tenth


def warmth(elapsed: float, duration: float) -> float:
    """How far it has come, from 0 to 1."""
    return min(max(elapsed, 0.0) / duration, 1.0) if duration > 0.0 else 1.0


def weight(full: int, warmth: float) -> int:
    """In tenths of one: `full` times its warmth, at least a tenth of it."""
    return max(round(full * STEPS * max(LEAST, warmth)), 1)


def most_in_flight(mean: float, warmth: float) -> int:
    """How many requests it may have at once where its warm peers have `mean` in flight."""
    return max(ceil(mean * warmth), 1)
