"""Takes the raw input of a freeform tool out of the JSON arguments that stand for it, while they stream in.

Chat upstreams know only functions; a custom tool is declared to them as a function with one string field. Its
arguments `{"input": "..."}` come in pieces cut anywhere, also inside an escape; what the client gets are pieces of
the string itself.
"""

from __future__ import annotations

import json
import re
from typing import Literal

_MAX_HEAD = 1000  # a longer beginning is no `{"input": "`
_HEAD = re.compile(r'\s*\{\s*"((?:[^"\\]|\\.)*)"\s*:\s*"')
_COULD_BE_HEAD = re.compile(r'\s*(?:\{\s*(?:"(?:[^"\\]|\\.)*(?:"\s*(?::\s*)?)?)?)?\Z')
_SPECIAL = re.compile(r'["\\]')
_UNFINISHED = re.compile(r"\\(?:u[0-9a-fA-F]{0,3}|)\Z|\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")


class FreeformInput:
    """Takes pieces of JSON arguments; returns pieces of the string in field `field`.

    Arguments of another form (another field first, no object at all) are kept until the end and then read whole.
    """

    __slots__ = ("_field", "_held", "_raw", "_state")

    def __init__(self, field: str) -> None:
        self._field = field
        self._state: Literal["head", "string", "end", "whole"] = "head"
        self._held = ""
        self._raw: list[str] = []

    def feed(self, arguments: str) -> str:
        """Takes a piece of the arguments; returns the piece of input that it completes, often all of it."""
        if self._state == "end":
            return ""
        if self._state == "whole":
            self._raw.append(arguments)
            return ""
        text = self._held + arguments
        self._held = ""
        if self._state == "head":
            match = _HEAD.match(text)
            if match is None or match[1] != self._field:
                if match is None and len(text) < _MAX_HEAD and _COULD_BE_HEAD.match(text):
                    self._held = text
                else:
                    self._state = "whole"
                    self._raw.append(text)
                return ""
            self._state = "string"
            text = text[match.end() :]
        return self._string(text)

    def finish(self) -> str:
        """Says that the arguments have ended; returns the rest of the input."""
        if self._state == "string":
            # cut in the middle: what stands of an escape means nothing
            return ""
        raw = "".join(self._raw) + self._held
        if self._state == "end" or not raw.strip():
            return ""
        try:
            value = json.loads(raw, strict=False)
        except ValueError:
            return raw
        if isinstance(value, str):
            return value
        if isinstance(value, dict):
            inner = value.get(self._field, next(iter(value.values())) if len(value) == 1 else None)
            if isinstance(inner, str):
                return inner
        return raw

    def _string(self, text: str) -> str:
        """Takes text inside the string; returns it unescaped, up to the closing quote or an unfinished escape."""
        position = 0
        while (match := _SPECIAL.search(text, position)) is not None:
            if match[0] == '"':
                self._state = "end"
                return _unescape(text[: match.start()])
            position = match.start() + 2
        unfinished = _UNFINISHED.search(text)
        if unfinished is not None and not _escaped(text, unfinished.start()):
            self._held = text[unfinished.start() :]
            text = text[: unfinished.start()]
        return _unescape(text)


def _escaped(text: str, position: int) -> bool:
    """Tells whether the backslash at the position is itself escaped."""
    before = len(text[:position]) - len(text[:position].rstrip("\\"))
    return before % 2 == 1


def _unescape(text: str) -> str:
    """Returns the string that stands between two quotes of JSON; what is no JSON string is taken as it is."""
    if "\\" not in text:
        return text
    try:
        value = json.loads(f'"{text}"', strict=False)
    except ValueError:
        return text
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if isinstance(value, str) else text
