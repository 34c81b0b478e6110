"""Looks into the arguments of a tool call: into every text, name and number in them, whatever their JSON looks like."""

from __future__ import annotations

import json
import re
from typing import Any

from .screen import Matcher

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


class ArgumentsScreen:
    """The arguments of one call on their way out. `found` are the rules that matched, `blocked` the one that blocks."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self.blocked: int | None = None
        self.found: set[int] = set()
        self.flagged: set[int] = set()

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
