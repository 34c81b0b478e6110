"""What a response's stream said, event by event, so that it can be read again with the very same bytes.

Deltas are kept as the text that was said and rendered anew when they are read: most of a stream's bytes are the places
that each of its deltas repeats. Everything else is kept as it was rendered; snapshots of the Response share what
repeats the request, which is long where tools are.

A log is stored as it is, with a checksum behind it, or compressed where it is long: to compress the log of a usual
stream takes ten times as long as to write three times as much.
"""

from __future__ import annotations

import functools
import sys
import zlib
from bisect import bisect_right
from typing import Any

import msgspec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LARGEST = 256 * 1024 * 1024
"""How many bytes a log may have before it is compressed: one that is larger is neither kept nor read."""

DONE = b"data: [DONE]\n\n"
"""What stands at the end of a stream, behind its terminal event; it has no number."""

SWAPPED = b"\0"
"""How templates begin that have the blank for the text in front of the one for the number."""

Entry = str | bytes | tuple[str, bytes, bytes]
"""The text of a delta, a rendered event, or the type of an event of the life cycle with its Response in two parts."""

_VERSION = 2
_COMPRESS_FROM = 64 * 1024
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_OPTIONS: dict[int, int] = {zstd.CompressionParameter.compression_level: 1, zstd.CompressionParameter.checksum_flag: 1}
_encode_json = msgspec.json.encode

_Snapshot = tuple[str, int, int]
"""An event of the life cycle: its type, and numbers of parts."""


