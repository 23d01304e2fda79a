"""Images of the tests, made without a registry where there is none.

The base has a Python with venv and pip. It comes from a registry where the engine reaches one, else from Debian's
packages: mmdebstrap makes a tar of it, kept in a cache outside the repository, which every private engine imports.
"""

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import BuildError, DockerException, ImageNotFound

from tests.support import debian, machine

PUBLIC_BASE = "python:3.13-slim"
PACKAGES = "python3,python3-venv,python3-pip,python-is-python3,ca-certificates"
BACKEND_APP = Path(__file__).parents[1] / "docker" / "backend_app"
LABELS = {"seawall-tests.image": "true"}  # how a user finds what the tests left in their engine's cache
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # an imported image has none
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# Read by nobody in a container: 100 MB of 300.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


class ImageError(Exception):
    """An image could not be made; the message has the log."""


class ImageBuilder:
    """Builds from Dockerfiles whose build argument BASE is a Python image, on this machine's own terms.

    BASE gets what this machine needs to reach its package index. That may be nobody else's business: every image made
    here, intermediate ones too (they inherit the run's label), is removed by `close`, when nobody else of the run has
    one open. All of a run build on the same base and what has the same name one after the other, so that one compiles
    and the others find each step in the engine's cache.
    """

    def __init__(self, client: docker.DockerClient, base_tag: str, run: str) -> None:
        self._client = client
        self._run = run
        self._label = f"seawall-tests.run={run}"
        self._open = _cache() / f"builders-{run}"  # a file for each who may still build
        self._mine = self._open / uuid.uuid4().hex
        self.base = f"seawall-test-built-base:{run}"
        with _locked("builders"):
            self._open.mkdir(exist_ok=True)
            self._mine.touch()
            self._derive(base_tag)

    def build(
        self,
        context: Path,
        *,
        dockerfile: str = "Dockerfile",
        arguments: Mapping[str, str] | None = None,
        name: str = "built",
    ) -> str:
        """Tag of the image built from the folder `context`; ImageError with the log when it fails."""
        tag = f"seawall-test-{name}:{self._run}"
        given = {"BASE": self.base, **(arguments or {})}
        with _locked(f"build-{name}"):
            build(self._client, context, tag=tag, dockerfile=dockerfile, arguments=given)
        return tag

    def close(self) -> None:
        with _locked("builders"):
            self._mine.unlink()
            if any(self._open.iterdir()):
                return
            self._open.rmdir()
            for image in self._client.images.list(filters={"label": self._label}):
                for tag in image.tags:
                    self._client.images.remove(tag, force=True)
            self._client.images.prune(filters={"dangling": True, "label": self._label})

    def _derive(self, base_tag: str) -> None:
        files = machine.build_files()
        copies = [f'COPY ["{path.lstrip("/")}", "{path}"]' for path in files]
        recipe = "\n".join([f"FROM {base_tag}", f"LABEL {self._label}", *copies])
        context = {"Dockerfile": recipe.encode(), **{path.lstrip("/"): content for path, content in files.items()}}
        with _log_in_error():
            self._client.images.build(
                fileobj=io.BytesIO(_archive(context)), custom_context=True, tag=self.base, rm=True, forcerm=True
            )


def base(client: docker.DockerClient, *, pull: bool) -> str:
    """Tag of an image with python3 ≥ 3.11, venv and pip. `pull`: try the registry first."""
    with _locked("base"):
        if pull and _pulled(client, PUBLIC_BASE):
            return PUBLIC_BASE
        tag = f"seawall-test-base:{_recipe_hash()}"
        if not _has(client, tag):
            _import(client, _rootfs(), tag)
        return tag


def backend(client: docker.DockerClient, base_tag: str) -> str:
    """Tag of the test backend's image, rebuilt when its files or its base change."""
    digest = hashlib.sha256(str(client.images.get(base_tag).id).encode())
    for name in ("Dockerfile", "app.py"):
        digest.update((BACKEND_APP / name).read_bytes())
    tag = f"seawall-test-backend:{digest.hexdigest()[:12]}"
    with _locked("backend"):
        if not _has(client, tag):
            build(client, BACKEND_APP, tag=tag, arguments={"BASE": base_tag})
    return tag


