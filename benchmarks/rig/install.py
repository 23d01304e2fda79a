"""Installs of two states of this repository, as users get them: compiled, and each in a folder of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.rig.process import ROOT

# An install does without what cannot be compiled; two that differ in that cannot be compared.
WHERE = "import proxy.dataplane.exchange as one, proxy.wire.codec as two; print(one.__file__, two.IMPLEMENTATION)"


def default_base() -> str:
    """Where this branch left main; on main itself the commit before, or the last one while something is changed."""
    for main in ("origin/main", "main"):
        found = _git("merge-base", "HEAD", main, check=False)
        if found:
            break
    else:
        raise SystemExit("there is no main to compare with; name a commit: --against COMMIT")
    if found != _git("rev-parse", "HEAD"):
        return found
    return found if _git("status", "--porcelain", "--", "proxy", "setup.py", "pyproject.toml") else "HEAD~1"


def commit_of(name: str) -> str:
    """A commit in short. Raises SystemExit for a name that is none."""
    commit = _git("rev-parse", "--short", "--verify", "--quiet", f"{name}^{{commit}}", check=False)
    if not commit:
        raise SystemExit(f"{name} is no commit of this repository (a shallow clone lacks most)")
    return commit


def export_commit(commit: str, folder: Path) -> None:
    """Its files into a new folder."""
    archive = subprocess.run(["git", "archive", commit], cwd=_top(), capture_output=True, check=True).stdout
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=archive, check=True)


def export_tree(folder: Path) -> None:
    """This tree as it stands, with what is not committed, into a new folder; nothing that git ignores."""
    top = _top()
    names = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        if (top / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(top / name, folder / name)


def install(source: Path, folder: Path) -> None:
    """Install a tree into a folder; what it depends on is that of this Python. Raises SystemExit with pip's words."""
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--target", str(folder), str(source)),
    ]
    pip = subprocess.run(command, capture_output=True, text=True, check=False)
    if pip.returncode:
        raise SystemExit(f"{source.name} cannot be installed:\n{pip.stderr}")


def environment(folder: Path) -> dict[str, str]:
    """What has a Python started with -P import the install in the folder."""
    return {"PYTHONPATH": str(folder)}


def describe_install(folder: Path) -> str:
    """What of it is compiled. Raises SystemExit when another one would be imported."""
    asked = subprocess.run(
        [sys.executable, "-P", "-c", WHERE],
        env={**os.environ, **environment(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    path, _, codec = asked.stdout.strip().partition(" ")
    if asked.returncode or not Path(path).is_relative_to(folder):
        raise SystemExit(f"the install in {folder} is not what Python imports: {asked.stdout}{asked.stderr}")
    return f"codec {codec}, data plane {'compiled' if path.endswith('.so') else 'not compiled'}"


def _top() -> Path:
    return Path(_git("rev-parse", "--show-toplevel"))


def _git(*arguments: str, check: bool = True) -> str:
    """What git says; empty when it fails and need not work."""
    asked = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if asked.returncode and check:
        raise SystemExit(f"git {' '.join(arguments)}: {asked.stderr.strip()}")
    return asked.stdout.strip() if not asked.returncode else ""
