"""Modules that are loaded when something of them is first used: large ones that most processes never need."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Deferred:
    """Stands for a module of that name. Its first use takes as long as the import does, tens of milliseconds."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)