def busybox(client: docker.DockerClient) -> str:
    """Tag of an image of 4 MB, for tests with many containers: its command is an applet, `httpd -f -p 8000`."""
    tag = "seawall-test-busybox:1"
    with _locked("busybox"):
        if not _has(client, tag):
            archive = _archive({"bin/busybox": debian.BUSYBOX.read_bytes(), "bin/sh": debian.BUSYBOX.read_bytes()})
            _import(client, archive, tag, 'ENTRYPOINT ["/bin/busybox"]')
    return tag


def build(
    client: docker.DockerClient,
    context: Path,
    *,
    tag: str,
    arguments: Mapping[str, str],
    dockerfile: str = "Dockerfile",
) -> None:
    """`docker build --network host` of a folder; ImageError with the log when it fails."""
    proxies = {name: os.environ[name] for name in PROXY_VARIABLES if name in os.environ}
    with _log_in_error():
        client.images.build(
            path=str(context),
            dockerfile=dockerfile,
            tag=tag,
            buildargs={**proxies, **arguments},
            labels=LABELS,
            network_mode="host",
            rm=True,
            forcerm=True,
        )


def _pulled(client: docker.DockerClient, tag: str) -> bool:
    if _has(client, tag):
        return True
    try:
        client.images.pull(tag)
    except (DockerException, OSError):
        return False
    return True


def _has(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def _import(client: docker.DockerClient, archive: Path | bytes, tag: str, *changes: str) -> None:
    name, _, version = tag.partition(":")
    settings = [f"ENV PATH={SEARCH_PATH}", *(f"LABEL {key}={value}" for key, value in LABELS.items()), *changes]
    if isinstance(archive, Path):
        client.api.import_image_from_file(str(archive), repository=name, tag=version, changes=settings)
    else:
        client.api.import_image_from_data(archive, repository=name, tag=version, changes=settings)


# The root file system


def _rootfs() -> Path:
    """The cached tar. Built under another name and renamed: a run that is cut short leaves no half one."""
    cached = _cache() / f"base-{_recipe_hash()}.tar"
    if cached.exists():
        return cached
    if not debian.is_debian_root():
        raise ImageError(f"{PUBLIC_BASE} cannot be pulled, and only root on Debian can build a base instead")
    if shutil.which("mmdebstrap") is None:
        debian.install(["mmdebstrap"])
    with tempfile.TemporaryDirectory(dir=_cache(), prefix="build-") as folder:
        fresh = Path(folder) / "base.tar"
        _bootstrap(fresh)
        fresh.rename(cached)
    return cached


def _bootstrap(target: Path) -> None:
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    options += [f"--aptopt={line}" for line in debian.transport_options()]
    mirror = debian.mirror()
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={PACKAGES}",
        "--dpkgopt=force-unsafe-io",
        *options,
    ]
    command += [debian.release()["VERSION_CODENAME"], str(target), *([mirror] if mirror else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise ImageError(f"mmdebstrap failed:\n{done.stdout[-3000:]}")


def _recipe_hash() -> str:
    """Changes when the root file system would."""
    recipe = [debian.release().get("VERSION_CODENAME", ""), os.uname().machine, PACKAGES, *LEFT_OUT]
    return hashlib.sha256("\n".join(recipe).encode()).hexdigest()[:12]


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seawall-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """One process at a time: pytest's workers and overlapping runs all want the same images at the same moment."""
    with (_cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _log_in_error() -> Iterator[None]:
    try:
        yield
    except BuildError as error:
        log = "".join(str(line.get("stream") or line.get("error") or "") for line in error.build_log)
        raise ImageError(f"{error.msg}\n{log[-6000:]}") from error


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            member.mode = 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(member, io.BytesIO(body))
    return buffer.getvalue()
