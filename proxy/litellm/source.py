"""LiteLLM's configuration as it stands in files: read with the places of its values, includes put in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..config.nodes import Mapping, Node, Sequence, compose, plain, read
from ..config.problems import Place, Problems
from ..errors import ConfigError, Problem
from .notes import Note, shown_path
from .notes import Path as Steps

_ELSEWHERE = {"router_settings": "litellm_settings"}
"""Where an option may stand, too."""


class Source:
    """One configuration. `config` is all that it says, `name` the file that was asked for."""

    def __init__(self, name: str, roots: list[tuple[str, Mapping]]) -> None:
        self.name = name
        self._roots = roots
        self.config: dict[str, Any] = {}
        for _, root in roots:
            for key, value in plain(root).items():
                if isinstance(value, list) and isinstance(self.config.get(key), list):
                    self.config[key] = [*self.config[key], *value]
                else:
                    self.config[key] = value

    def problem(self, note: Note) -> Problem:
        """Returns a remark with the place of what it is about, or of the nearest thing around it."""
        file, place = self._place(note.path)
        what = f"{shown_path(note.path)}: {note.what}" if note.path else note.what
        return Problem(file, *place, what, note.fix, warning=note.weight != "mistake")

    def _place(self, path: Steps) -> tuple[str, Place]:
        found = self._find(path)
        if len(path) > 1 and path[0] in _ELSEWHERE and found[2] < len(path):
            other = self._find((_ELSEWHERE[str(path[0])], *path[1:]))
            found = max(found, other, key=lambda one: one[2])
        return found[0], found[1]

    def _find(self, path: Steps) -> tuple[str, Place, int]:
        """Returns file, place and how many steps of the path led there."""
        best = (self.name, Place(1, 1), 0)
        for file, root in self._roots:
            steps = path
            if len(path) > 1 and isinstance(path[1], int):  # of a list that goes on from file to file
                entry = root.entries.get(str(path[0]))
                count = len(entry.value.items) if entry is not None and isinstance(entry.value, Sequence) else 0
                if path[1] >= count:
                    path = (path[0], path[1] - count, *path[2:])
                    continue
            place, depth = _walk(root, steps)
            if depth > best[2]:
                best = (file, place, depth)
                if isinstance(steps[1] if len(steps) > 1 else None, int):
                    break
        return best


def read_source(path: str | Path) -> Source:
    """Returns the configuration of a file; raises ConfigMissing without one, ConfigError where it is wrong."""
    path = Path(path)
    roots: list[tuple[str, Mapping]] = []
    _add(path, roots, set())
    return Source(str(path), roots)


def source_of(text: str, name: str) -> Source:
    """Returns the configuration of a text without includes; raises ConfigError."""
    return Source(name, [(name, _root(text, name))])


def _add(path: Path, roots: list[tuple[str, Mapping]], seen: set[Path]) -> None:
    """Adds a file and those that it includes, each once."""
    seen.add(path.resolve())
    root = _root(read(path, str(path)), str(path))
    roots.append((str(path), root))
    entry = root.entries.get("include")
    for item in plain(entry.value) if entry is not None and isinstance(entry.value, Sequence) else ():
        if isinstance(item, str) and (path.parent / item).resolve() not in seen:
            _add(path.parent / item, roots, seen)


def _root(text: str, name: str) -> Mapping:
    problems = Problems(name)
    root = compose(text, problems)
    problems.stop()
    if not isinstance(root, Mapping):
        raise ConfigError([Problem(name, 1, 1, "expected model_list and settings", "write each as key: value")])
    return root


def _walk(node: Node, path: Steps) -> tuple[Place, int]:
    """Returns the place of the last step that leads anywhere, and how many did."""
    place = node.place
    for depth, step in enumerate(path):
        if isinstance(node, Mapping) and (entry := node.entries.get(str(step))) is not None:
            place, node = entry.key, entry.value
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.place
        else:
            return place, depth
    return place, len(path)
