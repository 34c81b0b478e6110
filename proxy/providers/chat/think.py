"""Parts thinking from the answer where a server leaves `<think>...</think>` tags in the text."""

from __future__ import annotations

from typing import Literal

ThinkTags = Literal["off", "tagged", "implied"]
"""`tagged`: an answer may begin with `<think>`. `implied`: the prompt's template has opened the tag already, so that
the answer begins with thinking and only `</think>` is seen."""

_OPEN, _CLOSE = "<think>", "</think>"

Piece = tuple[bool, str]
"""Whether the text is thinking, and the text."""


class ThinkSplitter:
    """Takes text in any pieces; returns it parted. Holds back at most the length of a tag and leading white space."""

    __slots__ = ("_held", "_state")

    def __init__(self, *, implied: bool = False) -> None:
        self._state: Literal["start", "thinking", "gap", "text"] = "thinking" if implied else "start"
        self._held = ""

    def feed(self, text: str) -> list[Piece]:
        """Takes a piece of text; returns what can be told apart so far."""
        if self._state == "text":
            return [(False, text)]
        text, self._held = self._held + text, ""
        if self._state == "start":
            stripped = text.lstrip()
            if stripped.startswith(_OPEN):
                self._state = "thinking"
                text = stripped[len(_OPEN) :].removeprefix("\n")
            elif _OPEN.startswith(stripped):
                self._held = text
                return []
            else:
                self._state = "text"
                return [(False, text)]
        pieces: list[Piece] = []
        if self._state == "thinking":
            text = self._thinking(text, pieces)
        if self._state == "gap":
            # the blank lines that the template puts between the closing tag and the answer are no part of it
            text = text.lstrip("\n")
            if text:
                self._state = "text"
                pieces.append((False, text))
        return pieces

    def finish(self) -> list[Piece]:
        """Says that the text has ended; returns what was held back."""
        held, self._held = self._held, ""
        return [(self._state == "thinking", held)] if held else []

    def _thinking(self, text: str, pieces: list[Piece]) -> str:
        """Takes thinking up to the closing tag; returns what stands behind the tag."""
        thought, tag, rest = text.partition(_CLOSE)
        if tag:
            self._state = "gap"
            thought = thought.removesuffix("\n")
        else:
            keep = _ending(thought)
            thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
        if thought:
            pieces.append((True, thought))
        return rest


def _ending(text: str) -> int:
    """Returns how many characters at the end of the text may be the beginning of a line end and the closing tag."""
    for size in range(min(len(text), len(_CLOSE)), 0, -1):
        if ("\n" + _CLOSE).startswith(text[-size:]) or _CLOSE.startswith(text[-size:]):
            return size
    return 0
