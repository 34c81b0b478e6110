"""The `output` of one response while it grows: places, ids, what is finished, and how much was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ...events import PassedItem
from .event_writer import EventWriter
from .output_items import Item, ItemStatus

_encode = msgspec.json.encode
_LAST = 0x7FFF  # the number of an item that is not shown: far from those of the output, and below those of the input


class Output(msgspec.Struct, eq=False):
    """Gives items their index and id; keeps the JSON of those that are finished, not the items themselves."""

    _writer: EventWriter
    _item_id: Callable[[str, int], str]
    _finished: list[bytes | None] = []  # by output index; None for items that are still open
    _chars: int = 0

    def enter(self, item: Item) -> None:
        """Gives an item the next place. An item that came with an id keeps it."""
        item.index = len(self._finished)
        item.id = item.id or self._item_id(item.id_prefix, item.index)
        self._finished.append(None)

    def add(self, item: Item, out: list[bytes]) -> None:
        """Opens an item at the next place."""
        self.enter(item)
        shown = item.to_dict("in_progress")
        out.append(self._writer.event("response.output_item.added", {"output_index": item.index, "item": shown}))

    def finish(self, item: Item, status: ItemStatus, out: list[bytes]) -> None:
        """Closes an item with its final form."""
        shown = msgspec.Raw(self.keep(item, status))
        out.append(self._writer.event("response.output_item.done", {"output_index": item.index, "item": shown}))

    def keep(self, item: Item | PassedItem, status: ItemStatus) -> bytes:
        """Takes an item's final form without telling the client; returns it as JSON."""
        shown = _encode(item.to_dict(status))
        self._finished[item.index] = shown
        self._chars += item.chars()
        return shown

    def place(self) -> None:
        """Keeps the next place for an item that is told by others."""
        self._finished.append(None)

    def put(self, index: int, shown: bytes, chars: int) -> None:
        """Takes the final form of such an item, as JSON, and how many characters the model wrote for it."""
        self._finished[index] = shown
        self._chars += chars

    def __len__(self) -> int:
        return len(self._finished)

    def unseen(self, number: int, sealed: str) -> bytes:
        """Returns the form in which reasoning is kept of which nothing is shown, the `number`-th of the response."""
        id = self._item_id("rs", _LAST - number)
        return _encode({"id": id, "type": "reasoning", "summary": [], "encrypted_content": sealed})

    def chars(self) -> int:
        """Returns how many characters the model produced in the items that are finished."""
        return self._chars

    def items(self) -> list[bytes | None]:
        """Returns the items by their index; None for those that are not finished."""
        return self._finished

    def to_json(self, open_items: Sequence[Item | PassedItem] = ()) -> bytes:
        """Returns the list of the finished items, and of those that are open as they are so far."""
        shown = self._finished
        if open_items:
            shown = list(shown)
            for item in open_items:
                shown[item.index] = _encode(item.to_dict("in_progress"))
        return b"[" + b",".join([item for item in shown if item]) + b"]"
