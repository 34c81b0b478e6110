"""Writes the events of an upstream that speaks the Responses API into a client's stream, as they came.

An event is passed on byte for byte when its number is the right one already; otherwise only that is replaced. The
client's stream has the numbers of Penstock's own encoder, which may have said something before, or left something out.
"""

from __future__ import annotations

import re

import msgspec

from ...events import Passed, PassedItem
from .event_log import SWAPPED, filled
from .event_writer import EventWriter
from .output import Output

_NUMBER = re.compile(rb'"sequence_number"\s*:\s*(-?\d+)')
_KEY = b'"sequence_number"'
_DELTA = b'"delta":'
_MISSES = 8
_ADDED = "response.output_item.added"

_encode = msgspec.json.encode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class PassedItems:
    """Takes the events of items that are passed on, and keeps each item when it is done.

    For the log the deltas of an upstream are tried for a template: most are the same bytes as the one before but for
    their number and text. One that pads its deltas is not tried for long.
    """

    __slots__ = ("_misses", "_open", "_output", "_template", "_writer")

    def __init__(self, writer: EventWriter, output: Output) -> None:
        self._writer = writer
        self._output = output
        self._open: dict[int, PassedItem] = {}
        self._template: bytes | None = None  # that of the last delta
        self._misses = 0  # deltas one after the other that were not of the template of the one before

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
        out = b"event: %b\ndata: %b\n\n" % (event.type.encode(), data)
        if event.text and writer.log is not None and self._misses < _MISSES:
            return writer.passed(out, self._template_for(out, number, event.text), event.text)
        return writer.passed(out)

    def _template_for(self, out: bytes, number: int, text: str) -> bytes | None:
        """Returns the template of the delta before, if this one is of it too; else notes what may be the next one's."""
        template = self._template
        if template is not None and filled(template, number, text) == out:
            self._misses = 0
            return template
        self._misses += 1
        self._template = template_of(out, number, text)
        return None

    def open_items(self) -> list[PassedItem]:
        """Returns the items that the client was told of and that are not done."""
        return list(self._open.values())

    def chars(self) -> int:
        """Returns how many characters the model wrote for the items that are open."""
        return sum(item.chars() for item in self._open.values())

    def drop(self) -> None:
        """Forgets the open items."""
        self._open.clear()


def template_of(out: bytes, number: int, text: str) -> bytes | None:
    """Returns the template of which an event is the delta of a text; None when it cannot be told apart into one."""
    said = _encode(text)
    at, found = out.find(_DELTA + said), _NUMBER.search(out)
    if at < 0 or found is None or int(found[1]) != number:
        return None
    at += len(_DELTA)
    blanks = sorted([(at, at + len(said), b"%b"), (found.start(1), found.end(1), b"%d")])
    (first, after, blank), (second, behind, other) = blanks
    pieces = [piece.replace(b"%", b"%%") for piece in (out[:first], out[after:second], out[behind:])]
    return (SWAPPED if blank == b"%b" else b"") + pieces[0] + blank + pieces[1] + other + pieces[2]


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
