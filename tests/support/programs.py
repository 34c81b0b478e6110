"""Programs that a test needs beside Python, skipped without on a user's machine and failing in CI; and which run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None and not os.environ.get("CI"), reason="curl is not installed"
)


def runs(pid: int) -> bool:
    """Tells whether a process runs; one that has ended and that nobody asks for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
