"""JSON text that comes in pieces: tells when the object or list that it began is whole."""

from __future__ import annotations

import json
import re
from typing import Literal

_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')


class JsonPieces:
    """Collects pieces of one JSON text. Each character is looked at once, and only if somebody asks.

    A text that is no object and no list (a number could always go on) is never said to be whole.
    """

    __slots__ = ("_depth", "_escaped", "_in_string", "_seen", "_state", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._seen = 0  # pieces that were looked at
        self._depth = 0  # brackets that are open
        self._in_string = False
        self._escaped = False  # the last piece ended in the backslash of an escape
        self._state: Literal["open", "whole", "broken"] = "open"

    def text(self) -> str:
        """Returns what has come so far."""
        return "".join(self.pieces)

    def blank(self) -> bool:
        """Tells whether nothing but white space has come."""
        return not any(piece and not piece.isspace() for piece in self.pieces)

    def whole(self) -> bool:
        """Tells whether the text is a complete object or list: nothing but white space can follow."""
        while self._seen < len(self.pieces):
            piece = self.pieces[self._seen]
            self._seen += 1
            if self._state == "open":
                self._scan(piece)
            elif self._state == "whole" and piece.strip():
                self._state = "broken"
        return self._state == "whole"

    def _scan(self, piece: str) -> None:
        """Follows strings and brackets through a piece."""
        position = int(self._escaped and piece != "")
        self._escaped = self._escaped and piece == ""
        while (mark := (_INSIDE if self._in_string else _OUTSIDE).search(piece, position)) is not None:
            position = mark.end()
            if mark[0] == '"':
                self._in_string = not self._in_string
            elif mark[0] == "\\":
                self._escaped = position == len(piece)
                position += 1
            elif mark[0] in "{[":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth <= 0:
                    self._state = "whole" if _is_json("".join(self.pieces[: self._seen])) else "broken"
                    return


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
