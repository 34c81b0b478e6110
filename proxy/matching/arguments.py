"""Looks into the arguments of a tool call: into every text, name and number in them, whatever their JSON looks like."""

from __future__ import annotations

import json
import re
from typing import Any

from .screen import Matcher

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_SILENT = frozenset(("type", "id", "call_id", "status", "role", "file_id", "container_id", "encrypted_content"))
"""Fields of items that say what they are, or what nobody can read."""
_LONGEST_RESULT = 4096
"""A longer `result` is a picture."""


class ArgumentsScreen:
    """The arguments of one call on their way out. `found` are the rules that matched, `blocked` the one that blocks."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self.blocked: int | None = None
        self.found: set[int] = set()
        self.flagged: set[int] = set()

    def item(self, value: Any, name: str = "") -> Any:
        """Returns part of an output item or of a citation with its masks: of every text that says something."""
        if isinstance(value, str):
            if name in _SILENT or (name == "result" and len(value) > _LONGEST_RESULT):
                return value
            return self._arguments(value) if name == "arguments" else self._text(value)
        if isinstance(value, dict):
            return {key: self.item(part, key) for key, part in value.items()}
        return [self.item(part, name) for part in value] if isinstance(value, list) else value

    def _arguments(self, written: str) -> str:
        one = ArgumentsScreen(self._matcher)
        written = one.screen(written)
        self.found |= one.found
        self.flagged |= one.flagged
        self.blocked = one.blocked if self.blocked is None else self.blocked
        return written

    def screen(self, arguments: str, *, freeform: bool = False) -> str:
        """Returns the arguments with their masks, the same text if nothing matched; worth nothing once `blocked`.

        What is no JSON (cut short, or a tool's raw input) is looked at as it stands, escapes undone.
        """
        try:
            value = None if freeform else json.loads(arguments, object_pairs_hook=_Pairs, strict=False)
            if value is not None:
                masked = self._value(value)
                return json.dumps(masked, ensure_ascii=False, separators=(",", ":")) if self.found else arguments
        except (ValueError, RecursionError):
            pass
        plain = arguments if freeform else _ESCAPE.sub(lambda match: chr(int(match[1], 16)), arguments)
        masked = self._text(plain)
        return masked if self.found else arguments

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, _Pairs):
            return {self._text(name): self._value(part) for name, part in value}
        if isinstance(value, list):
            return [self._value(part) for part in value]
        if isinstance(value, bool) or value is None:
            return value
        written = json.dumps(value)
        masked = self._text(written)
        return value if masked == written else masked

    def _text(self, text: str) -> str:
        out, screen = self._matcher.whole(text)
        self.found |= screen.masked
        self.flagged |= screen.flagged
        if screen.blocked is not None and self.blocked is None:
            self.blocked = screen.blocked
            self.found.add(screen.blocked)
        return out


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its pairs, repeated names included."""
