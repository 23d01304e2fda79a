"""The table of the proxy's own settings: one row drives the option, the variable, the label and the key of the file."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from proxy.spec import service_keys
from proxy.spec.names import parse_host_name
from proxy.spec.proxy import Address, ListenAddress, Network
from proxy.spec.service_keys import check_default
from proxy.spec.static import parse_static
from proxy.spec.values import (
    InvalidValueError,
    choice,
    duration,
    integer,
    number,
    optional,
    parse_boolean,
    parse_port,
    parse_printable,
    shown,
    size,
)

VARIABLE_PREFIX: Final = "SEAWALL_"
LABEL_PREFIX: Final = "seawall.proxy."
DEFAULTS_TABLE: Final = "defaults"  # of the file
OTHER_VARIABLES: Final = frozenset(
    {"SEAWALL_WIRE", "SEAWALL_CODE", "SEAWALL_CONFIG"}
)  # read elsewhere, settings of nothing
_SHORTEST: Final = 0.01  # seconds
_PROXY_PROTOCOL: Final = "proxy-protocol"
_PORT_SUFFIX: Final = re.compile(r"(.*):([0-9]*)", re.DOTALL)
_ENGINE_URL: Final = re.compile(r"unix:///[!-~]+|(?:tcp|https?)://[!-.0-~]+(?::[0-9]{1,5})?/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: its key in labels.md's table, the field of ProxySpec, how one value is read, default, meaning.

    `default` is the text of the default, or of each item of a repeatable one; `default_in_container` likewise.
    """

    key: str
    field: str
    parse: Callable[[str], Any]
    default: str | tuple[str, ...]
    meaning: str
    default_in_container: str | None = None

    @property
    def repeatable(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.default, tuple)

    @property
    def option(self) -> str:
        """On the command line."""
        return f"--{self.key}"

    @property
    def variable(self) -> str:
        """In the environment; lists are separated by commas."""
        return VARIABLE_PREFIX + self.key.upper().replace("-", "_")

    @property
    def label(self) -> str:
        """On the proxy's own container; lists are separated by commas."""
        return LABEL_PREFIX + self.key

    @property
    def file_key(self) -> str:
        """In the file, where the service-level defaults are a table."""
        return DEFAULTS_TABLE if self.key == "default" else self.key

    def texts(self, in_container: bool) -> tuple[str, ...]:
        """The default, as texts to parse."""
        if isinstance(self.default, tuple):
            return self.default
        return (self.default_in_container if in_container and self.default_in_container else self.default,)


# how single values are read


def parse_address(text: str) -> Address:
    """`:8080`, `127.0.0.1:80`, `[::1]:80`, `localhost:80` to host (empty: all of them) and port (0: any free one)."""
    match = _PORT_SUFFIX.fullmatch(text.strip())
    if match is None:
        hint = f"did you mean :{text.strip()}?" if text.strip().isdigit() else "write HOST:PORT, or :PORT for all hosts"
        raise InvalidValueError(f"{shown(text)} is not an address to listen on", hint)
    host, port = match.groups()
    if ":" in host and not host.startswith("["):
        raise InvalidValueError(f"{shown(text)} is not an address", "put an IPv6 address in brackets: [::1]:80")
    name = parse_host_name(host).strip("[]") if host else ""
    return (name, 0 if port == "0" else parse_port(port))


def parse_listen(text: str) -> ListenAddress:
    """An address, with `?proxy-protocol` behind it where a load balancer in front says whose a connection is."""
    address, mark, option = text.strip().partition("?")
    if mark and option.lower() != _PROXY_PROTOCOL:
        raise InvalidValueError(
            f"{shown(text)} has an unknown option {shown(option)}", f"the only one is ?{_PROXY_PROTOCOL}"
        )
    return ListenAddress(*parse_address(address), proxy_protocol=bool(mark))


def parse_workers(text: str) -> int:
    """A number of processes; 0 for `auto`, one per core."""
    return 0 if text.strip().lower() == "auto" else integer(1, 1024)(text)


def _between(lowest: int, highest: int) -> Callable[[str], int]:
    """A parser of sizes in bytes within two bounds."""
    parse_up_to = size(highest)

    def parse(text: str) -> int:
        count = parse_up_to(text)
        if count < lowest:
            raise InvalidValueError(f"{shown(text)} is too small", f"at least {lowest} bytes")
        return count

    return parse


def parse_engine(text: str) -> str:
    """The URL of the engine's socket."""
    if not _ENGINE_URL.fullmatch(text.strip()):
        hint = "write unix:///var/run/docker.sock or tcp://HOST:PORT, or none for no discovery"
        raise InvalidValueError(f"{shown(text)} is not a URL of an engine", hint)
    return text.strip()


def parse_receiver(text: str) -> str:
    """The URL of a receiver of traces."""
    url = parse_printable(text)
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or "@" in url or "?" in url or "#" in url:
        raise InvalidValueError(f"{shown(text)} is not a URL of a receiver", "write http://HOST:4318, or none")
    return url


def parse_constraint(text: str) -> tuple[str, str | None]:
    """`KEY` or `KEY=VALUE` to key and value, None for any."""
    key, equals, value = text.strip().partition("=")
    if not key.strip():
        raise InvalidValueError(f"{shown(text)} names no label", "write KEY or KEY=VALUE")
    return key.strip(), value.strip() if equals else None


def parse_network(text: str) -> Network:
    """A CIDR, or one address."""
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        pass_on = error
    try:
        hint = f"did you mean {ipaddress.ip_network(text.strip(), strict=False)}?"
    except ValueError:
        hint = "write an address and a prefix length: 10.0.0.0/8"
    raise InvalidValueError(f"{shown(text)} is not a network", hint) from pass_on


