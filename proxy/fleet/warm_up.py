"""Slow start among the backends of one service: who warms up, and how far each has come.

`seconds` is how long a slow start takes. A warm peer is one that serves and has been up for as long: those that came
up together share at once, or the first of them would take it all. A backup does not warm up: it serves when all else
fails.
"""

from collections.abc import Iterable

from proxy.fleet.backend import Backend
from proxy.health.slow_start import most_in_flight, warmth, weight


def come_up(backend: Backend, backends: Iterable[Backend], seconds: float, now: float) -> None:
    """A backend has become available that was not before: it begins slowly where a warm peer carries the load."""
    backend.up_since = now
    backend.is_warming = (
        seconds > 0.0 and not backend.spec.backup and any(_is_warm(each, seconds, now) for each in backends)
    )
    backend.warmth = 0.0 if backend.is_warming else 1.0
    backend.most_in_flight = 1


def step(backends: Iterable[Backend], seconds: float, now: float) -> bool:
    """Let time pass; True when a weight is another than before."""
    warming = [backend for backend in backends if backend.is_warming]
    if not warming:
        return False
    peers = _warm_peers(backends, seconds, now)
    mean = sum(peer.in_flight for peer in peers) / len(peers) if peers else 0.0
    changed = False
    for backend in warming:
        before = weight(backend.spec.weight, backend.warmth)
        backend.warmth = warmth(now - backend.up_since, seconds) if peers else 1.0
        backend.is_warming = backend.warmth < 1.0
        backend.most_in_flight = most_in_flight(mean, backend.warmth)
        changed |= not backend.is_warming or weight(backend.spec.weight, backend.warmth) != before
    return changed


def _warm_peers(backends: Iterable[Backend], seconds: float, now: float) -> list[Backend]:
    return [each for each in backends if _is_warm(each, seconds, now)]


def _is_warm(backend: Backend, seconds: float, now: float) -> bool:
    return backend.unavailable is None and not backend.spec.backup and backend.up_since <= now - seconds
