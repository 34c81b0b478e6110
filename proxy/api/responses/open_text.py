"""The deltas of the text part that is open: what nearly all of a stream consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...chunks import LONGEST, SIZES
from ...compiled import compiled_if_built
from .event_writer import MANY, NUMBERS

if TYPE_CHECKING:
    from .event_log import Entry
    from .numbers import Numbers
    from .output_items import Part

_encode = msgspec.json.encode
_join = b"".join


@compiled_if_built
class OpenText:
    """Writes the pieces of one text part, as long as nothing has come beside its text; `part` is None otherwise.

    `around` is the template of the part's deltas, cut at its blanks (`chunk_template`). `entries` are those of the log,
    if one is kept: the part's template is in force there.
    """

    __slots__ = ("_numbers", "around", "entries", "part")

    def __init__(self, numbers: Numbers, entries: list[Entry] | None) -> None:
        self._numbers = numbers
        self.entries = entries
        self.part: Part | None = None
        self.around = (b"", b"", b"", 0)

    def open(self, part: Part, around: tuple[bytes, bytes, bytes, int]) -> None:
        """Begins with a part; setting `part` to None ends it."""
        self.part = part
        self.around = around

    def piece(self, text: str) -> bytes:
        """Returns the delta of one more piece, as a chunk; b"", and nothing is done, where no part is open.

        Hot: once a read.
        """
        part = self.part
        if part is None:
            return b""
        part.texts.append(text)
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
