"""Writes the events of an upstream that speaks the Responses API into a client's stream, as they came.

An event is passed on byte for byte when its number is the right one already; otherwise only that is replaced. The
client's stream has the numbers of Penstock's own encoder, which may have said something before, or left something out.
"""

from __future__ import annotations

import re

import msgspec

from ...events import Passed, PassedItem
from .event_writer import EventWriter
from .output import Output

_NUMBER = re.compile(rb'"sequence_number"\s*:\s*(-?\d+)')
_KEY = b'"sequence_number"'
_ADDED = "response.output_item.added"

_encode = msgspec.json.encode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class PassedItems:
    """Takes the events of items that are passed on, and keeps each item when it is done."""

    __slots__ = ("_open", "_output", "_writer")

    def __init__(self, writer: EventWriter, output: Output) -> None:
        self._writer = writer
        self._output = output
        self._open: dict[int, PassedItem] = {}

    def take(self, event: Passed) -> bytes:
        """Returns one event for the client. Hot: once an event."""
        item = event.item
        if event.type == _ADDED:
            self._output.place()
            self._open[item.index] = item
        elif event.final is not None:
            self._output.put(item.index, bytes(event.final), item.chars() if event.type else 0)
            self._open.pop(item.index, None)
            if not event.type:
                return b""
        writer = self._writer
        number = writer.next
        data = event.data
        if data is None:
            data = _encode({"type": event.type, "sequence_number": number, **(event.fields or {})})
        elif event.number != number:
            data = renumbered(data, event.number, number)
        return writer.passed(b"event: %b\ndata: %b\n\n" % (event.type.encode(), data))

    def open_items(self) -> list[PassedItem]:
        """Returns the items that the client was told of and that are not done."""
        return list(self._open.values())

    def chars(self) -> int:
        """Returns how many characters the model wrote for the items that are open."""
        return sum(item.chars() for item in self._open.values())

    def drop(self) -> None:
        """Forgets the open items."""
        self._open.clear()


def renumbered(data: bytes, old: int | None, new: int) -> bytes:
    """Returns an event's JSON with another number; `old` is the one it has, None when it has none."""
    if old is None and _KEY not in data:
        return b'%b,"sequence_number":%d}' % (data.rstrip()[:-1], new)
    found = _NUMBER.search(data)
    if found is not None and data.count(_KEY) == 1 and int(found[1]) == old:
        return b"%b%d%b" % (data[: found.start(1)], new, data[found.end(1) :])
    # the words stand in it more than once, or with another value: its own is found by reading it
    fields: dict[str, object] = {**_decode_fields(data)}
    fields["sequence_number"] = new
    return _encode(fields)
