"""`seawall drain` and `undrain`: take a backend out of service, wait until it is empty, and give it back."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from proxy.commands.admin_client import AdminClient, MissingError, connect

POLL: Final = 0.5  # seconds between two questions
EMPTY: Final = 0
NOT_IN_TIME: Final = 1


def drain(options: Mapping[str, object], backend: str, timeout: float, say: Callable[[str], None]) -> int:
    """Drain and wait up to `timeout` seconds; returns the exit code. Raises AdminError, ConfigurationError."""
    client = connect(options)
    begun = time.monotonic()
    in_flight = client.change(backend, "drain")["in_flight"]
    if in_flight and timeout:
        say(f"{backend}: draining, {in_flight} in flight")
        in_flight = _wait_empty(client, backend, in_flight, begun + timeout)
    if not in_flight:
        say(f"{backend}: drained, nothing is in flight ({time.monotonic() - begun:.1f} s)")
        return EMPTY
    say(f"{backend}: still {in_flight} in flight after {timeout:g} s; it gets no new requests")
    return NOT_IN_TIME


def undrain(options: Mapping[str, object], backend: str, say: Callable[[str], None]) -> int:
    """Give it back. Raises as `drain` does."""
    document = connect(options).change(backend, "undrain")
    for line in _standings(document):
        say(line)
    return EMPTY


def _wait_empty(client: AdminClient, backend: str, in_flight: int, until: float) -> int:
    """What is in flight once that is nothing, or at the time `until`."""
    while in_flight and (left := until - time.monotonic()) > 0:
        time.sleep(min(POLL, left))
        try:
            in_flight = client.backend(backend)["in_flight"]
        except MissingError:
            return 0  # it has left meanwhile
    return in_flight


def _standings(document: Mapping[str, Any]) -> Iterator[str]:
    """A line for each service that the backend is in."""
    for backend in document["backends"]:
        reason = f": {backend['reason']}" if backend["reason"] else ""
        yield f"{backend['name']}: {backend['state']}{reason} in service {backend['service']}"
