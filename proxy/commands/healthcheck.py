"""`seawall healthcheck`: one question to the admin address, for Docker's HEALTHCHECK.

Law: nothing heavy is imported unless the answer may stand in a label: this runs every few seconds in every container.
"""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.commands.configuration import Configuration, read
from proxy.spec.config import Resolved
from proxy.spec.proxy import Address

TIMEOUT: Final = 2.0  # seconds; Docker's own for the whole command should be a little more
PATH: Final = "/healthz"
LOOPBACK: Final = {
    "": "127.0.0.1",
    "0.0.0.0": "127.0.0.1",
    "::": "::1",
}  # where one that listens for every host is asked
_ABOVE_LABELS: Final = ("command line", "environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The answer, and why in one line."""

    is_good: bool
    why: str


def healthcheck(options: Mapping[str, object]) -> Health:
    """Ask the proxy that was started with this configuration."""
    configuration = read(options)
    resolved = configuration.resolve()
    health = ask(resolved.spec.admin, resolved.origins["admin"])
    if health.is_good or not _may_be_labelled(configuration, resolved):
        return health
    labelled = _with_labels(configuration)
    if labelled.spec.admin == resolved.spec.admin:
        return health
    return ask(labelled.spec.admin, labelled.origins["admin"])


def ask(admin: Address, origin: str) -> Health:
    """One request; `origin` says where the address came from."""
    host, port = LOOPBACK.get(admin[0], admin[0]), admin[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"
    if port == 0:
        return Health(is_good=False, why=f"the admin port is 0, any free one ({origin}): give it a number")
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", PATH)
        status = connection.getresponse().status
    except TimeoutError:
        return Health(is_good=False, why=f"no answer from {url} within {TIMEOUT:g} s")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Health(is_good=False, why=f"{url}: {reason} (the admin address is from: {origin})")
    finally:
        connection.close()
    return Health(is_good=status == http.client.OK, why=f"{url} answered {status}")


def _may_be_labelled(configuration: Configuration, resolved: Resolved) -> bool:
    """Whether a label could have put the admin address elsewhere."""
    can_ask = configuration.in_container and resolved.spec.docker is not None
    return can_ask and not resolved.origins["admin"].startswith(_ABOVE_LABELS)


def _with_labels(configuration: Configuration) -> Resolved:
    import asyncio

    from proxy.commands.own_labels import resolve_with_labels

    return asyncio.run(resolve_with_labels(configuration))
