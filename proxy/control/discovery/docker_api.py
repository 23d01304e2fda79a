"""The container engine's API through the docker SDK. No other file imports it.

Laws: only GET on /_ping, /version, /containers/json, /containers/{id}/json and /events is ever called, so that a
read-only socket proxy will do. The SDK blocks: the loop never calls it, threads do, and all of them are daemons: an
engine that hangs holds up neither the proxy nor its end. What the SDK raises leaves this file as EngineError.

    python -m proxy.control.discovery.docker_api [URL]      exit code 0 when an engine answers
"""

import asyncio
import concurrent.futures
import http.client
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import docker
import requests
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env
from urllib3.exceptions import HTTPError

from proxy.control.discovery.event import CONTAINER_ACTIONS, NETWORK_ACTIONS, EngineEvent, read_event
from proxy.errors import EngineError

T = TypeVar("T")

DEFAULT_URL: Final = "unix:///var/run/docker.sock"
TIMEOUT: Final = 10  # seconds for an answer; the list of a thousand containers takes a tenth of one
LINGER: Final = 1.0  # seconds to wait for threads at the end
LONGEST_WORDS: Final = 200  # characters of what the engine says about an error
LONGEST_EVENT: Final = 1 << 20  # bytes; an event carries all labels of its container
_UNIX: Final = "unix://"
_FILTERS: Final = {"type": ["container", "network"], "event": sorted(CONTAINER_ACTIONS | NETWORK_ACTIONS)}


class DockerEngine:
    """The engine at a URL: unix:// or tcp://, the latter with TLS as DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say."""

    def __init__(self, url: str = DEFAULT_URL, environment: Mapping[str, str] = os.environ) -> None:
        self.url = url
        self._environment = environment
        self._client: docker.APIClient | None = None
        self._calls: list[tuple[threading.Thread, concurrent.futures.Future[Any]]] = []  # that may be under way

    async def ping(self) -> None:
        """Ask whether it answers."""
        client = await self._connected()
        await self._call(client.ping)

    async def list_containers(self) -> Sequence[Mapping[str, Any]]:
        """All containers, running or not."""
        client = await self._connected()
        documents = await self._call(lambda: client.containers(all=True))
        if not isinstance(documents, list):
            raise EngineError("the list of containers is none")
        return documents

    async def inspect(self, container: str) -> Mapping[str, Any] | None:
        """One container; None when there is none."""
        client = await self._connected()

        def inspect() -> Mapping[str, Any] | None:
            try:
                document: Mapping[str, Any] = client.inspect_container(container)
            except NotFound:
                return None
            return document

        return await self._call(inspect)

    async def subscribe(self, on_event: Callable[[EngineEvent], None], since: int) -> "EventStream":
        """Connect anew, also where the socket's file is another one now, and read events."""
        self._take(await self._call(self._connect))
        client = await self._connected()
        stream = EventStream(client, on_event, since)
        try:
            await stream.wait_open()
        except BaseException:
            await stream.close()
            raise
        return stream

    async def close(self) -> None:
        """Give back connections and threads; one that waits for a hanging engine is left to its timeout."""
        ends = asyncio.gather(*(asyncio.wrap_future(call) for _, call in self._calls), return_exceptions=True)
        try:
            await asyncio.wait_for(ends, LINGER)
        except TimeoutError:
            pass
        for thread, call in self._calls:
            if call.done():
                thread.join(LINGER)  # saying so was its last act
        self._take(None)

    async def _connected(self) -> docker.APIClient:
        if self._client is None:
            client = await self._call(self._connect)
            if self._client is None:
                self._client = client
            else:
                client.close()  # another call was first
        return self._client

    def _take(self, client: docker.APIClient | None) -> None:
        if self._client is not None:
            self._client.close()
        self._client = client

    async def _call(self, work: Callable[[], T]) -> T:
        """Run it in a thread. Not in an executor: Python waits for those when it ends, however long an engine hangs."""
        call: concurrent.futures.Future[T] = concurrent.futures.Future()
        call.set_running_or_notify_cancel()  # a caller that is cancelled leaves the thread to finish
        thread = threading.Thread(target=_settle, args=(call, work), name="engine-call", daemon=True)
        self._calls = [(other, its_call) for other, its_call in self._calls if other.is_alive()]
        self._calls.append((thread, call))
        thread.start()
        return await asyncio.wrap_future(call)

    # in a thread

    def _connect(self) -> docker.APIClient:
        if self.url.startswith(_UNIX):
            _knock(self.url.removeprefix(_UNIX))
        with self._client_for(MINIMUM_DOCKER_API_VERSION) as client:
            version = client.version(api_version=False).get("ApiVersion")
        if not isinstance(version, str):
            raise EngineError("the engine does not say which version of the API it has: ApiVersion is missing")
        return self._client_for(version)

    def _client_for(self, version: str) -> docker.APIClient:
        """A client that has asked nothing yet. The SDK would ask for the version before it could be told the rest."""
        url, tls = self.url, None
        if not url.startswith(_UNIX):
            tls = kwargs_from_env({**self._environment, "DOCKER_HOST": url}).get("tls")
        client = docker.APIClient(base_url=url, version=version, timeout=TIMEOUT, tls=tls or False)
        # REQUESTS_CA_BUNDLE would replace the engine's own authority, HTTP_PROXY lead out into the world.
        client.trust_env = False
        return client

    def __repr__(self) -> str:
        return f"<DockerEngine {self.url} calls={len(self._calls)}>"


