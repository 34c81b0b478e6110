"""Recognises messages that are one more piece of the open text block, so that they need not be parsed.

Such a message has the same headers every time, and the same payload but for its text and the padding behind it, which
Bedrock puts there to hide how long the text is. What matches its checksums, begins with those bytes, and holds exactly
one JSON string in front of the padding can be nothing else.
"""

from __future__ import annotations

from struct import Struct
from zlib import crc32

import msgspec

from ..anthropic.frame import TextFrame

_PRELUDE = 12
_TEXT = b'{"contentBlockIndex":%d,"delta":{"text":"'
_PADDING = b'"},"p":"'
_BARE_END = b'"}}'
_BRACE = ord("}")
_MAX_SIZES = 256

_read_prelude = Struct(">III").unpack_from
_read_u32 = Struct(">I").unpack_from
_decode_string = msgspec.json.Decoder(str).decode


class TextMessage:
    """The headers and the bytes before the text of the open block; `counter` counts the characters of all text.

    `prefix` is None, to be set by whoever sees something else come, until a read has shown it.
    """

    __slots__ = ("_counter", "_sizes", "_start", "prefix")

    def __init__(self, counter: TextFrame) -> None:
        self._counter = counter
        self.prefix: bytes | None = None
        self._start = 0  # where the string begins in a read, its quote included
        self._sizes: dict[bytes, int] = {}  # by prelude, where it matches its checksum: there are few

    def text(self, read: bytes) -> str:
        """Returns the text of a read that is one more piece and nothing else; "" for any other. Hot: once a read."""
        prefix = self.prefix
        if prefix is None or not read.startswith(prefix, _PRELUDE):
            return ""
        total = self._sizes.get(read[:_PRELUDE]) or self._size(read)
        end = total - 4
        if total != len(read) or crc32(read[:end]) != _read_u32(read, end)[0]:
            return ""
        quote = read.rfind(_PADDING, self._start, end)
        if quote < 0:
            quote = end - 3
            if read[quote:end] != _BARE_END:
                return ""
        elif read.find(b'"', quote + 8) != end - 2 or read[end - 1] != _BRACE:
            return ""
        try:
            text = _decode_string(read[self._start : quote + 1])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        self._counter.chars += len(text)
        return text

    def _size(self, read: bytes) -> int:
        """Returns how long a message says it is, -1 where that does not match its checksum."""
        total: int
        total, _, checksum = _read_prelude(read)
        if crc32(read[:8]) != checksum or total < _PRELUDE:
            return -1
        if len(self._sizes) < _MAX_SIZES:
            self._sizes[read[:_PRELUDE]] = total
        return total

    def learn(self, read: bytes, index: int) -> None:
        """Learns from a read that was one piece of the text of block `index`, if it is written as it should be."""
        if len(read) < _PRELUDE:
            return  # the end of a message that came in several reads
        total, headers, _ = _read_prelude(read)
        if total != len(read):
            return
        body = _PRELUDE + headers
        payload = _TEXT % index
        if read.startswith(payload, body):
            self.prefix = read[_PRELUDE : body + len(payload)]
            self._start = body + len(payload) - 1
