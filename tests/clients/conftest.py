"""Installs the clients that are not Python, once, and starts a server for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import ROOT, Served, serving

HERE = Path(__file__).resolve().parent
CLIENTS = ROOT / ".venv" / "clients"


@pytest.fixture(scope="session")
def clients() -> Path:
    """Returns a folder in which the clients of package.json are installed."""
    npm = shutil.which("npm")
    assert npm is not None, "make test-clients needs npm"
    CLIENTS.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_text()
    package = CLIENTS / "package.json"
    if not package.exists() or package.read_text() != wanted or not (CLIENTS / "node_modules").is_dir():
        package.write_text(wanted)
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=CLIENTS, check=True)
    return CLIENTS


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """A server on the shipped file."""
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def node(clients: Path, served: Served) -> Callable[[str], dict[str, Any]]:
    """Returns a function that runs one of the scripts and returns the object it prints."""

    def run(script: str) -> dict[str, Any]:
        shutil.copy(HERE / script, clients / script)
        done = subprocess.run(
            ["node", script],
            cwd=clients,
            env={**os.environ, "BASE_URL": served.url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return run
