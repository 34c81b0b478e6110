"""The deltas of what is open and grows piece by piece: what nearly all of a stream consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...chunks import LONGEST, SIZES
from ...compiled import compiled_if_built
from .event_writer import MANY, NUMBERS

if TYPE_CHECKING:
    from ...events import Event
    from .event_log import Entry
    from .numbers import Numbers
    from .output_items import CallItem, Part

_encode = msgspec.json.encode
_join = b"".join


@compiled_if_built
class Flow:
    """Writes the pieces of one part or call, as long as nothing comes beside them.

    `what` is that part or call, None while nothing flows; `kind` is the event that a piece of it is. `around` is the
    template of its deltas, cut at its blanks (`chunk_template`). `entries` are those of the log, if one is kept: that
    template is in force there.
    """

    __slots__ = ("_lists", "_numbers", "around", "entries", "kind", "what")

    def __init__(self, numbers: Numbers, entries: list[Entry] | None) -> None:
        self._numbers = numbers
        self._lists: tuple[list[str], ...] = ()
        self.entries = entries
        self.what: Part | CallItem | None = None
        self.kind: type[Event] | None = None
        self.around = (b"", b"", b"", 0)

    def open(
        self,
        what: Part | CallItem,
        kind: type[Event],
        lists: tuple[list[str], ...],
        around: tuple[bytes, bytes, bytes, int],
    ) -> None:
        """Begins with a part or call; each piece is added to the lists."""
        self.what = what
        self.kind = kind
        self._lists = lists
        self.around = around

    def close(self) -> None:
        """Says that something else comes."""
        self.what = self.kind = None

    def piece(self, text: str) -> bytes:
        """Returns the delta of one more piece, as a chunk; b"", and nothing is done, where nothing flows.

        Hot: once a read.
        """
        if self.what is None:
            return b""
        for texts in self._lists:
            texts.append(text)
        entries = self.entries
        if entries is not None:
            entries.append(text)
        numbers = self._numbers
        number = numbers.next
        numbers.next = number + 1
        head, place, tail, size = self.around
        written = NUMBERS[number] if number < MANY else b"%d" % number
        string = _encode(text)
        size += len(written) + len(string)
        line = SIZES[size] if size < LONGEST else b"%x\r\n" % size
        return _join((line, head, written, place, string, tail))
