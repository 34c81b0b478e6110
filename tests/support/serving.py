"""Runs `penstock serve` as its user would: a process of its own, found by what it prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

PENSTOCK = [sys.executable, "-m", "proxy.cli"]
ROOT = Path(__file__).resolve().parents[2]
KEEPING = """\
upstreams: {echo: {kind: echo}}
models: {"echo*": ["echo/echo*"], echo: [echo/echo]}
stores: {responses: {kind: sqlite, path: kept.db}}
pipeline:
  - route: {retries: 0}  # a retry waits as long as the upstream asks for
  - stream-translate
"""
"""A file that keeps responses, and hides no error of its upstream."""


class Served(msgspec.Struct):
    """A running server: its base URL with `/v1`, its process, the lines it printed before it was ready."""

    url: str
    process: subprocess.Popen[str]
    said: list[str]


@contextmanager
def serving(
    *arguments: str, config: str | None = None, directory: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[Served]:
    """Runs the server on a free port until the block ends; `config` is the text of its file, else the shipped one.

    It runs in a directory of its own unless one is given, so that what it keeps is kept there.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-test-") as own:
        place = directory or Path(own)
        if config is not None or directory is None:
            text = (ROOT / "pipeline.yaml").read_text() if config is None else config
            (place / "pipeline.yaml").write_text(text)
        with _running(arguments, place, env or {}) as served:
            yield served


@contextmanager
def _running(arguments: tuple[str, ...], directory: Path, env: dict[str, str]) -> Iterator[Served]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    environment.update({"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **env})
    process = subprocess.Popen(
        [*PENSTOCK, "serve", "--port", "0", *arguments],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=None,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if line.startswith("  curl "):
                break
        match = re.search(r"(http://\S+/v1) ", said[0] + " ") if said else None
        assert match is not None, f"penstock did not start: {said}"
        yield Served(match[1], process, said)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        process.stdout.close()
