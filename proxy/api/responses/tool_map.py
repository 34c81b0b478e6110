"""Names of tools: one flat, legal name for each on the way up, and what the client called it on the way back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from .tools import Tool, ToolKind

INPUT_FIELD = "input"
"""The one parameter of the function that stands for a freeform tool."""

_MAX_NAME = 64
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_Key = tuple[str, str | None, str]
_NONE: dict[Any, Any] = {}
"""What maps of no tools have in common; it stays empty."""


class ToolForm(msgspec.Struct, frozen=True):
    """What the client declared a tool as, and so expects to see called.

    `input_field` is the JSON field that holds a freeform tool's input where a function stands for the tool.
    """

    kind: ToolKind
    name: str
    namespace: str | None = None
    input_field: str = INPUT_FIELD


class ToolMap:
    """The tools of one request by their upstream names. An empty map restores nothing: names mean themselves."""

    __slots__ = ("_allowed", "_by_key", "_by_name", "_by_upstream")

    def __init__(self) -> None:
        self._by_upstream: dict[str, ToolForm] = _NONE
        self._by_key: dict[_Key, str] = _NONE
        self._by_name: dict[str, ToolForm | None] = _NONE
        self._allowed: frozenset[_Key] | None = None  # None: all

    @classmethod
    def of(cls, tools: Iterable[Tool]) -> ToolMap:
        """Returns the map of the tools that can be called; hosted ones are left out."""
        names = cls()
        for tool in tools:
            if tool.kind != "hosted":
                names.add(ToolForm(tool.kind, tool.name, tool.namespace or None))
        return names

    def add(self, form: ToolForm) -> str:
        """Returns the upstream name of a tool that can be called, making one if it is new."""
        name = self._allocate(form)
        if self._by_name is _NONE:
            self._by_name = {}
        self._by_name[form.name] = None if form.name in self._by_name else form
        return name

    def upstream_name(self, kind: ToolKind, namespace: str | None, name: str) -> str:
        """Returns the name under which the upstream knows a tool, whether it is declared or of the history only."""
        known = self._by_key.get(_key(kind, namespace, name))
        return known or self._allocate(ToolForm(kind, name, namespace or None))

    def lookup(self, name: str) -> ToolForm:
        """Returns what the client calls a tool that the upstream called.

        A model that leaves out the namespace means the one tool of that name, if there is only one. A name that
        nobody declared is a function of that name: the client will say that it has no such tool.
        """
        form = self._by_upstream.get(name) or self._by_name.get(name)
        return form or ToolForm("function", name)

    def allow_only(self, tools: Iterable[Tool]) -> None:
        """Says that the request lets the model call these tools and no others (`allowed_tools`)."""
        self._allowed = frozenset(_key(tool.kind, tool.namespace, tool.name) for tool in tools)

    def allows(self, name: str) -> bool:
        """Tells whether the model may call the tool that it called by that name."""
        if self._allowed is None:
            return True
        form = self.lookup(name)
        return _key(form.kind, form.namespace, form.name) in self._allowed

    def _allocate(self, form: ToolForm) -> str:
        key = _key(form.kind, form.namespace, form.name)
        if known := self._by_key.get(key):
            return known
        wanted = f"{form.namespace}__{form.name}" if form.namespace else form.name
        legal = name = _ILLEGAL.sub("_", wanted)
        salt = ""
        while len(name) > _MAX_NAME or name in self._by_upstream:
            mark = hashlib.sha256("\0".join((*map(str, key), salt)).encode()).hexdigest()[:8]
            name = f"{legal[: _MAX_NAME - 9]}_{mark}"
            salt += "+"
        if self._by_key is _NONE:
            self._by_key, self._by_upstream = {}, {}
        self._by_key[key] = name
        self._by_upstream[name] = form
        return name


def _key(kind: ToolKind, namespace: str | None, name: str) -> _Key:
    """Functions and freeform tools share one space of names; the tools of OpenAI's own have none."""
    return ("" if kind in ("function", "custom") else kind, namespace or None, name)
