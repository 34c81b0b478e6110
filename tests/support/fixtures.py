"""Where the recorded streams and captured requests are, when they are there."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
_beside = ROOT.parent / "shared" / "fixtures"
SHARED: Path | None = _beside if _beside.is_dir() else None

needs_shared = pytest.mark.skipif(SHARED is None, reason="the shared fixtures are not beside this checkout")


def recordings(protocol: str) -> list[dict[str, Any]]:
    """Returns the rows of the index of recordings with that protocol; empty when there are no recordings."""
    return [row for row in _index() if row["protocol"] == protocol]


@cache
def _index() -> list[dict[str, Any]]:
    return json.loads((SHARED / "recorded" / "INDEX.json").read_text()) if SHARED is not None else []


@cache
def recording(path: str) -> bytes:
    """Returns the bytes of one recording, by its path in the index."""
    assert SHARED is not None
    return (SHARED / "recorded" / path).read_bytes()