class EventStream:
    """The event stream, read line by line in a thread of its own.

    Not the SDK's own reading of it: that knows no timeout for the head of the response, and gives nothing of a stream
    that is not chunked, as it comes through some socket proxies.
    """

    def __init__(self, client: docker.APIClient, on_event: Callable[[EngineEvent], None], since: int) -> None:
        self._client = client
        self._on_event = on_event
        self._since = since
        self._loop = asyncio.get_running_loop()
        self._open: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[EngineError] = self._loop.create_future()
        self._socket: socket.socket | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._read, name="engine-events", daemon=True)
        self._thread.start()

    async def wait_open(self) -> None:
        """Until the engine has answered: what happens from then on comes as an event."""
        ended = self._ended
        await asyncio.wait((self._open, ended), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise ended.result()

    async def wait(self) -> None:
        """Until the stream ends."""
        raise await asyncio.shield(self._ended)

    async def close(self) -> None:
        """End it. The thread wakes up because its connection is shut down."""
        self._is_closed = True
        if self._socket is not None:
            _shut_down(self._socket)
        await asyncio.wait((self._ended,), timeout=LINGER)
        if self._ended.done():
            self._thread.join(LINGER)  # its last act was to say so

    # in the thread

    def _read(self) -> None:
        error = EngineError("the engine has closed the event stream")
        try:
            with _translated():
                self._follow()
        except EngineError as raised:
            error = raised
        finally:
            self._hand_over(self._end, error)

    def _follow(self) -> None:
        client = self._client
        parameters: dict[str, str] = {"filters": json.dumps(_FILTERS)}
        if self._since:
            parameters["since"] = f"{self._since // 1_000_000_000}.{self._since % 1_000_000_000:09}"
        url = f"{client.base_url}/v{client.api_version}/events"
        with client.get(url, params=parameters, stream=True, timeout=TIMEOUT) as response:
            if response.status_code != http.client.OK:
                raise EngineError(f"the engine refuses its events: HTTP {response.status_code}")
            # As the SDK finds it (docker.types.CancellableStream): requests and urllib3 do not hand it out.
            reader: Any = response.raw._fp  # an http.client.HTTPResponse
            self._socket = connection = reader.fp.raw._sock
            connection.settimeout(None)  # nothing happens for hours; a hanging engine is found by asking it
            if self._is_closed:
                return
            self._hand_over(self._set_open)
            while line := reader.readline(LONGEST_EVENT):
                event = _event(line)
                if event is not None:
                    self._hand_over(self._deliver, event)

    def _hand_over(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            pass  # the loop is closed: nobody wants to know

    # in the loop

    def _set_open(self) -> None:
        if not self._open.done():
            self._open.set_result(None)

    def _deliver(self, event: EngineEvent) -> None:
        if not self._is_closed:
            self._on_event(event)

    def _end(self, error: EngineError) -> None:
        if not self._ended.done():
            self._ended.set_result(error)


def _settle(call: "concurrent.futures.Future[T]", work: Callable[[], T]) -> None:
    try:
        with _translated():
            result = work()
    except Exception as error:
        call.set_exception(error)
        return
    call.set_result(result)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        raise EngineError(f"HTTP {error.status_code}: {str(error.explanation)[:LONGEST_WORDS]}") from error
    except (DockerException, requests.RequestException, HTTPError, http.client.HTTPException) as error:
        root = _root(error)
        raise EngineError(_words(root)) from root
    except (OSError, ValueError) as error:  # of the connection, of JSON
        raise EngineError(_words(error)) from error


def _root(error: BaseException) -> BaseException:
    """The operating system's error under what the SDK wrapped of what requests wrapped of what urllib3 wrapped."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, TimeoutError) or (isinstance(below, OSError) and below.strerror):
            return below
        below = below.__cause__ or below.__context__
    return error


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:LONGEST_WORDS] or type(error).__name__


def _knock(path: str) -> None:
    """Connect once: the error says more than the SDK's, which also leaks the socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(path)


def _shut_down(connection: socket.socket) -> None:
    """The plain socket's way, with TLS too: a TLS socket forgets its state first, under the reading thread's feet."""
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed already


def _event(line: bytes) -> EngineEvent | None:
    """One line is one event; one that cannot be read is passed by, and the next list heals what it said."""
    try:
        return read_event(json.loads(line))
    except ValueError:
        return None


async def _ask(url: str) -> int:
    engine = DockerEngine(url)
    try:
        await engine.ping()
    except EngineError as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1
    finally:
        await engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_ask((*sys.argv[1:], os.environ.get("SEAWALL_DOCKER") or DEFAULT_URL)[0])))
