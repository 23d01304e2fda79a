"""`seawall demo`: the App that `run` has, in front of embedded backends, under a little load, with figures to watch."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import uvloop
from rich.console import Console

from proxy import logs
from proxy.app import App
from proxy.demo.embedded import EmbeddedBackends
from proxy.demo.figures import FigureTaker
from proxy.demo.load import Load, Tally
from proxy.demo.screen import Screen, Second
from proxy.errors import ConfigurationError
from proxy.spec.config import Resolved, resolve
from proxy.spec.proxy import Address

SERVICE: Final = "demo"
LISTEN: Final = ("127.0.0.1", 8080)
ADMIN: Final = ("127.0.0.1", 9900)
PRIVATE: Final = "127.0.0.1:0"  # where the load goes, whatever address the user chose
INTERVAL: Final = 1.0  # seconds between two summaries
_LOOPBACK: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The options. None: the user has none."""

    listen: str | None = None
    admin: str | None = None
    policy: str | None = None
    rate: float = 20.0  # requests a second
    seconds: float | None = None  # until Ctrl-C


def show(wishes: Wishes) -> int:
    """Run it to its end; the exit code is 1 when a client saw a failure. Raises SeawallError."""
    logs.silence()
    return uvloop.run(_show(wishes, Screen(Console(markup=False, highlight=False, emoji=False))))


async def _show(wishes: Wishes, screen: Screen) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    listen = wishes.listen or _free(LISTEN, "listen", screen)
    admin = wishes.admin or _free(ADMIN, "admin", screen)
    async with EmbeddedBackends() as embedded:
        resolved = configure(embedded.ports.values(), listen, admin, wishes.policy)
        async with App(resolved) as app:
            load = Load(f"http://127.0.0.1:{app.plane.addresses[-1][1]}/", wishes.rate)
            _introduce(app, screen)
            taker = FigureTaker({port: name for name, port in embedded.ports.items()})
            async with asyncio.TaskGroup() as tasks:
                loading = tasks.create_task(load.run())
                with screen:
                    await _watch(app, load, taker, screen, ended, wishes.seconds)
                load.stop()
                await loading
            await app.drain()
    _conclude(load.tally, _repeated(app), screen)
    return 1 if load.tally.failed else 0


def configure(ports: Iterable[int], listen: str, admin: str, policy: str | None) -> Resolved:
    """The configuration of the demo: options, and nothing of environment or file. Raises ConfigurationError."""
    options = {
        "listen": [listen, PRIVATE],
        "admin": admin,
        "policy": policy,
        "no-docker": True,
        "backend": [f"{SERVICE}=http://127.0.0.1:{port}" for port in ports],
        "drain": "1s",
    }
    resolved = resolve(options, {}, {}, {}, in_container=False)
    if resolved.problems:
        raise ConfigurationError(resolved.problems)
    return resolved


async def _watch(
    app: App, load: Load, taker: FigureTaker, screen: Screen, ended: asyncio.Event, seconds: float | None
) -> None:
    """Show every second until somebody ends it, or the seconds are over."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    before = Tally()
    number = 0
    while not ended.is_set() and (seconds is None or loop.time() - start < seconds):
        number += 1
        due = number * INTERVAL if seconds is None else min(number * INTERVAL, seconds)
        try:
            async with asyncio.timeout_at(start + due):
                await ended.wait()
        except TimeoutError:
            pass
        now = load.tally.copy()
        second = Second(
            number=number,
            backends=taker.take(list(app.fleet.backends())),
            clients=now.since(before),
            clients_so_far=now,
            repeated_so_far=_repeated(app),
        )
        screen.show(second)
        before = now


def _repeated(app: App) -> int:
    return sum(sum(service.statistics.retries.values()) for service in app.fleet.services.values())


# what is said


def _free(wanted: Address, option: str, screen: Screen) -> str:
    """The address as text; with any free port where the port is taken and the user did not ask for it."""
    host, port = wanted
    try:
        with socket.create_server(wanted):
            return f"{host}:{port}"
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        screen.say(f"Port {port} is not to be had ({why}): taking a free one. --{option} chooses another.")
        return f"{host}:0"


def _introduce(app: App, screen: Screen) -> None:
    url, admin = _url(*app.plane.addresses[0]), _url(*app.admin.address)
    screen.say(f"Seawall is at {url}, in front of four backends: two quick, one slow, one flaky.")
    screen.say("The flaky one drops or refuses connections for 4 seconds out of 7. Clients should not notice.\n")
    screen.say(f"Try  curl -i {url}/")
    screen.say(f"     curl {admin}/api/v1/backends")
    screen.say(f"     curl {admin}/metrics")
    screen.say("Ctrl-C ends it.\n")


def _conclude(tally: Tally, repeated: int, screen: Screen) -> None:
    screen.say(
        f"\n{tally.total} requests of clients: {tally.failed} failed. "
        f"{repeated} attempts failed at a backend and were repeated."
    )


def _url(host: str, port: int) -> str:
    host = _LOOPBACK.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"
