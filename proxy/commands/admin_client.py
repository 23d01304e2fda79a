"""The admin API as a command asks it: one connection a call, and errors as a person needs them."""

import asyncio
import http.client
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from proxy.commands.configuration import Configuration, read
from proxy.commands.healthcheck import LOOPBACK
from proxy.commands.problems import has_errors
from proxy.errors import ConfigurationError, SeawallError
from proxy.spec.config import Resolved

TIMEOUT: Final = 5.0  # seconds for one answer


class AdminError(SeawallError):
    """The proxy could not be asked, or refused; says why and what to do."""

    exit_code = 2


class MissingError(AdminError):
    """What was asked about is not there."""


class AdminClient:
    """Asks the proxy that was started with this configuration."""

    def __init__(self, resolved: Resolved) -> None:
        host, port = resolved.spec.admin
        self._host, self._port = LOOPBACK.get(host, host), port
        self._origins = resolved.origins
        self._token = resolved.spec.admin_token
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host}:{port}"

    def backend(self, name: str) -> dict[str, Any]:
        """How a backend stands. Raises MissingError when there is none of this name, AdminError."""
        return self._call("GET", f"/api/v1/backends/{quote(name, safe='')}")

    def change(self, name: str, what: str) -> dict[str, Any]:
        """`drain` or `undrain` a backend; returns how it stands. Raises as `backend` does."""
        return self._call("POST", f"/api/v1/backends/{quote(name, safe='')}/{what}")

    def overview(self) -> dict[str, Any]:
        """Everything that moves, in one document. Raises AdminError."""
        return self._call("GET", "/api/v1/overview")

    def _call(self, method: str, path: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        fields = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        try:
            connection.request(method, path, headers=fields)
            response = connection.getresponse()
            status, body = response.status, response.read()
        except TimeoutError as error:
            raise AdminError(f"no answer from {self.url} within {TIMEOUT:g} s ({self._from('admin')})") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise AdminError(f"{self.url}: {reason} ({self._from('admin')})") from error
        finally:
            connection.close()
        return self._read(status, body)

    def _read(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise AdminError(f"{self.url} answered {status}, and not as Seawall does ({self._from('admin')})")
        if status == http.client.OK:
            return document
        what = str(document.get("error") or f"{self.url} answered {status}")
        hint = self._token_hint() if status == http.client.UNAUTHORIZED else str(document.get("hint") or "")
        kind = MissingError if status == http.client.NOT_FOUND else AdminError
        raise kind(f"{what} ({hint})" if hint else what)

    def _token_hint(self) -> str:
        if self._token is None:
            return "give the one that run was given: --admin-token, SEAWALL_ADMIN_TOKEN or the file"
        return f"the one that was sent is wrong, {self._from('admin-token')}"

    def _from(self, key: str) -> str:
        return f"the {key.replace('-', ' ')} {'address ' if key == 'admin' else ''}is from: {self._origins[key]}"


def connect(options: Mapping[str, object]) -> AdminClient:
    """A client for the proxy that these options, or variables, labels and file, describe. Raises ConfigurationError."""
    resolved = _resolve(read(options))
    if has_errors(resolved.problems):
        raise ConfigurationError(resolved.problems)
    if resolved.spec.admin[1] == 0:
        raise AdminError(f"the admin port is 0, any free one ({resolved.origins['admin']}): give it a number")
    return AdminClient(resolved)


def _resolve(configuration: Configuration) -> Resolved:
    if not configuration.in_container:
        return configuration.resolve()
    from proxy.commands.own_labels import resolve_with_labels

    return asyncio.run(resolve_with_labels(configuration))
