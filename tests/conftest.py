"""Puts the repository on the path, so that tests share code by `from tests.support...`; leaves out slow clients."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--clients", action="store_true", help="also drive clients that have to be installed by npm")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path.name == "clients" and not config.getoption("--clients"):
        return True
    return None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keeps the collector from looking at thousands of tests again and again: tests that ask it to run would wait."""
    gc.collect()
    gc.freeze()
