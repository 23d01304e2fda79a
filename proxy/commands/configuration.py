"""Where a command's configuration comes from: everything but the engine is read once, in one place.

Light on purpose: `seawall healthcheck` runs every few seconds.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from proxy.problem import Problem
from proxy.spec import kinds
from proxy.spec.config import Resolved, resolve
from proxy.spec.values import InvalidValueError

DEFAULT_FILE: Final = Path("/etc/seawall/seawall.toml")
FILE_VARIABLE: Final = "SEAWALL_CONFIG"
IN_CONTAINER: Final = "SEAWALL_IN_CONTAINER"  # for what leaves no mark, or leaves one that misleads
_SAYS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))  # of Docker, of Podman
_KUBERNETES: Final = "KUBERNETES_SERVICE_HOST"
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What command line, environment and file gave. `problems` are those of the file as a whole."""

    options: Mapping[str, object]
    environment: Mapping[str, str]
    in_container: bool
    document: Mapping[str, object] = field(default_factory=dict)
    file: str = ""
    problems: tuple[Problem, ...] = ()

    def resolve(self, own_labels: Mapping[str, str] = _NONE) -> Resolved:
        """The settings, with every problem; the labels are those of the proxy's own container."""
        resolved = resolve(
            self.options, self.environment, own_labels, self.document, self.in_container, self.file or "seawall.toml"
        )
        return replace(resolved, problems=(*self.problems, *resolved.problems))


def read(
    options: Mapping[str, object], environment: Mapping[str, str] = os.environ, default_file: Path | None = None
) -> Configuration:
    """Read everything there is beside the engine. `options` are keys of settings, and `config`: the file. Never raises.

    Without an option or variable the default file, `DEFAULT_FILE` unless given, is read where it exists, and is no
    problem where it does not.
    """
    given = dict(options)
    file, where = _place(given.pop("config", None), environment, default_file or DEFAULT_FILE)
    document: Mapping[str, object] = {}
    problems: tuple[Problem, ...] = ()
    if file is not None:
        try:
            document = _parse(file)
        except InvalidValueError as error:
            problems = (Problem(kind=kinds.INVALID_SETTING, where=where, what=str(error), hint=error.hint),)
    return Configuration(
        options=given,
        environment={name: text for name, text in environment.items() if name != IN_CONTAINER},
        in_container=is_in_container(environment),
        document=document,
        file="" if file is None else str(file),
        problems=problems,
    )


def is_in_container(environment: Mapping[str, str], marks: tuple[Path, ...] = _MARKS) -> bool:
    """Whether this process runs in a container: as the variable says, else by what engines leave."""
    said = _SAYS.get(environment.get(IN_CONTAINER, "").strip().lower())
    return (_KUBERNETES in environment or any(map(_exists, marks))) if said is None else said


def _place(option: object, environment: Mapping[str, str], default_file: Path) -> tuple[Path | None, str]:
    """The file to read, if any, and who named it."""
    if option is not None:
        return Path(str(option)), "command line --config"
    if environment.get(FILE_VARIABLE):
        return Path(environment[FILE_VARIABLE]), f"environment {FILE_VARIABLE}"
    return default_file if _exists(default_file) else None, f"file {default_file}"


def _exists(path: Path) -> bool:
    """Also what may not be read exists."""
    try:
        return path.exists()
    except OSError:
        return True


def _parse(path: Path) -> Mapping[str, object]:
    """The TOML document; InvalidValueError says why there is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except IsADirectoryError:
        hint = "an engine makes a folder of a file that it is to mount and does not find"
        raise InvalidValueError(f"{path} is a folder, not a file", hint) from None
    except OSError as error:
        raise InvalidValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"{path} is not in UTF-8: byte {error.start}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidValueError(f"{path} is not TOML: {error}", 'text stands between quotes: key = "value"') from error
