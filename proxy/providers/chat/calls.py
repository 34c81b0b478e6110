"""Tells the tool calls of a chat stream apart: which fragment belongs to which call.

A call is found by its index. Servers differ: no index, one index for every call, ids that are repeated, empty or late,
a name that is repeated or late, arguments as an object. The rules are those of section 5.5 of the wire reference:
a new id with a name on a used index is a new call; everything else on that index continues the old one.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ...events import Event, ToolCallDelta, ToolCallStart
from .chunk import FunctionPiece, ToolCallPiece

_MAX_CALL_ID = 64
_LEGACY_INDEX = -1


class _Call:
    """One call so far. Until its name is known its arguments wait in `waiting`."""

    __slots__ = ("arguments_seen", "id", "index", "key", "name", "tail", "waiting")

    def __init__(self, key: int, index: int | None) -> None:
        self.key = key
        self.index = index
        self.id = ""
        self.name = ""
        self.waiting: list[str] = []
        self.arguments_seen = False
        self.tail = ""  # the last character of the arguments that is no white space


class ToolCalls:
    """Takes fragments of tool calls; returns ToolCallStart and ToolCallDelta events with keys of its own."""

    __slots__ = ("_by_index", "_calls", "_last", "_new_id", "_used_ids")

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._last: _Call | None = None
        self._used_ids: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._calls)

    def take(self, piece: ToolCallPiece, events: list[Event]) -> None:
        """Takes one fragment."""
        freeform = piece.custom is not None and piece.function is None
        if piece.custom is not None and freeform:
            name, arguments = piece.custom.name or "", piece.custom.input or ""
        elif piece.function is not None:
            name, arguments = piece.function.name or "", _text(piece.function.arguments)
        else:
            name, arguments = "", ""
        id = piece.id or ""
        call = self._find(piece.index, id, name)
        if call is None:
            if not id and not name and not arguments:
                return
            call = self._open(piece.index)
        self._last = call
        if id and not call.id:
            call.id = id
        if name and not call.name:
            call.name = name
            events.append(ToolCallStart(call.key, self._call_id(call.id), name, freeform))
            if call.waiting:
                events.append(ToolCallDelta(call.key, "".join(call.waiting)))
                call.waiting.clear()
        if arguments:
            call.arguments_seen = True
            call.tail = arguments.rstrip()[-1:] or call.tail
            if call.name:
                events.append(ToolCallDelta(call.key, arguments))
            else:
                call.waiting.append(arguments)

    def take_legacy(self, piece: FunctionPiece, events: list[Event]) -> None:
        """Takes a fragment of the one call that the old `function_call` field can hold."""
        self.take(ToolCallPiece(index=_LEGACY_INDEX, function=piece), events)

    def nameless(self) -> bool:
        """Tells whether a call has got no name to the end: it can be given to nobody."""
        return any(not call.name for call in self._calls)

    def _find(self, index: int | None, id: str, name: str) -> _Call | None:
        """Returns the call that a fragment continues, or None when it begins a new one."""
        call = self._last if index is None else self._by_index.get(index)
        if call is None:
            return None
        if id and call.id and id != call.id:
            # without an index a new id is all there is to go by; with one, a call that has no arguments yet may get
            # another id from a server that numbers its fragments
            return None if index is None or (name and call.arguments_seen) else call
        if index is None and not id and name and call.name:
            return None
        if name and call.name and name != call.name and not id and call.tail == "}":
            return None
        return call

    def _open(self, index: int | None) -> _Call:
        call = _Call(len(self._calls), index)
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _call_id(self, id: str) -> str:
        """Returns the upstream's id if it can be used as it is, else one of our own."""
        if not 1 <= len(id) <= _MAX_CALL_ID or id in self._used_ids:
            id = self._new_id()
        self._used_ids.add(id)
        return id


def _text(arguments: object) -> str:
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else msgspec.json.encode(arguments).decode()
