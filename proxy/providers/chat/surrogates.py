"""Joins surrogate pairs that an upstream has cut in two: `"\\ud83d"` in one chunk, `"\\ude00"` in the next."""

from __future__ import annotations

import re
from typing import Any

from .chunk import Chunk

_LONE = re.compile("[\ud800-\udfff]")


class Surrogates:
    """Mends the strings of chunks: holds a high half until the low one comes; a half that stays alone becomes U+FFFD.

    Only used once a stream has shown half a pair, so that ordinary streams do not pay for it.
    """

    __slots__ = ("_halves",)

    def __init__(self) -> None:
        self._halves: dict[str, str] = {}

    def mend(self, chunk: Chunk) -> None:
        """Mends the texts of the first answer of a chunk in place."""
        for choice in chunk.choices or ():
            delta = choice.delta or choice.message
            if choice.index or delta is None:
                continue
            if isinstance(delta.content, str):
                delta.content = self._mend("content", delta.content)
            elif delta.content:
                delta.content = _mend_tree(delta.content)
            if delta.reasoning_content is not None:
                delta.reasoning_content = self._mend("reasoning_content", delta.reasoning_content)
            if isinstance(delta.reasoning, str):
                delta.reasoning = self._mend("reasoning", delta.reasoning)
            if delta.refusal is not None:
                delta.refusal = self._mend("refusal", delta.refusal)
            delta.reasoning_details = _mend_tree(delta.reasoning_details)
            delta.annotations = _mend_tree(delta.annotations)
            if choice.logprobs is not None:
                choice.logprobs.content = _mend_tree(choice.logprobs.content)
            for position, piece in enumerate(delta.tool_calls or ()):
                slot = f"call {position if piece.index is None else piece.index}"
                if piece.function is not None and isinstance(piece.function.arguments, str):
                    piece.function.arguments = self._mend(slot, piece.function.arguments)
                if piece.function is not None and piece.function.name is not None:
                    piece.function.name = _replace(piece.function.name)
                if piece.id is not None:
                    piece.id = _replace(piece.id)

    def finish(self) -> str:
        """Says that nothing follows; returns what stands for a half of visible text that stayed alone."""
        return "\ufffd" if self._halves.pop("content", "") else ""

    def _mend(self, slot: str, text: str) -> str:
        text = self._halves.pop(slot, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._halves[slot] = text[-1]
            text = text[:-1]
        return _replace(text)


def _replace(text: str) -> str:
    """Joins the pairs in a text and replaces lone halves."""
    if _LONE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _mend_tree(value: Any) -> Any:
    """Returns plain JSON values with every string mended by itself."""
    if isinstance(value, str):
        return _replace(value)
    if isinstance(value, list):
        return [_mend_tree(one) for one in value]
    if isinstance(value, dict):
        return {key: _mend_tree(one) for key, one in value.items()}
    return value
