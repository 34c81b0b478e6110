"""Programs that a test needs beside Python: without one its tests are skipped on a user's machine, and fail in CI."""

from __future__ import annotations

import os
import shutil

import pytest

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None and not os.environ.get("CI"), reason="curl is not installed"
)
