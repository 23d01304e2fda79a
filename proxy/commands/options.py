"""The options of `run` and `check`: one for every row of the table of settings, so that none is forgotten."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer

from proxy.spec.settings import SETTINGS, Setting

SOURCES: Final = (
    "ADDR is HOST:PORT, or :PORT for all hosts. TIME is 250ms, 2s, 1m. Every option can also be a variable "
    "(SEAWALL_LISTEN), a label of the proxy's own container (seawall.proxy.listen) or a key of the file "
    '(listen = [":8080"]); the first of these that has it wins.'
)
CONFIG_HELP: Final = "TOML file. [default: $SEAWALL_CONFIG, else /etc/seawall/seawall.toml if it exists]"
ADMIN_HELP: Final = "The admin address, where run was given one by option."
TOKEN_HELP: Final = "The admin token, where run was given one by option."
BACKEND_HELP: Final = "Name of a container, or HOST:PORT of a static backend."

# By key: what stands for the value, None for a switch; and what it does.
HELP: Final[Mapping[str, tuple[str | None, str]]] = {
    "listen": ("ADDR", "Take requests here, behind a load balancer ADDR?proxy-protocol; repeatable."),
    "admin": ("ADDR", "Metrics, health and API are here; in a container the default is :9900."),
    "admin-token": ("TOKEN", "Changes by API from other machines need it."),
    "workers": ("N", "Worker processes; auto: one per core."),
    "pin-workers": (None, "Keep each worker on a core of its own."),
    "takeover": ("PATH", "Take over from the proxy that listens at this socket, and hand over to the next."),
    "docker": ("URL", "The engine's socket: unix://PATH or tcp://HOST:PORT."),
    "expose-by-default": (None, "Route to every container, unless its label seawall.enable is false."),
    "constraint": ("LABEL", "Leave out containers without this KEY or KEY=VALUE; repeatable."),
    "backend": ("[SERVICE=]URL", "A backend that is no container: http://HOST:PORT; repeatable."),
    "trusted-proxies": ("CIDR", "Believe X-Forwarded-* that come from here; repeatable."),
    "request-head-timeout": ("TIME", "How long a client may take for the head of a request."),
    "body-timeout": ("TIME", "How long it may pause in a request's body."),
    "keep-alive-timeout": ("TIME", "How long its idle connection is kept."),
    "min-rate": ("BYTES", "Wait for no client that is slower than this per second; 0: wait."),
    "max-head": ("SIZE", "Largest head of a request."),
    "max-target": ("SIZE", "Longest target of a request."),
    "max-fields": ("N", "Most fields in the head of a request."),
    "max-connections": ("N", "Clients at once; auto: as many as there are descriptors for."),
    "max-connections-per-client": ("N", "The same for one address."),
    "forwarded": (None, "Send backends the field Forwarded (RFC 7239), beside X-Forwarded-*."),
    "request-id": ("BOOL", "Whether requests without an X-Request-Id get one."),
    "sticky-secret": ("SECRET", "Sticky cookies stay good over restarts and for other proxies that have the same."),
    "default": ("KEY=VALUE", "Another default for a label, such as timeout.response=5s; repeatable."),
    "policy": ("NAME", "How to choose a backend: least-connections, round-robin or random; labels may differ."),
    "drain": ("TIME", "On SIGTERM, how long requests may take to finish."),
    "access-log": ("FORMAT", "A line per request on stdout: off, json or combined."),
    "access-log-sample": (
        "SHARE",
        "The share of requests that have a line, 0 to 1; failed and retried ones always do.",
    ),
    "otlp-endpoint": ("URL", "Send traces there by OTLP: http://HOST:4318."),
    "trace-sample": ("SHARE", "The share of requests that begin a trace, 0 to 1; those that are in one go on with it."),
    "log-format": ("FORMAT", "The proxy's own log on stderr: text, json, or auto: text on a terminal."),
}


def takes_settings(command: Callable[[dict[str, object]], None]) -> Callable[..., None]:
    """A command of typer's with every setting as an option; `command` gets those that were given, by name."""

    def with_options(**options: object) -> None:
        if options["docker"] is not None and options["no_docker"]:
            raise typer.BadParameter("--docker and --no-docker exclude each other")
        command({name: value for name, value in options.items() if value is not None})

    with_options.__name__ = command.__name__
    with_options.__doc__ = command.__doc__
    with_options.__signature__ = inspect.Signature(_parameters())  # type: ignore[attr-defined]
    return with_options


def _parameters() -> list[inspect.Parameter]:
    parameters = [_parameter("config", str, typer.Option("--config", metavar="FILE", help=CONFIG_HELP))]
    for setting in SETTINGS.values():
        parameters.append(_of(setting))
        if setting.key == "docker":
            switch = typer.Option("--no-docker", help="Look for no containers: static backends only.")
            parameters.append(_parameter("no_docker", bool, switch))
    return parameters


def _of(setting: Setting) -> inspect.Parameter:
    metavar, text = HELP[setting.key]
    default = ", ".join(setting.texts(in_container=False))
    if metavar is not None and default:
        text += f" [default: {default}]"
    kind: Any = bool if metavar is None else list[str] if setting.repeatable else str
    name = setting.key.replace("-", "_")
    return _parameter(name, kind, typer.Option(setting.option, metavar=metavar, help=text))


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    """None stands for an option that was not given."""
    annotation = Annotated[kind | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
