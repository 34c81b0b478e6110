"""Runs `penstock serve` as its user would: a process of its own, found by what it prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

PENSTOCK = [sys.executable, "-m", "proxy.cli"]
ROOT = Path(__file__).resolve().parents[2]


class Served(msgspec.Struct):
    """A running server: its base URL with `/v1`, its process, the lines it printed before it was ready."""

    url: str
    process: subprocess.Popen[str]
    said: list[str]


@contextmanager
def serving(
    *arguments: str, config: str | None = None, directory: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[Served]:
    """Runs the server on a free port until the block ends; `config` is the text of its file."""
    if config is not None:
        assert directory is not None
        (directory / "pipeline.yaml").write_text(config)
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    environment.update({"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(env or {})})
    process = subprocess.Popen(
        [*PENSTOCK, "serve", "--port", "0", *arguments],
        cwd=directory or ROOT,
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
