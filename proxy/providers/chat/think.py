"""Parts thinking from the answer where a server leaves `<think>...</think>` tags in the text."""

from __future__ import annotations

from typing import Literal

ThinkTags = Literal["off", "tagged", "implied"]
"""`tagged`: an answer may begin with `<think>`. `implied`: the prompt's template has opened the tag already, so that
the answer begins with thinking and only `</think>` is seen."""

_OPEN, _CLOSE = "<think>", "</think>"
_MAX_BLANK = 256  # characters of white space in front of the tag; with more there is none

Piece = tuple[bool, str]
"""Whether the text is thinking, and the text."""


class ThinkSplitter:
    """Takes text in any pieces; returns it parted. Holds back at most the length of a tag and leading white space.

    One line end behind the opening tag, one in front of the closing tag and all behind it belong to the tags.
    """

    __slots__ = ("_held", "_implied", "_state")

    def __init__(self, *, implied: bool = False) -> None:
        self._state: Literal["start", "opened", "thinking", "gap", "text"] = "start"
        self._implied = implied
        self._held = ""

    @property
    def over(self) -> bool:
        """True once no tag can come: all text from here on is the answer."""
        return self._state == "text"

    def feed(self, text: str) -> list[Piece]:
        """Takes a piece of text; returns what can be told apart so far."""
        text, self._held = self._held + text, ""
        pieces: list[Piece] = []
        if self._state == "start":
            text = self._start(text)
        if self._state == "opened" and text:
            self._state = "thinking"
            text = text.removeprefix("\n")
        if self._state == "thinking" and text:
            text = self._thinking(text, pieces)
        if self._state == "gap" and (text := text.lstrip("\n")):
            self._state = "text"
        if self._state == "text" and text:
            pieces.append((False, text))
        return pieces

    def flush(self) -> list[Piece]:
        """Says that the text has ended, or that something else comes between; returns what was held back."""
        held, self._held = self._held, ""
        if not held:
            return []
        if self._state == "start" and not held.isspace():
            self._state = "thinking" if self._implied else "text"
        return [(self._state == "thinking", held)]

    def _start(self, text: str) -> str:
        """Takes the beginning of the answer; returns what stands behind the opening tag, or all when there is none."""
        begin = text.lstrip()
        if begin.startswith(_OPEN):
            self._state = "opened"
            return begin[len(_OPEN) :]
        if _OPEN.startswith(begin) and len(text) - len(begin) <= _MAX_BLANK:
            self._held = text
            return ""
        self._state = "thinking" if self._implied else "text"
        return text

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
