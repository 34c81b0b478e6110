"""Puts the arguments of a call together that came in pieces, each with the place where it belongs.

Vertex AI streams arguments when it is asked to: `{"jsonPath": "$.a[0].b", "stringValue": "te", "willContinue": true}`,
and then the rest of the text at the same path. Places may come in any order, so that nothing is known for sure until
the call has ended. Models fill one place behind the other, though: what they write in that order can be told as it
comes, and is compared with the whole at the end.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .chunk import PartialArg
from .in_order import InOrder

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,6})\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MAX_DEPTH = 64
_MAX_GAP = 1000

Step = str | int
Path = tuple[Step, ...]


class PartialArgs:
    """Takes the pieces of one call's arguments; `text` returns them as JSON.

    `at_once`: what comes in order is told as it comes.
    """

    __slots__ = ("_growing", "_pieces", "_root", "_told", "_writer")

    def __init__(self, *, at_once: bool = False) -> None:
        self._writer = InOrder() if at_once else None
        self._told: list[str] = []
        self._root: dict[str, Any] = {}
        self._growing: Path | None = None  # the text that goes on with the next piece
        self._pieces: list[str] = []

    def take(self, pieces: list[PartialArg]) -> str:
        """Takes pieces; returns what can be told of them now. What has no place in an object is left out."""
        told: list[str] = []
        for piece in pieces:
            path = parse_path(piece.json_path)
            if path is None:
                continue
            text, more = piece.string_value, bool(piece.will_continue)
            if text is not None:
                self._take_text(path, piece)
            else:
                self._settle()
                self._put(path, _plain(piece))
            if self._writer is not None:
                writer = self._writer
                told.append(writer.value(path, _plain(piece)) if text is None else writer.text(path, text, more=more))
        self._told += told
        return "".join(told)

    def rest(self) -> str | None:
        """Returns what is left to tell when the call has ended; None where what was told has turned out wrong."""
        whole, told = self.text(), "".join(self._told)
        return whole[len(told) :] if whole.startswith(told) else None

    def text(self) -> str:
        """Returns the arguments as JSON."""
        self._settle()
        return msgspec.json.encode(self._root).decode()

    def _take_text(self, path: Path, piece: PartialArg) -> None:
        if path != self._growing:
            self._settle()
            self._growing = path
        self._pieces.append(piece.string_value or "")
        if not piece.will_continue:
            self._settle()

    def _settle(self) -> None:
        """Ends the text that was growing."""
        if self._growing is not None:
            self._put(self._growing, "".join(self._pieces))
            self._growing = None
            self._pieces = []

    def _put(self, path: Path, value: Any) -> None:
        """Puts a value where it belongs; containers on the way are made, and grow by what is missing before it."""
        place: Any = self._root
        for step, following in zip(path, (*path[1:], None), strict=True):
            last = following is None
            made = value if last else ([] if isinstance(following, int) else {})
            if isinstance(step, int) and isinstance(place, list):
                if step > len(place) + _MAX_GAP:
                    return
                place.extend([None] * (step + 1 - len(place)))
            elif not (isinstance(step, str) and isinstance(place, dict)):
                return
            elif step not in place:
                place[step] = None
            if last or not isinstance(place[step], (dict, list)):
                place[step] = made
            place = place[step]


def parse_path(text: str) -> Path | None:
    """Returns the steps of a path such as `$.a['b c'][0]`; None for one that names no place inside an object."""
    if not text.startswith("$"):
        return None
    steps: list[Step] = []
    at = 1
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None or len(steps) == _MAX_DEPTH:
            return None
        name, index, single, double = step.groups()
        if index is not None:
            steps.append(int(index))
        elif name is not None:
            steps.append(name)
        else:
            steps.append(_ESCAPED.sub(r"\1", single if single is not None else double))
        at = step.end()
    return tuple(steps) if steps and isinstance(steps[0], str) else None


def _plain(piece: PartialArg) -> Any:
    if piece.bool_value is not None:
        return piece.bool_value
    return piece.number_value
