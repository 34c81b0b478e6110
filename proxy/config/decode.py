"""Decodes a node of the file into a config struct, and reports every mistake in it at its own line and column.

msgspec checks the values and stops at the first mistake. So each mistake is reported, the value that it is about is
taken out of a copy of the node, and the rest is checked again until nothing is wrong any more. What goes wrong only
because something was taken out is not reported; it takes its surroundings with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from . import shapes
from .explain import Explained, explain, explain_key, explain_missing
from .nodes import Entry, Mapping, Node, Scalar, plain
from .nodes import Sequence as SequenceNode
from .problems import Place, Problems, closest
from .shapes import Step
from .types import ConfigValue, Sources

T = TypeVar("T")
Convert = Callable[[Node], Any]

_PATH = re.compile(r"(.*) - at (`key` in )?`(\$.*)`", re.DOTALL)
_REFERENCE = re.compile(r"(env:|os\.environ/)[A-Za-z_]\w*|\$\{\w+\}")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|(\[\.\.\.\])")


def decode(node: Node, config: type[T], owner: str, problems: Problems, sources: Sources) -> T | None:
    """Returns the struct for a node; None after reporting what is wrong. `owner` begins the messages (`rate-limit`).

    Warns of text that looks like a reference to a variable, but stands where nothing is looked up.
    """
    looked_up: set[str] = set()

    def convert(part: Node) -> T:
        return msgspec.convert(plain(part), config, strict=True, str_keys=True, dec_hook=hook)

    def hook(kind: type, value: Any) -> Any:
        if issubclass(kind, ConfigValue):
            looked_up.update(map(str, value if isinstance(value, list) else [value]))
            return kind.parse(value, sources)
        raise TypeError(f"{kind.__name__} has no written form")

    try:
        value = convert(node)
        _warn_of_references(node, owner, looked_up, problems)
        return value
    except msgspec.ValidationError as error:
        _Review(node, config, owner, problems, convert).run(error)
        return None


def _warn_of_references(node: Node, owner: str, looked_up: set[str], problems: Problems) -> None:
    if isinstance(node, Mapping):
        for name, entry in node.entries.items():
            _warn_of_references(entry.value, f"{owner}.{name}", looked_up, problems)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.items):
            _warn_of_references(item, f"{owner}[{index}]", looked_up, problems)
    elif isinstance(node.value, str) and node.value not in looked_up and _REFERENCE.fullmatch(node.value):
        what = f'{owner}: "{node.value}" is taken as it stands; only secrets are looked up'
        problems.warning(node.place, what, "write the value itself")


class _Review:
    """Finds all mistakes of one node, after the first has shown that there are any."""

    def __init__(self, node: Node, config: type, owner: str, problems: Problems, convert: Convert) -> None:
        self.draft = _copy(node)
        self.config = config
        self.owner = owner
        self.problems = problems
        self.convert = convert
        self.touched: set[int] = set()
        """Drafts that something was taken out of: what is wrong with them as a whole may be our doing."""
        self.absent: set[tuple[int, str]] = set()
        """Keys that are missing only because they were taken out or misspelt."""
        self.indexes: dict[int, list[int]] = {}
        """The index in the file of each item that is left in a list."""

    def run(self, error: msgspec.ValidationError | None) -> None:
        """Reports mistake after mistake until the rest of the draft is right, or nothing is left of it."""
        while error is not None:
            message, path, at_key = self._locate(error)
            node = self._node(path)
            allowed = shapes.at(self.config, self.draft, path)
            explained = (
                explain_key(message, self._name(path, str(error))) if at_key else explain(error, message, node, allowed)
            )
            if explained.missing:
                for name in explained.missing:
                    if (id(node), name) not in self.absent:
                        self._report(explain_missing(name, node, allowed), path, node)
            elif not (explained.constraint and id(node) in self.touched):
                self._report(explained, path, node)
            if explained.unknown is not None:
                self._misspelt(explained.unknown, node, list(shapes.fields(allowed, node)))
                path.append(explained.unknown)
            if not path:
                return
            self._take_out(path)
            error = self._error(self.draft)

    def _error(self, draft: Node) -> msgspec.ValidationError | None:
        try:
            self.convert(draft)
        except msgspec.ValidationError as error:
            return error
        return None

    def _locate(self, error: msgspec.ValidationError) -> tuple[str, list[Step], bool]:
        """Returns message, path and whether the error is about a key of the mapping there."""
        match = _PATH.fullmatch(str(error))
        if match is None:
            return str(error), [], False
        path: list[Step] = []
        for name, index, anonymous in _STEP.findall(match[3]):
            path.append(name or (int(index) if index else self._name(path, str(error)) if anonymous else ""))
        return match[1], path, match[2] is not None

    def _name(self, path: Sequence[Step], text: str) -> str:
        """Returns the key that msgspec left out of its path: the first that alone gives the same error."""
        for name in self._mapping(path).entries:
            draft = _copy(self.draft)
            part: Node = draft
            for step in path:
                part = shapes.child(part, step)
            assert isinstance(part, Mapping)
            part.entries = {name: part.entries[name]}
            if str(self._error(draft)) == text:
                return name
        return next(iter(self._mapping(path).entries))

    def _mapping(self, path: Sequence[Step]) -> Mapping:
        node = self._node(path)
        assert isinstance(node, Mapping)
        return node

    def _node(self, path: Sequence[Step]) -> Node:
        node = self.draft
        for step in path:
            node = shapes.child(node, step)
        return node

    def _report(self, explained: Explained, path: Sequence[Step], node: Node) -> None:
        place: Place = node.place
        if explained.unknown is not None and isinstance(node, Mapping):
            place = node.entries[explained.unknown].key
        where = (self.owner + self._dotted(path)).lstrip(".")
        self.problems.error(place, f"{where}: {explained.what}" if where else explained.what, explained.fix)

    def _dotted(self, path: Sequence[Step]) -> str:
        """Returns the path as it reads in the file, items that were taken out counted."""
        text, node = "", self.draft
        for step in path:
            text += f".{step}" if isinstance(step, str) else f"[{self.indexes.get(id(node), range(step + 1))[step]}]"
            node = shapes.child(node, step)
        return text

    def _misspelt(self, name: str, node: Node, known: Sequence[str]) -> None:
        meant = closest(name, known)
        if meant is not None:
            self.absent.add((id(node), meant))

    def _take_out(self, path: Sequence[Step]) -> None:
        node = self.draft
        for step in path[:-1]:
            self.touched.add(id(node))
            node = shapes.child(node, step)
        self.touched.add(id(node))
        last = path[-1]
        if isinstance(node, SequenceNode) and isinstance(last, int):
            del self.indexes.setdefault(id(node), list(range(len(node.items))))[last]
            del node.items[last]
        elif isinstance(node, Mapping) and isinstance(last, str):
            self.absent.add((id(node), last))
            del node.entries[last]


def _copy(node: Node) -> Node:
    """Returns a copy whose lists and mappings may be changed."""
    if isinstance(node, Mapping):
        entries = {name: Entry(entry.key, _copy(entry.value)) for name, entry in node.entries.items()}
        return Mapping(node.place, entries)
    if isinstance(node, SequenceNode):
        return SequenceNode(node.place, [_copy(item) for item in node.items])
    return Scalar(node.place, node.value, node.text, node.quoted)
