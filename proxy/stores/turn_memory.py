"""What one connection remembers of the responses that were made over it, so that they can be continued there.

A response with `store: false` is kept nowhere else. Any response of the connection may be continued, several times. One
that is forgotten can not; what was made from it before goes on to hold it, for its own history needs it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from .item_ids import named_items
from .store import Entry

_OVERHEAD = 1000
"""Bytes that a response takes beside its items: the structs, its texts, its places here."""


class _Made(msgspec.Struct, omit_defaults=True):
    """What is remembered of a Response: the rest repeats the request, tools and all, in every turn."""

    conversation: msgspec.Raw = msgspec.Raw()


_NOTHING_MADE = msgspec.Raw(b"{}")
_decode_made = msgspec.json.Decoder(_Made).decode


class Turn:
    """One response and the one it continues, where that is remembered too. `uses` counts what holds it."""

    __slots__ = ("entry", "known", "named", "parent", "uses")

    def __init__(self, entry: Entry, parent: Turn | None) -> None:
        self.entry = entry
        self.parent = parent
        self.uses = 1
        self.known = True
        self.named: dict[str, msgspec.Raw] | None = None

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return self.entry.size + _OVERHEAD


class MemoryRoom:
    """How many bytes the memories of all connections of a worker may take together.

    When they take more, the connection forgets that has remembered nothing new for longest.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._memories: OrderedDict[TurnMemory, None] = OrderedDict()
        self.bytes = 0

    def grown(self, memory: TurnMemory, size: int) -> None:
        """Takes note that a memory has grown by so many bytes; makes others forget, it last."""
        self.bytes += size
        self._memories[memory] = None
        self._memories.move_to_end(memory)
        while self.bytes > self._max_bytes and self._memories:
            oldest = next(iter(self._memories))
            if not oldest.forget_oldest():
                del self._memories[oldest]

    def shrunk(self, size: int) -> None:
        """Takes note that so many bytes are free again."""
        self.bytes -= size

    def gone(self, memory: TurnMemory) -> None:
        """Takes note that a memory remembers nothing any more."""
        self._memories.pop(memory, None)


class TurnMemory:
    """The responses of one connection, up to so many and so many bytes; those not used for longest go first."""

    def __init__(
        self, *, max_entries: int = 4096, max_bytes: int = 32 * 1024 * 1024, room: MemoryRoom | None = None
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._room = room
        self._known: OrderedDict[str, Turn] = OrderedDict()  # those that can be continued, the last used last
        self._turns: dict[str, Turn] = {}  # those that are held by anything, in the order of their coming
        self._closed = False
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._turns)

    def chain(self, id: str) -> list[Entry] | None:
        """Returns a response and those before it, the oldest first; None when it is not known here.

        The first one's `parent`, where it has any, is to be found elsewhere. The entries must not be changed.
        """
        turn = self._known.get(id)
        if turn is None:
            return None
        self._known.move_to_end(id)
        line: list[Entry] = []
        while turn is not None:
            line.append(turn.entry)
            turn = turn.parent
        return line[::-1]

    def put(self, entry: Entry) -> None:
        """Remembers a response, in the place of one with the same id. Its parent may have been forgotten meanwhile."""
        if self._closed:
            return
        self.forget(entry.id)
        parent = self._turns.get(entry.parent) if entry.parent is not None else None
        if parent is not None:
            parent.uses += 1
        turn = Turn(msgspec.structs.replace(entry, response=_reduced(entry.response), log=b"").copy(), parent)
        self._known[entry.id] = self._turns[entry.id] = turn
        self.bytes += turn.size
        if self._room is not None:
            self._room.grown(self, turn.size)
        while len(self._turns) > self._max_entries or self.bytes > self._max_bytes:
            if not self.forget_oldest():
                break  # what is left is being continued

    def forget(self, id: str) -> None:
        """Makes a response one that can no longer be continued."""
        turn = self._known.pop(id, None)
        if turn is not None:
            turn.known = False
            self.release(turn)

    def forget_oldest(self) -> bool:
        """Forgets the response that was not used for longest; tells whether there was any."""
        oldest = next(iter(self._known), None)
        if oldest is None:
            return False
        self.forget(oldest)
        return True

    def items(self, ids: Sequence[str]) -> dict[str, msgspec.Raw]:
        """Returns those items that are remembered; of several with one id, that of the latest response."""
        found: dict[str, msgspec.Raw] = {}
        missing = set(ids)
        for turn in reversed(self._turns.values()):
            if not missing:
                break
            if turn.named is None:
                turn.named = named_items(turn.entry)
            for id in missing & turn.named.keys():
                found[id] = turn.named[id]
                missing.discard(id)
        return found

    def hold(self, id: str) -> Turn | None:
        """Keeps a response that is about to be continued until `release`, even when it is forgotten meanwhile."""
        turn = self._known.get(id)
        if turn is not None:
            turn.uses += 1
        return turn

    def release(self, turn: Turn | None) -> None:
        """Ends one use of a response; with the last, it is gone, and so are those that only it has held."""
        while turn is not None:
            turn.uses -= 1
            if turn.uses:
                return
            if self._turns.get(turn.entry.id) is turn:
                del self._turns[turn.entry.id]
            self.bytes -= turn.size
            if self._room is not None:
                self._room.shrunk(turn.size)
            turn = turn.parent

    def close(self) -> None:
        """Forgets everything, and remembers nothing more: responses may come that have outlived their connection."""
        self._closed = True
        while self.forget_oldest():
            pass
        if self._room is not None:
            self._room.gone(self)


def _reduced(response: msgspec.Raw) -> msgspec.Raw:
    """Returns a Response with its conversation alone, if it has one."""
    if b'"conversation":{' not in bytes(response):
        return _NOTHING_MADE
    return msgspec.Raw(msgspec.json.encode(_decode_made(response)))
