"""Tells the tool calls of a chat stream apart: which fragment belongs to which call.

A call is found by its index. Servers differ: no index, one index for every call, ids that are repeated, empty or late,
a name that is repeated or late, arguments as an object. The rules are those of section 5.5 of the wire reference:
a new id with a name on a used index is a new call, and so is more behind arguments that are whole; everything else on
that index continues the old one.

A call is told as soon as it has a name, since servers send names whole. Of one that is known to send them in pieces
(`split_names`) a call waits for what proves the name complete: its arguments, another call, the end.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ...events import Event, ToolCallDelta, ToolCallStart
from ...json_pieces import JsonPieces
from .chunk import FunctionPiece, ToolCallPiece

_MAX_CALL_ID = 64
_LEGACY_INDEX = -1


class _Call:
    """One call so far. Until its name is known and it was `told` of, its arguments wait in `waiting`."""

    __slots__ = ("arguments", "begun", "freeform", "id", "key", "name", "told", "waiting")

    def __init__(self, key: int) -> None:
        self.key = key
        self.id = ""
        self.name = ""
        self.freeform = False
        self.begun = False  # its arguments have
        self.told = False
        self.arguments = JsonPieces()
        self.waiting: list[str] = []


class ToolCalls:
    """Takes fragments of tool calls; adds ToolCallStart and ToolCallDelta events with keys of its own.

    `seen` tells whether any call has begun.
    """

    __slots__ = ("_by_id", "_by_index", "_calls", "_last", "_new_id", "_split_names", "_used_ids", "seen")

    def __init__(self, new_id: Callable[[], str], *, split_names: bool = False) -> None:
        self._new_id = new_id
        self._split_names = split_names
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}  # those without an index
        self._last: _Call | None = None
        self._used_ids: dict[str, None] = {}  # for an empty set takes three times the memory
        self.seen = False

    def take(self, piece: ToolCallPiece, events: list[Event]) -> None:
        """Takes one fragment. Hot: once a chunk of arguments."""
        function = piece.function
        freeform = False
        if function is not None:
            name = function.name or ""
            arguments = function.arguments
            if type(arguments) is not str:
                arguments = _text(arguments)
        elif piece.custom is not None:
            freeform = True
            name, arguments = piece.custom.name or "", piece.custom.input or ""
        else:
            name = arguments = ""
        call = None if piece.index is None else self._by_index.get(piece.index)
        if call is None or name or piece.id:
            call = self._find(piece, name, arguments)
            if call is None:
                return
            self._identify(call, piece.id or "", name, events, freeform=freeform)
            if name and arguments and call.arguments.whole():
                return  # the same call once more
        if self._split_names and not call.told:
            self.flush(events, but=None if arguments else call)
        self._last = call
        if arguments:
            call.begun = True
            call.arguments.pieces.append(arguments)
            if call.told:
                events.append(ToolCallDelta(call.key, arguments))
            else:
                call.waiting.append(arguments)

    def take_legacy(self, piece: FunctionPiece, events: list[Event]) -> None:
        """Takes a fragment of the one call that the old `function_call` field can hold."""
        self.take(ToolCallPiece(index=_LEGACY_INDEX, function=piece), events)

    def growing(self, key: int) -> list[str] | None:
        """Returns what there is of a call's arguments, if what comes under the last index goes on with that call."""
        call = self._calls[key]
        known = call is self._last and call.told and call in self._by_index.values()
        return call.arguments.pieces if known else None

    def flush(self, events: list[Event], but: _Call | None = None) -> None:
        """Says that no name that is still held goes on, `but` that of one call."""
        for call in self._calls:
            if call.name and not call.told and call is not but:
                self._tell(call, events)

    def nameless(self) -> bool:
        """Tells whether a call has got no name to the end: it can be given to nobody."""
        return any(not call.name for call in self._calls)

    def cut(self) -> bool:
        """Tells whether the arguments of a call have begun and are not whole."""
        return any(
            not call.freeform and not call.arguments.whole() and not call.arguments.blank() for call in self._calls
        )

    def _identify(self, call: _Call, id: str, name: str, events: list[Event], *, freeform: bool) -> None:
        """Takes what a fragment says of its call's identity; the first name opens the call for the client."""
        if id and not call.id:
            call.id = id
        if name and not call.told:
            call.name = _joined(call.name, name)
            call.freeform = freeform
            if not self._split_names:
                self._tell(call, events)

    def _tell(self, call: _Call, events: list[Event]) -> None:
        """Opens a call for the client, with the arguments that have waited for its name."""
        call.told = True
        events.append(ToolCallStart(call.key, self._call_id(call.id), call.name, call.freeform))
        if call.waiting:
            events.append(ToolCallDelta(call.key, "".join(call.waiting)))
            call.waiting.clear()

    def _find(self, piece: ToolCallPiece, name: str, arguments: str) -> _Call | None:
        """Returns the call of a fragment, a new one if it begins one; None when it says nothing of any call."""
        if piece.index is not None:
            call = self._by_index.get(piece.index)
        else:
            call = self._by_id.get(piece.id or "", self._last)
        if call is not None and self._continues(call, piece, name, arguments):
            return call
        if call is None and not piece.id and not name and not arguments:
            return None
        call = _Call(len(self._calls))
        self._calls.append(call)
        self.seen = True
        if piece.index is not None:
            self._by_index[piece.index] = call
        elif piece.id:
            self._by_id[piece.id] = call
        return call

    def _continues(self, call: _Call, piece: ToolCallPiece, name: str, arguments: str) -> bool:
        """Tells whether a fragment that would go to the call by its index belongs to it."""
        if self._split_names and not call.told and piece.id in (None, "", call.id):
            return True
        renamed = name != "" and call.name not in ("", name)
        if piece.id and call.id and piece.id != call.id:
            # without an index a new id is all there is to go by; with one, a server may number its fragments
            return piece.index is not None and (not name or not (call.begun or renamed))
        if name and (renamed or arguments.strip()) and call.arguments.whole():
            return bool(piece.id) and not renamed and arguments == call.arguments.text()
        return not (renamed and piece.index is None and not piece.id)

    def _call_id(self, id: str) -> str:
        """Returns the upstream's id if it can be used as it is, else one of our own."""
        if not 1 <= len(id) <= _MAX_CALL_ID or id.isspace() or id in self._used_ids:
            id = self._new_id()
        self._used_ids[id] = None
        return id


def _joined(name: str, piece: str) -> str:
    """Returns a name with its next piece; servers may also repeat what there is of it, alone or with more."""
    return piece if piece.startswith(name) else name + piece


def _text(arguments: object) -> str:
    """Returns arguments that came as an object, or not at all, as text."""
    return "" if arguments is None else msgspec.json.encode(arguments).decode()
