"""What is to be said of a LiteLLM configuration: what is wrong in it, what is lost, what is told otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from ..config.problems import instead

Path = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""
Weight = Literal["mistake", "lost", "hint"]
"""`mistake`: it cannot be used. `lost`: what was asked for is not done. `hint`: it is, or changes no answer."""


class Note(msgspec.Struct, frozen=True):
    """One remark on a value; no secret is in it."""

    weight: Weight
    path: Path
    what: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f" ({self.fix})" if self.fix else ""
        return f"{shown_path(self.path)}: {self.what}{fix}"


class Notes:
    """All remarks on one configuration, in the order in which they came up."""

    def __init__(self) -> None:
        self.all: list[Note] = []

    def mistake(self, path: Path, what: str, fix: str = "") -> None:
        """Notes something that cannot be used."""
        self._add(Note("mistake", path, what, fix))

    def lost(self, path: Path, what: str, fix: str = "") -> None:
        """Notes something that is not done here."""
        self._add(Note("lost", path, what, fix))

    def hint(self, path: Path, what: str, fix: str = "") -> None:
        """Notes something that is done otherwise, or that changes no answer."""
        self._add(Note("hint", path, what, fix))

    def _add(self, note: Note) -> None:
        if note not in self.all:
            self.all.append(note)

    def unknown(self, path: Path, found: Iterable[str], known: Iterable[str]) -> None:
        """Notes the keys that are not known as lost: LiteLLM would have said nothing of them."""
        known = set(known)
        for name in found:
            if name not in known:
                self.lost((*path, name), "unknown option", instead(name, known, otherwise="known are"))

    def of(self, *weights: Weight) -> list[Note]:
        """Returns the remarks of those weights."""
        return [note for note in self.all if note.weight in weights]


def shown_path(path: Path) -> str:
    """Returns a path as it is written: model_list[0].litellm_params.model."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def mapping_of(value: Any, path: Path, notes: Notes) -> Mapping[str, Any]:
    """Returns a value that must be a mapping; nothing where it is none, which is noted."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    notes.mistake(path, "expected a mapping", "write key: value")
    return {}
