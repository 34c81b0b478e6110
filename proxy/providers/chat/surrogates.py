"""Half surrogate pairs in an upstream's JSON: joined where the upstream has cut a pair in two, replaced where not.

`"\\ud83d"` in one chunk and `"\\ude00"` in the next are one character. JSON allows such halves, UTF-8 does not: none
may get out of the decoder.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from .chunk import Chunk

_LONE = re.compile("[\ud800-\udfff]")
_MAX_DEPTH = 64
_ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def has_halves(payload: bytes) -> bool:
    """Tells whether a payload may hold half a pair; whole pairs that are written as escapes count too."""
    return _ESCAPED_HALF.search(payload) is not None


def joined(text: str) -> str:
    """Joins the pairs in a text and replaces lone halves by U+FFFD."""
    if _LONE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def clean(value: Any, depth: int = 0) -> Any:
    """Returns plain JSON values, or structs of them, with every string mended by itself. Structs change in place.

    What is nested deeper than anybody reads is replaced by null.
    """
    if isinstance(value, str):
        return joined(value)
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, list):
        return [clean(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {joined(key): clean(one, depth + 1) for key, one in value.items()}
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            setattr(value, name, clean(getattr(value, name), depth + 1))
    return value


def load(payload: bytes) -> Any:
    """Returns the plain values of a JSON payload, mended; its text when it is no JSON."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = payload.decode("utf-8", "replace")
    try:
        return clean(json.loads(text))
    except (ValueError, RecursionError):
        return text


class Surrogates:
    """Mends chunks: holds a high half until the low one comes.

    Only used once a stream has shown half a pair, so that ordinary streams do not pay for it.
    """

    __slots__ = ("_halves",)

    def __init__(self) -> None:
        self._halves: dict[str, str] = {}

    def mend(self, chunk: Chunk) -> None:
        """Mends the strings of a chunk in place; what streams in pieces is joined over chunks."""
        for choice in chunk.choices or ():
            delta = choice.delta or choice.message
            if choice.index or delta is None:
                continue
            for field in ("content", "reasoning_content", "reasoning", "thinking", "refusal"):
                text = getattr(delta, field)
                if isinstance(text, str):
                    setattr(delta, field, self._mend(field, text))
            for position, piece in enumerate(delta.tool_calls or ()):
                slot = f"call {position if piece.index is None else piece.index}"
                if piece.function is not None and isinstance(piece.function.arguments, str):
                    piece.function.arguments = self._mend(slot, piece.function.arguments)
                if piece.custom is not None and piece.custom.input is not None:
                    piece.custom.input = self._mend(slot, piece.custom.input)
        clean(chunk)

    def finish(self) -> str:
        """Says that nothing follows; returns what stands for a half of visible text that stayed alone."""
        return "\ufffd" if self._halves.pop("content", "") else ""

    def _mend(self, slot: str, text: str) -> str:
        text = self._halves.pop(slot, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._halves[slot] = text[-1]
            text = text[:-1]
        return joined(text)
