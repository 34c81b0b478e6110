"""Recognises reads that are one more piece of the open text block, so that they need not be taken apart.

Such a read is one message that is written like the last one up to its text; only the text and its length differ. So
for each length it is known what the message begins with, and the checksum of that. The checksum of the whole message
goes on from there: only if it comes out as told was the beginning what it should be, prelude and headers included, and
the rest what was sent. The rest is decoded behind a short beginning that means the same, and may say nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Any
from zlib import crc32

from ...sse.event_stream import MAX_MESSAGE
from .wire import UNREADABLE, decode_chunk, decode_padded_text_event, decode_text_event

_PRELUDE = 12
_CHECKSUM = 4
_MAX_HEADERS = 1024
_MAX_FORMS = 1024
_SHORT = b'{"~":{"~":'

_pack_two = Struct(">II").pack
_pack_u32 = Struct(">I").pack
_read_two = Struct(">II").unpack_from

Form = tuple[Callable[[bytes], tuple[Any, ...]], bytes, int]
"""What takes a message apart, into what stands before the rest, the rest and the checksum; the first, and its own."""


class MessageFrame(ABC):
    """The bytes before the text of the open block. `chars` counts the characters of all text of the answer.

    `prefix` is what stands between a message's prelude and its text: None, to be set by whoever sees something else
    come, until a read has shown it.
    """

    __slots__ = ("_forms", "_headers", "_short", "_wrapped", "chars", "prefix")

    def __init__(self, *, wrapped: bool) -> None:
        self._wrapped = wrapped  # a payload holds an event as base64
        self.prefix: bytes | None = None
        self.chars = 0
        self._headers = 0  # how long they are
        self._short = b""  # what the rest is decoded behind
        self._forms: dict[int, Form] = {}  # by length of the message

    def text(self, read: bytes) -> str:
        """Returns the text of a read that is one more piece and nothing else; "" for any other. Hot: once a read."""
        if self.prefix is None:
            return ""
        try:
            unpack, known, checksum = self._forms[len(read)]
        except KeyError:
            return self.text(read) if self._add_form(len(read)) else ""
        before, rest, told = unpack(read)
        if before != known or crc32(rest, checksum) != told:
            return ""
        try:
            if self._wrapped:
                text = decode_text_event(decode_chunk(self._short + rest).event).part.text
            else:
                text = decode_padded_text_event(self._short + rest).part.text
        except UNREADABLE:
            return ""
        self.chars += len(text)
        return text

    def learn(self, read: bytes, index: int) -> None:
        """Learns from a read that was one piece of the text of block `index`, if it is written as it should be."""
        self.prefix = None
        if len(read) < _PRELUDE:
            return  # the end of a message that came in several reads
        total, headers = _read_two(read)
        begins, self._short = self._beginnings(index)
        prefix = read[_PRELUDE : _PRELUDE + headers] + begins
        if total == len(read) and headers <= _MAX_HEADERS and read.startswith(prefix, _PRELUDE):
            self._headers = headers
            self._forms = _forms_of(prefix)
            self.prefix = prefix

    @abstractmethod
    def _beginnings(self, index: int) -> tuple[bytes, bytes]:
        """Returns how the payload of a piece of block `index` begins, and a short beginning that means the same."""

    def _add_form(self, length: int) -> bool:
        """Adds the form of messages of a length that has not been seen; tells whether there is one."""
        assert self.prefix is not None
        rest = length - _PRELUDE - len(self.prefix) - _CHECKSUM
        if rest <= 0 or length > MAX_MESSAGE:
            return False
        if len(self._forms) >= _MAX_FORMS:
            self._forms.clear()
        prelude = _pack_two(length, self._headers)
        before = prelude + _pack_u32(crc32(prelude)) + self.prefix
        self._forms[length] = Struct(f">{len(before)}s{rest}sI").unpack, before, crc32(before)
        return True


@lru_cache(maxsize=32)
def _forms_of(prefix: bytes) -> dict[int, Form]:
    """Returns the forms of all messages that are written alike, in whichever stream: few lengths are ever seen."""
    return {}


class TextMessage(MessageFrame):
    """Recognises pieces of text among ConverseStream's messages."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(wrapped=False)

    def _beginnings(self, index: int) -> tuple[bytes, bytes]:
        return b'{"contentBlockIndex":%d,"delta":{"text":' % index, _SHORT


class TextChunk(MessageFrame):
    """Recognises pieces of text among InvokeModel's messages, which hold events of Claude's own API as base64.

    Base64 writes three bytes at a time: what of the event's beginning shares its group with the text is part of the
    rest, and cut off the short beginning.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(wrapped=True)

    def _beginnings(self, index: int) -> tuple[bytes, bytes]:
        event = b'{"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":' % index
        shared = len(event) % 3
        short = _SHORT[: len(_SHORT) - shared]
        return _chunk(event[: len(event) - shared]), _chunk(b" " * (-len(short) % 3) + short)


def _chunk(event: bytes) -> bytes:
    return b'{"bytes":"' + b64encode(event)
