"""Writes the arguments of a call as JSON while their pieces come in the order in which it is read."""

from __future__ import annotations

from typing import Any

import msgspec

_CLOSE = {"{": "}", "[": "]"}

_encode = msgspec.json.encode


class InOrder:
    """Takes values, and pieces of texts, at their places; returns what each adds. It stops at one that comes too late.

    What it has written is then a beginning of the whole, unless something has changed what came before.
    """

    __slots__ = ("_counts", "_growing", "_kinds", "_open", "stopped")

    def __init__(self) -> None:
        self._open: list[str | int] = []  # the steps into the containers that are open inside the outermost
        self._kinds: list[str] = []  # of all that are open, how each begins
        self._counts: list[int] = []  # and how many members it has so far
        self._growing: tuple[str | int, ...] | None = None
        self.stopped = False

    def text(self, path: tuple[str | int, ...], piece: str, *, more: bool) -> str:
        """Returns what a piece of a text adds; `more` of it is to come."""
        shown = _encode(piece).decode()[1:-1]
        if self.stopped:
            return ""
        if path != self._growing:
            added = self._member(path, f'"{shown}')
            if added:
                self._growing = path
        else:
            added = shown
        if added and not more:
            self._growing = None
            added += '"'
        return added

    def value(self, path: tuple[str | int, ...], value: Any) -> str:
        """Returns what another value adds."""
        return "" if self.stopped else self._member(path, _encode(value).decode())

    def _member(self, path: tuple[str | int, ...], value: str) -> str:
        """Returns a value behind all others, with what closes and opens on the way to it."""
        out = []
        if self._growing is not None:
            self._growing = None
            out.append('"')
        if not self._kinds:
            out.append(self._begin("{"))
        shared = 0
        while shared < min(len(path) - 1, len(self._open)) and path[shared] == self._open[shared]:
            shared += 1
        while len(self._open) > shared:
            self._open.pop()
            self._counts.pop()
            out.append(_CLOSE[self._kinds.pop()])
        for depth in range(shared, len(path)):
            step = path[depth]
            if not self._fits(step):
                self.stopped = True
                return ""
            out.append(self._step(step))
            if depth < len(path) - 1:
                self._open.append(step)
                out.append(self._begin("[" if isinstance(path[depth + 1], int) else "{"))
        out.append(value)
        return "".join(out)

    def _begin(self, kind: str) -> str:
        self._kinds.append(kind)
        self._counts.append(0)
        return kind

    def _fits(self, step: str | int) -> bool:
        """Tells whether a step leads to the next member of the innermost container."""
        if isinstance(step, int):
            return self._kinds[-1] == "[" and step == self._counts[-1]
        return self._kinds[-1] == "{"

    def _step(self, step: str | int) -> str:
        comma = "," if self._counts[-1] else ""
        self._counts[-1] += 1
        return comma if isinstance(step, int) else f"{comma}{_encode(step).decode()}:"
