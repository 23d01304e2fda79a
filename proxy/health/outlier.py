"""How sure it is that a backend fails more often than the rest of its service: a test of two proportions. Pure.

The likelihood-ratio test, and not the one by the normal approximation: where few fail and few have been asked, that one
sees outliers in mere chance. Ted Dunning, "Accurate Methods for the Statistics of Surprise and Coincidence"
(Computational Linguistics 19:1, 1993).
"""

from math import log, sqrt


def deviations(failures: int, requests: int, rest_failures: int, rest_requests: int) -> float:
    """By how many standard deviations more of its own requests fail than chance explains; 0 when no more do.

    Both have had requests. Were all alike, it would be above 4 once in 30 000 times.
    """
    whole, failed = requests + rest_requests, failures + rest_failures
    share = failed / whole
    if failures / requests <= share:
        return 0.0
    likelihood = (
        _surprise(failures, requests * share)
        + _surprise(requests - failures, requests * (1.0 - share))
        + _surprise(rest_failures, rest_requests * share)
        + _surprise(rest_requests - rest_failures, rest_requests * (1.0 - share))
    )
    return sqrt(max(2.0 * likelihood, 0.0))


def _surprise(seen: int, expected: float) -> float:
    return seen * log(seen / expected) if seen else 0.0
