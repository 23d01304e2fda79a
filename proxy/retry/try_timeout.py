"""When a second try starts beside a slow first: the sweep works it out, requests only compare with it."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from proxy.retry.budget import Budget

SHORTEST: Final = 1.0  # seconds
LONGEST: Final = 15.0  # seconds
FACTOR: Final = 4.0  # times the 99th percentile: what is slow even for the slow ones
ENOUGH: Final = 100  # samples below which a 99th percentile is the word of one request
HEDGED: Final = 0.05  # share of a service's requests that may have a second try running


def try_timeout(fixed: float | None, first_bytes: Iterable[Sequence[int]], bounds: Sequence[float]) -> float:
    """Seconds after which a second try may start: `fixed`, or by the times to first byte when that is None (auto).

    `first_bytes` holds one histogram per backend of the service, counts per bucket; `bounds` are the upper bounds in
    seconds that all of them share. Histograms are of the whole life of a backend: a service that turns slow counts as
    slow once one in a hundred of all its answers was.
    """
    if fixed is not None:
        return fixed
    counts = [sum(bucket) for bucket in zip(*first_bytes, strict=True)]
    if sum(counts) < ENOUGH:
        return LONGEST
    return min(max(FACTOR * quantile(0.99, counts, bounds), SHORTEST), LONGEST)


def quantile(share: float, counts: Sequence[int], bounds: Sequence[float]) -> float:
    """The duration in seconds that `share` of a histogram's samples do not exceed, as if spread evenly in a bucket.

    `counts` has one bucket more than `bounds`, for what lies above them. The true value lies in the same bucket, so the
    error is less than the bucket's width; above the last bound it is not known, and the last bound is returned. 0.0
    when there are no samples.
    """
    rank = share * sum(counts)
    if not rank:
        return 0.0
    sums = list(accumulate(counts))
    place = next(place for place, reached in enumerate(sums) if reached >= rank)
    if place == len(bounds):
        return bounds[-1]
    lower = bounds[place - 1] if place else 0.0
    below = sums[place] - counts[place]
    return lower + (bounds[place] - lower) * (rank - below) / counts[place]


def hedge_budget(requests: int, now: float) -> Budget:
    """The gate of second tries that run beside a first: at most 5 % of `requests`, the service's total from now on."""
    return Budget(HEDGED, 0.0, requests, now)
