"""How this machine reaches its package index, read when it is needed and given to a build as files.

Nothing of it is ever written into the repository, and images that hold it are removed with the session.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
BUNDLE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# Settings that say where packages are and how to get there. Folders of this machine (find-links, cache-dir) do not
# exist in a build.
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")


def build_files() -> dict[str, bytes]:
    """Absolute path → content: the CA bundle and pip's configuration. Empty on a machine that has neither."""
    files: dict[str, bytes] = {}
    settings = {name: value for name, value in _pip_settings().items() if name in PIP_SETTINGS}
    bundle = _bundle()
    if bundle is not None:
        files[BUNDLE] = bundle.read_bytes()
        settings["cert"] = BUNDLE
    if settings:
        lines = [f"{name} = {value.replace(chr(10), chr(10) + '    ')}" for name, value in sorted(settings.items())]
        files["/etc/pip.conf"] = "\n".join(["[global]", *lines, ""]).encode()
    return files


def _bundle() -> Path | None:
    named = [os.environ.get(variable, "") for variable in BUNDLE_VARIABLES]
    return next((Path(name) for name in named if name and Path(name).is_file()), None)


def _pip_settings() -> dict[str, str]:
    """`pip config list`, whose lines read global.index-url='…'; the environment's (`:env:`) win, as they do in pip."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings
