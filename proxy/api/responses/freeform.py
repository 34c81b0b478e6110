"""Takes the raw input of a freeform tool out of the JSON arguments that stand for it, while they stream in.

Chat upstreams know only functions; a custom tool is declared to them as a function with one string field. Its
arguments `{"input": "..."}` come in pieces cut anywhere, also inside an escape; what the client gets are pieces of
the string itself. Models are sloppy: raw line ends in the string and escapes that JSON does not know are taken as
they stand.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal

_MAX_HEAD = 1000  # a longer beginning is no `{"input": "`
_HEAD = re.compile(r'\s*\{\s*"((?:[^"\\]|\\.)*)"\s*:\s*"')
_COULD_BE_HEAD = re.compile(r'\s*(?:\{\s*(?:"(?:[^"\\]|\\.)*(?:"\s*(?::\s*)?)?)?)?\Z')

_STRING = re.compile(
    r"""(?: [^"\\]++
          | \\[^u]
          | \\u(?![dD][89abAB])[0-9a-fA-F]{4}
          | \\u[dD][89abAB][0-9a-fA-F]{2}(?= [^\\] | \\[^u] | \\u[0-9a-fA-F]{4} | \\u[0-9a-fA-F]{0,3}[^0-9a-fA-F] )
          | \\u(?= [0-9a-fA-F]{0,3}[^0-9a-fA-F] )
        )*+""",
    re.VERBOSE | re.DOTALL,
)
"""What stands in a string and needs nothing of what follows: no half escape at its end, no half surrogate pair."""

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/"}


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
        """Says that the arguments have ended; returns the rest of the input.

        Of arguments that were cut short nothing is left to say: half an escape means nothing.
        """
        if self._state != "whole":
            return ""
        raw = "".join(self._raw)
        try:
            value = json.loads(raw, strict=False)
        except (ValueError, RecursionError):
            return raw
        return _joined(_input_of(value, self._field, raw))

    def _string(self, text: str) -> str:
        """Takes text inside the string; returns it unescaped, up to the closing quote or an unfinished escape."""
        match = _STRING.match(text)
        end = match.end() if match is not None else 0
        if text[end : end + 1] == '"':
            self._state = "end"
        else:
            self._held = text[end:]
        return _unescaped(text[:end])


def _input_of(value: Any, field: str, raw: str) -> str:
    """Returns the input that whole arguments mean: a string, the field, the one string there is, or all of them."""
    if isinstance(value, dict):
        if not value:
            return ""
        value = value.get(field, next(iter(value.values())) if len(value) == 1 else None)
    return value if isinstance(value, str) else raw


def _unescaped(text: str) -> str:
    """Returns the string that stands between two quotes of JSON; escapes that JSON does not know stay as they are."""
    if "\\" not in text:
        return text
    try:
        value: str = json.loads(f'"{text}"', strict=False)
    except ValueError:
        value = _ESCAPE.sub(_character, text)
    return _joined(value)


def _character(match: re.Match[str]) -> str:
    code, simple = match.groups()
    return chr(int(code, 16)) if code is not None else _SIMPLE.get(simple, match[0])


def _joined(text: str) -> str:
    """Joins surrogate pairs and replaces lone halves, which no client could read."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