class _Stored(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A log as it is stored."""

    version: int
    done_marker: bool
    ended: bool
    templates: list[bytes]
    spells: list[tuple[int, int]]  # (number of the first event, place in `templates`)
    parts: list[bytes]
    entries: list[Any]  # str | bytes | _Snapshot, which msgspec does not tell apart


class _Stored1(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A log as version 1 has it: always compressed, None standing for the next of `rendered`."""

    version: int
    done_marker: bool
    ended: bool
    templates: list[bytes]
    spells: list[tuple[int, int]]
    parts: list[bytes]
    rendered: list[bytes]
    entries: list[str | _Snapshot | None]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode
_decode_1 = msgspec.msgpack.Decoder(_Stored1).decode
_as_snapshot = functools.partial(msgspec.convert, type=_Snapshot)
_BEGINNING_1 = b"\x98\x01"
"""How version 1 begins: eight fields, the first of which is 1."""


def life_event(type: str, number: int, response: bytes) -> bytes:
    """Returns an event of the life cycle, with the Response as JSON."""
    kind = type.encode()
    return b'event: %b\ndata: {"type":"%b","sequence_number":%d,"response":%b}\n\n' % (kind, kind, number, response)


def filled(template: bytes, number: int, text: str) -> bytes:
    """Returns a delta event by its template: bytes with a blank for the number and, behind it, one for the text.

    A template that begins with SWAPPED has them the other way round.
    """
    if template.startswith(SWAPPED):
        return template[1:] % (_encode_json(text), number)
    return template % (number, _encode_json(text))


class EventLog(msgspec.Struct, eq=False):
    """The events of one stream. A position is the number of the event that is read next, hence its place in `entries`.

    `entries` ends in DONE when `ended` and the stream has it. Deltas are written by the template in force: `use` it,
    then append texts to `entries`, once each. `done_marker` says whether DONE belongs to the stream.
    """

    done_marker: bool = True
    ended: bool = False
    entries: list[Entry] = []
    _starts: list[int] = []  # numbers from which on the templates are in force
    _templates: list[bytes] = []
    _template: bytes = b""  # the last of them
    _lives: list[int] = []  # places of the events of the life cycle
    _held: tuple[str, bytes, bytes] | None = None

    # --- writing

    def use(self, template: bytes) -> None:
        """Says of which template the texts that follow are."""
        if self._template is not template:
            self._template = template
            self._starts.append(len(self.entries))
            self._templates.append(template)

    def delta(self, template: bytes, text: str) -> None:
        """Takes a delta by its template and its text. Hot: once a delta of thinking or of arguments."""
        if self._template is not template:
            self.use(template)
        self.entries.append(text)

    def opening(self, type: str, response: bytes, shared: bytes) -> None:
        """Takes the first two events of a stream, which say the same."""
        own = response.removesuffix(shared)
        if len(own) == len(response):
            shared = b""
        self._lives += (0, 1)
        self.entries += (("response.created", own, shared), (type, own, shared))

    def snapshot(self, type: str, response: bytes, shared: bytes) -> None:
        """Takes an event of the life cycle. `shared` is kept once if the Response ends in it."""
        own = response.removesuffix(shared)
        self._lives.append(len(self.entries))
        self.entries.append((type, own, shared if len(own) < len(response) else b""))

    def hold(self, type: str, response: bytes) -> None:
        """Takes the terminal event. It is stored with the log, but not read before its `release`."""
        self._held = (type, response, b"")

    def release(self) -> None:
        """Lets the terminal event be read: the stream has ended."""
        if self._held is not None:
            self._lives.append(len(self.entries))
            self.entries.append(self._held)
            self._held = None
            self.ended = True
            if self.done_marker:
                self.entries.append(DONE)

    # --- reading

    @property
    def last(self) -> int:
        """The number of the last event; -1 before the first."""
        return len(self.entries) - 1 - (self.ended and self.done_marker)

    @property
    def size(self) -> int:
        """About how many bytes it holds: texts, rendered events, and once what is shared. Looks at all entries."""
        shared = {*self._templates}
        size = 0
        for entry in self.entries:
            if isinstance(entry, tuple):
                size += len(entry[1])
                shared.add(entry[2])
            else:
                size += len(entry)
        return size + sum(map(len, shared))

    def position_after(self, number: int) -> int:
        """Returns where to read on for whoever has the events up to that number, whether they have come or not."""
        after = max(number, -1) + 1
        return min(after, self.last + 1) if self.ended else after

    def render(self, position: int, most: int, most_bytes: int = sys.maxsize) -> tuple[bytes, int]:
        """Returns the bytes of at most `most` events from a position on, and the position behind them.

        Fewer events, but one at least, when they have more than `most_bytes` bytes.
        """
        entries = self.entries
        stop = min(position + most, len(entries))
        if position >= stop:
            return b"", position
        spell = bisect_right(self._starts, position)
        template, until = self._spell(spell)
        out: list[bytes] = []
        size = 0
        for number in range(position, stop):
            while number == until:
                spell += 1
                template, until = self._spell(spell)
            entry = entries[number]
            if isinstance(entry, str):
                event = filled(template, number, entry)
            elif isinstance(entry, bytes):
                event = entry
            else:
                type, own, shared = entry
                event = life_event(type, number, own + shared)
            if size and size + len(event) > most_bytes:
                return b"".join(out), number
            size += len(event)
            out.append(event)
        return b"".join(out), stop

    def _spell(self, spell: int) -> tuple[bytes, int]:
        """Returns the template that is in force after that many changes, and the number up to which it is."""
        starts = self._starts
        return self._templates[spell - 1] if spell else b"", starts[spell] if spell < len(starts) else -1

    # --- storing

    def to_bytes(self) -> bytes:
        """Returns the log for a store, with the terminal event also when it is still held.

        A log beyond LARGEST is b"": nobody can read it again.
        """
        places: dict[bytes, int] = {}
        spells = [
            (start, places.setdefault(template, len(places)))
            for start, template in zip(self._starts, self._templates, strict=True)
        ]
        entries: list[Any] = self.entries[: self.last + 1]  # all but a few are stored as they are
        lives = self._lives
        if self._held is not None:
            lives = [*lives, len(entries)]
            entries.append(self._held)
        parts: dict[bytes, int] = {}
        for place in lives:
            type, own, shared = entries[place]
            entries[place] = (type, parts.setdefault(own, len(parts)), parts.setdefault(shared, len(parts)))
        ended = self.ended or self._held is not None
        data = _encode(_Stored(_VERSION, self.done_marker, ended, list(places), spells, list(parts), entries))
        if len(data) > LARGEST:
            return b""
        if len(data) < _COMPRESS_FROM:
            return data + zlib.crc32(data).to_bytes(4, "big")
        return zstd.compress(data, options=_OPTIONS)

    @classmethod
    def from_bytes(cls, data: bytes) -> EventLog:
        """Returns the log of which `to_bytes` made those bytes; raises ValueError when they are none."""
        try:
            raw = _unpacked(data)
            return _restored(_of_version_1(_decode_1(raw)) if raw.startswith(_BEGINNING_1) else _decode(raw))
        except (zstd.ZstdError, msgspec.MsgspecError, ValueError, TypeError, IndexError) as error:
            raise ValueError(f"no event log: {error}") from None


def _unpacked(data: bytes) -> bytes:
    """Returns the bytes of a log behind its compression or its checksum; raises ZstdError or ValueError."""
    if not data.startswith(_ZSTD_MAGIC):
        raw, crc = data[:-4], data[-4:]
        if zlib.crc32(raw).to_bytes(4, "big") != crc or len(raw) > LARGEST:
            raise ValueError("it is damaged, or too large")
        return raw
    unpacker = zstd.ZstdDecompressor()
    raw = unpacker.decompress(data, LARGEST + 1)
    if len(raw) > LARGEST or not unpacker.eof or unpacker.unused_data:
        raise ValueError("it is cut short, too large, or has something behind it")
    return raw


def _of_version_1(stored: _Stored1) -> _Stored:
    """Returns a log of version 1 as one of today; raises ValueError."""
    rendered = iter(stored.rendered)
    entries: list[Any] = []
    for entry in stored.entries:
        event = next(rendered, None) if entry is None else entry
        if event is None:
            raise ValueError("fewer events than entries")
        entries.append(event)
    if next(rendered, None) is not None:
        raise ValueError("more events than entries")
    ended, done_marker = stored.ended, stored.done_marker
    return _Stored(_VERSION, done_marker, ended, stored.templates, stored.spells, stored.parts, entries)


def _restored(stored: _Stored) -> EventLog:
    """Returns a log that can be read without surprises; raises ValueError, TypeError or IndexError for any other."""
    if stored.version != _VERSION:
        raise ValueError(f"it is of version {stored.version}")
    log = EventLog(done_marker=stored.done_marker)
    for template in stored.templates:
        filled(template, 0, "")
    for start, place in stored.spells:
        if start < (log._starts[-1] if log._starts else 0) or place < 0:
            raise ValueError("its templates are in no order")
        log._starts.append(start)
        log._templates.append(stored.templates[place])
    for number, entry in enumerate(stored.entries):
        if isinstance(entry, str | bytes):
            log.entries.append(entry)
            continue
        type, own, shared = _as_snapshot(entry)
        if own < 0 or shared < 0:
            raise ValueError("a snapshot of no place")
        log._lives.append(number)
        log.entries.append((type, stored.parts[own], stored.parts[shared]))
    first = next((number for number, entry in enumerate(stored.entries) if isinstance(entry, str)), None)
    if first is not None and (not log._starts or log._starts[0] > first):
        raise ValueError("a text of no template")
    if stored.ended:
        log.ended = True
        if log.done_marker:
            log.entries.append(DONE)
    return log
