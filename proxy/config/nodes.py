"""Reads YAML into nodes that know their line and column.

Scalars are read by the rules of YAML 1.2 (core schema), so `on`, `yes`, `22:30` and dates are text. Refused besides
syntax errors: duplicate keys, several documents, tags beyond the core schema, keys that are no scalars, anchors that
contain themselves or expand without measure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from ..errors import ConfigError, ConfigMissing, Problem
from .problems import Place, Problems
from .syntax import in_plain_words

MAX_NODES = 100_000
"""How many nodes a file may have, anchors expanded."""


class Scalar(msgspec.Struct):
    """One value: `text` as it stands in the file, `value` as YAML 1.2 reads it."""

    place: Place
    value: str | int | float | bool | None
    text: str
    quoted: bool


class Sequence(msgspec.Struct):
    """A list of nodes."""

    place: Place
    items: list[Node]


class Entry(msgspec.Struct):
    """One key of a mapping, where it stands, and its value."""

    key: Place
    value: Node


class Mapping(msgspec.Struct):
    """A mapping in the order of the file; keys are text, as written."""

    place: Place
    entries: dict[str, Entry]


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """Returns the node as dicts, lists and scalars."""
    if isinstance(node, Mapping):
        return {name: plain(entry.value) for name, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value


def read(path: Path, name: str) -> str:
    """Returns the text of a file; raises ConfigMissing when it cannot be read, ConfigError when it is not UTF-8."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigMissing([Problem(name, 1, 1, "there is no such file", "check the path")]) from None
    except OSError as error:
        what = f"the file cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigMissing([Problem(name, 1, 1, what, "check the path and its permissions")]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        what = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise ConfigError([Problem(name, line, column, what, "save the file as UTF-8")]) from None


def compose(text: str, problems: Problems) -> Node | None:
    """Returns the root node of a document; None when there is none, which is then among the problems."""
    try:
        root = _compose(text)
    except (yaml.MarkedYAMLError, ReaderError) as error:
        problems.error(*in_plain_words(error, text))
        return None
    except RecursionError:
        _too_deep(problems)
        return None
    if root is None:
        problems.error(Place(1, 1), "the file is empty", "write upstreams, models and a pipeline")
        return None
    try:
        return _Builder(problems).build(root)
    except RecursionError:
        _too_deep(problems)
        return None


def _too_deep(problems: Problems) -> None:
    problems.error(Place(1, 1), "values are nested too deeply", "flatten the file")


_SURROGATE = re.compile("[\ud800-\udfff]")


class _CoreResolver(BaseResolver):
    """Tells the types of plain scalars as YAML 1.2's core schema does, and knows the merge key."""


for _tag, _form, _first in (
    ("null", r"|~|null|Null|NULL", ["", "~", "n", "N"]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):  # fmt: skip
    _CoreResolver.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_form})$"), _first)


class _PythonComposer(Reader, Scanner, Parser, Composer, _CoreResolver):
    """PyYAML's own parser: slow, but it says precisely what is wrong."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _CoreResolver.__init__(self)


_FastComposer: Callable[[str], Any] | None = None
if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class _LibyamlComposer(CParser, _CoreResolver):
        """libyaml's parser: ten times as fast."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            _CoreResolver.__init__(self)

    _FastComposer = _LibyamlComposer


def _compose(text: str) -> Any:
    """Returns PyYAML's root node. What libyaml refuses is read again by the parser with the better messages."""
    if _FastComposer is not None:
        try:
            return _FastComposer(text).get_single_node()
        except yaml.YAMLError:
            pass
    return _PythonComposer(text).get_single_node()


_READERS: dict[str, Callable[[str], str | int | float | bool | None]] = {
    "str": str,
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text, 0) if text[:2] in ("0o", "0x") else int(text),
    "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
    "merge": str,
}
_PREFIX = "tag:yaml.org,2002:"


class _Builder:
    """Turns PyYAML's nodes into ours, checking what YAML itself does not."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.built: dict[int, tuple[Node, int]] = {}
        self.open: set[int] = set()
        self.count = 0

    def build(self, node: Any) -> Node:
        """Returns our node; an anchored one is built once and shared by those who refer to it."""
        if id(node) in self.open:
            self.problems.unreadable(_place(node), "an anchor contains itself", "remove the alias inside it")
            return Scalar(_place(node), None, "", quoted=False)
        if id(node) in self.built:
            done, size = self.built[id(node)]
            self._count(size, done.place)
            return done
        before = self.count
        self._count(1, _place(node))
        self.open.add(id(node))
        done = self._new(node)
        self.open.discard(id(node))
        self.built[id(node)] = done, self.count - before
        return done

    def _count(self, nodes: int, place: Place) -> None:
        self.count += nodes
        if self.count > MAX_NODES:
            self.problems.error(place, f"the file has more than {MAX_NODES} values, anchors expanded", "shorten it")
            self.problems.stop()

    def _new(self, node: Any) -> Node:
        place = _place(node)
        kind = node.tag.removeprefix(_PREFIX)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return Sequence(place, [self.build(item) for item in node.value])
        if isinstance(node, yaml.ScalarNode) and kind in _READERS:
            return self._scalar(node, kind, place)
        tag = node.tag.replace(_PREFIX, "!!")
        self.problems.unreadable(place, f'tag "{tag}" has no meaning here', "remove it")
        return Scalar(place, None, "", quoted=False)

    def _scalar(self, node: Any, kind: str, place: Place) -> Scalar:
        text = self._text(node, place)
        try:
            value = _READERS[kind](text)
        except ValueError:
            self.problems.unreadable(place, f'"{text}" is no !!{kind}', "remove the tag")
            value = None
        return Scalar(place, value, text, quoted=bool(node.style))

    def _text(self, node: Any, place: Place) -> str:
        """Returns what a scalar says; two escapes that are one character, as JSON writes it, are made one."""
        text: str = node.value
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            if "\ufffd" in text:
                self.problems.error(place, "an escape is half of a character", "write the character itself")
        return text

    def _mapping(self, node: Any, place: Place) -> Mapping:
        entries: dict[str, Entry] = {}
        merged: list[Mapping] = []
        for key, value in node.value:
            where = _place(key)
            if key.tag == _PREFIX + "merge":
                merged += self._merged(self.build(value))
            elif not isinstance(key, yaml.ScalarNode):
                self.problems.error(where, "a key must be a word or a number", "write key: value")
            elif (name := self._text(key, where)) in entries:
                first = entries[name].key.line
                self.problems.error(where, f'"{name}" is set twice (first on line {first})', "keep one of them")
            else:
                entries[name] = Entry(where, self.build(value))
        for source in merged:
            for name, entry in source.entries.items():
                entries.setdefault(name, entry)
        return Mapping(place, entries)

    def _merged(self, value: Node) -> list[Mapping]:
        """Returns the mappings that a merge key takes in; the first of a list wins."""
        found = value.items if isinstance(value, Sequence) else [value]
        for node in found:
            if not isinstance(node, Mapping):
                self.problems.error(node.place, "<< takes a mapping or a list of mappings", "write <<: *anchor")
        return [node for node in found if isinstance(node, Mapping)]


def _place(node: Any) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
