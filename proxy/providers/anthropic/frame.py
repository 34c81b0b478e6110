"""Recognises events that are one more piece of the open text block, so that they need not be parsed.

Such an event is the same bytes every time but for its text and for blanks between its last braces, which the API puts
there to hide how long the text is. What begins with those bytes, and holds exactly one JSON string between them and
the braces, can be nothing else.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

_NAME = b"event: content_block_delta\n"
_HEAD = b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":'
_TAIL = b"}}\n\n"

_decode_string = msgspec.json.Decoder(str).decode


class Frame(Protocol):
    """What recognises pieces of the open text block among the reads of an upstream.

    `chars` counts the characters of all text of the answer. `prefix` is None, to be set by whoever sees something else
    come, until a read has shown it.
    """

    prefix: bytes | None
    chars: int

    def text(self, read: bytes) -> str:
        """Returns the text of a read that is one more piece and nothing else; "" for any other. Hot: once a read."""

    def learn(self, read: bytes, index: int) -> None:
        """Learns from a read that was one piece of the text of block `index`, if it is written as it should be."""


class TextFrame:
    """The bytes before the text of the open block. `chars` counts the characters of all text of the answer.

    `prefix` is None, to be set by whoever sees something else come, until a read has shown it.
    """

    __slots__ = ("_start", "chars", "prefix")

    def __init__(self) -> None:
        self.prefix: bytes | None = None
        self.chars = 0
        self._start = 0  # where the string begins in a read, its quote included

    def text(self, read: bytes) -> str:
        """Returns the text of a read that is one more piece and nothing else; "" for any other. Hot: once a read."""
        prefix = self.prefix
        if prefix is None or not read.startswith(prefix):
            return ""
        end = read.rfind(b'"') + 1
        if read[end:] != _TAIL and read[end:].translate(None, b" ") != _TAIL:
            return ""
        try:
            text = _decode_string(read[self._start : end])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        self.chars += len(text)
        return text

    def learn(self, read: bytes, index: int) -> None:
        """Learns from a read that was one piece of the text of block `index`, if it is written as it should be."""
        prefix = _HEAD % index
        if read.startswith(_NAME):
            prefix = _NAME + prefix
        if read.startswith(prefix) and read.endswith(b"\n\n"):
            self.prefix = prefix + b'"'
            self._start = len(prefix)
