"""Puts the repository on the path, so that tests share code by `from tests.support...`; leaves out slow clients."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # some hundred servers are started: each would compile everything again


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--clients", action="store_true", help="also drive clients that have to be installed by npm")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path.name == "clients" and not config.getoption("--clients"):
        return True
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Keeps the collector from looking at thousands of tests again and again while they are found."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        _keep()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """Keeps it from looking, for the files to come, at what a file has left for good: modules and recordings.

    What its tests have called secret is none any more: in a process that serves, secrets are those of its one file.
    """
    done = yield
    if nextitem is not None and nextitem.path != item.path:
        _keep()
        _forget_secrets()
    return done


def _forget_secrets() -> None:
    redact = sys.modules.get("proxy.redact")
    if redact is not None:
        redact._Protected.starts, redact._Protected.count, redact._Protected.pattern = {}, 0, None


def _keep() -> None:
    gc.collect()
    gc.freeze()
