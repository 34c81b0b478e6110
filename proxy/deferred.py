"""Modules that are loaded when something of them is first used: large ones that most processes never need.

What a configuration names is loaded while it is read: before workers are forked, whose memory it then shares, and
before there is a request to keep waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, TypeVar

_T = TypeVar("_T")


class Deferred:
    """Stands for a module of that name. Its first use takes as long as the import does, tens of milliseconds."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


def load(*modules: object) -> None:
    """Loads what modules stand for now: their use is certain, and later there would be somebody to wait for it."""
    for module in modules:
        if isinstance(module, Deferred):
            import_module(module._name)


class DeferredClasses(Mapping[str, type[_T]]):
    """Classes by name, each loaded when it is looked up; to look at the names loads none.

    `places` says where each is, as `module:Class`. A look-up raises what the import does.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> type[_T]:
        module, _, class_name = self._places[name].partition(":")
        found: type[_T] = getattr(import_module(module), class_name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
