"""Seawall: a health-aware load-balancing reverse proxy that finds its backends through Docker labels.

An install compiles the modules that a request goes through, where it can (setup.py), and Python finds a compiled module
before the source beside it. `SEAWALL_CODE=source` runs the sources all the same: for a debugger or a profiler.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Final

__version__ = "0.1.0"

VARIABLE: Final = "SEAWALL_CODE"


class SourceFinder:
    """Finds the modules of this package that have a source as source."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See importlib.abc.MetaPathFinder."""
        if name.startswith(f"{__name__}."):
            for folder in path or ():
                spec = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(name)
                if spec is not None:
                    return spec
        return None


if os.environ.get(VARIABLE) == "source":
    sys.meta_path.insert(0, SourceFinder)
elif os.environ.get(VARIABLE):
    raise ImportError(f"{VARIABLE}={os.environ[VARIABLE]}: it is source, or not set")
