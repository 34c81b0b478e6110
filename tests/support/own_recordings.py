"""The project's own recordings: chat streams of the `echo` upstream, for checkouts without the shared ones.

`python -m tests.support.own_recordings` records them anew from the requests in their index.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from proxy.providers.echo.performance import Performance
from proxy.providers.echo.script import decide

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "own"
CREATED = 1767225600


def index() -> dict[str, dict[str, Any]]:
    """Returns the requests and what their answers say, by name."""
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    return found


def play(request: dict[str, Any]) -> bytes:
    """Returns the stream with which the echo upstream answers a chat request."""
    body = json.dumps(request).encode()
    return b"".join(Performance(decide(request), request, body, CREATED).ticks())


def recorded(name: str) -> bytes:
    """Returns one recording."""
    return (FOLDER / f"{name}.sse").read_bytes()


if __name__ == "__main__":
    for name, entry in index().items():
        (FOLDER / f"{name}.sse").write_bytes(play(entry["request"]))
