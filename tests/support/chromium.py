"""The system's Chromium: tests of the dashboard need it, and nothing downloads one."""

import os
import shutil
from typing import Never

import pytest

HOW_TO_RUN = "apt-get install chromium"


def find() -> str:
    """The path of the executable. Where there is none the test is skipped, in CI it fails."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return path or _refuse()


def _refuse() -> Never:
    reason = f"there is no Chromium here: {HOW_TO_RUN}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