def parse_default(text: str) -> tuple[str, str]:
    """`KEY=VALUE` of a service-level label; its `seawall.` may be there or not."""
    key, equals, value = text.strip().partition("=")
    key = key.strip().lower().removeprefix("seawall.")
    if not equals:
        raise InvalidValueError(f"{shown(text)} has no value", "write KEY=VALUE: timeout.response=5s")
    check_default(key, value)
    return key, value.strip()


def parse_secret(text: str) -> str:
    """A token; never shown in a message."""
    try:
        secret = parse_printable(text)
    except InvalidValueError:
        secret = ""
    if not secret or " " in secret:
        raise InvalidValueError("the secret has spaces or characters other than printable ASCII")
    return secret


def _setting(
    key: str,
    parse: Callable[[str], Any],
    default: str | tuple[str, ...],
    meaning: str,
    field: str = "",
    default_in_container: str | None = None,
) -> Setting:
    return Setting(
        key=key,
        field=field or key.replace("-", "_"),
        parse=parse,
        default=default,
        meaning=meaning,
        default_in_container=default_in_container,
    )


def _table(settings: Iterable[Setting]) -> dict[str, Setting]:
    return {setting.key: setting for setting in settings}


def parse_sticky_secret(text: str) -> bytes:
    """What sticky cookies are made with; never shown in a message."""
    secret = parse_secret(text).encode("ascii")
    if not 16 <= len(secret) <= 32:
        raise InvalidValueError("the secret of sticky cookies is too short or too long", "16 to 32 characters")
    return secret


SETTINGS: Final[Mapping[str, Setting]] = _table(
    (
        _setting("listen", parse_listen, (":8080",), "addresses to take requests at; ?proxy-protocol is an option"),
        _setting(
            "admin",
            parse_address,
            "127.0.0.1:9900",
            "address of metrics, health, API and dashboard; in a container :9900",
            default_in_container=":9900",
        ),
        _setting("admin-token", optional(parse_secret, ""), "", "needed for changes by API from other machines"),
        _setting("workers", parse_workers, "1", "worker processes: a number, or auto for one per core"),
        _setting("pin-workers", parse_boolean, "false", "keep each worker on a core of its own"),
        _setting(
            "takeover",
            optional(parse_printable),
            "none",
            "a Unix socket: take over from the proxy that listens there, and hand over to the next",
        ),
        _setting(
            "docker", optional(parse_engine), "unix:///var/run/docker.sock", "the engine's socket; none: no discovery"
        ),
        _setting("expose-by-default", parse_boolean, "false", "route to containers without seawall.enable, too"),
        _setting(
            "constraint", parse_constraint, (), "only containers with these labels: key or key=value", "constraints"
        ),
        _setting("backend", parse_static, (), "static backends: [SERVICE=]URL", "backends"),
        _setting("trusted-proxies", parse_network, (), "networks whose X-Forwarded-* are believed"),
        _setting("request-head-timeout", duration(_SHORTEST), "10s", "for a client to send the head of a request"),
        _setting("body-timeout", duration(_SHORTEST), "60s", "between two pieces of a request's body"),
        _setting("keep-alive-timeout", duration(_SHORTEST), "75s", "how long a client's idle connection is kept"),
        _setting(
            "min-rate", size(1 << 40), "500", "bytes a second below which a slow client is not waited for; 0: none"
        ),
        _setting(
            "max-head", _between(1 << 10, 1 << 20), "32KiB", "largest head of a request; more is answered with 431"
        ),
        _setting(
            "max-target", _between(1 << 8, 1 << 16), "8KiB", "longest target of a request; more is answered with 414"
        ),
        _setting("max-fields", integer(16, 256), "100", "most fields in a head; more is answered with 431"),
        _setting(
            "max-connections",
            optional(integer(1, 1 << 30), "auto"),
            "auto",
            "clients at once; auto: by the descriptors",
        ),
        _setting(
            "max-connections-per-client", optional(integer(1, 1 << 30)), "none", "connections at once from one address"
        ),
        _setting("forwarded", parse_boolean, "false", "send the field Forwarded (RFC 7239) to backends, too"),
        _setting("request-id", parse_boolean, "true", "give each request an X-Request-Id"),
        _setting(
            "sticky-secret",
            optional(parse_sticky_secret, ""),
            "",
            "16 to 32 characters for sticky cookies; else by chance",
        ),
        _setting("default", parse_default, (), "defaults of service-level labels: KEY=VALUE", "defaults"),
        _setting(
            "policy",
            service_keys.KEYS["policy"].parse,
            service_keys.KEYS["policy"].default,
            "short for the default of the label policy",
        ),
        _setting("drain", duration(0), "30s", "time for requests to finish on SIGTERM"),
        _setting(
            "access-log",
            choice("format", [("off", None), ("false", None), ("json", "json"), ("combined", "combined")]),
            "off",
            "one line a request to stdout: off, json or combined",
        ),
        _setting(
            "access-log-sample",
            number(0, 1),
            "1",
            "share of the requests that have a line; those that failed or were sent again always have",
        ),
        _setting("otlp-endpoint", optional(parse_receiver), "none", "send traces there by OTLP over HTTP"),
        _setting(
            "trace-sample",
            number(0, 1),
            "1",
            "share of the requests that begin a trace, of those that come without one",
        ),
        _setting(
            "log-format",
            choice("format", [(word, word) for word in ("auto", "text", "json")]),
            "auto",
            "of the proxy's own log: text, json, or auto: text on a terminal",
        ),
    )
)
