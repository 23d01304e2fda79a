"""What Python runs before anything else in every process that a test's Seawall starts from now on."""

from pathlib import Path
from typing import Final

_NAME: Final = "sitecustomize.py"


class Prelude:
    """A folder for PYTHONPATH. Empty until told."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self.environment = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def kill(self, what: str) -> None:
        """Processes that have this in their command line end at once."""
        self._path.write_text(f"import os, sys\nif {what!r} in ' '.join(sys.orig_argv):\n    os.kill(os.getpid(), 9)\n")

    def clear(self) -> None:
        """They live."""
        self._path.unlink()
