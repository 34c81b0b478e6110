"""The parts of Converse's stream events and answers that are read, and a lenient way to read bad ones.

The structs name only what the decoder uses, so that decoding skips the rest, first of all the padding that hides how
long a text is. Fields that are null are absent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ...api.raw import ABSENT, Raw
from ..chat.surrogates import load


class ToolUse(msgspec.Struct, rename="camel", gc=False):
    """A call: as it begins, as its next piece (`input` a string), or whole (`input` an object).

    `type` is `server_tool_use` when the upstream runs the tool itself.
    """

    tool_use_id: str | None = None
    name: str | None = None
    input: Raw = ABSENT
    type: str | None = None


class ReasoningText(msgspec.Struct, gc=False):
    """Thinking that came whole."""

    text: str | None = None
    signature: str | None = None


class Reasoning(msgspec.Struct, rename="camel", gc=False):
    """Thinking: a piece of it, its signature, or what nobody may read (base64)."""

    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None
    reasoning_text: ReasoningText | None = None


class Generated(msgspec.Struct, gc=False):
    """A text with citations."""

    text: str | None = None


class Cited(msgspec.Struct, gc=False):
    """Texts, and where they are from."""

    content: list[Generated] | None = None
    citations: list[dict[str, Any]] | None = None


class Block(msgspec.Struct, rename="camel", gc=False):
    """What an event adds to a content block, or a whole block."""

    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: Reasoning | None = None
    citation: dict[str, Any] | None = None
    citations_content: Cited | None = None


class BlockEvent(msgspec.Struct, rename="camel", gc=False):
    """`contentBlockStart`, `contentBlockDelta` and `contentBlockStop`: blocks are told apart by their index."""

    content_block_index: int = 0
    start: Block | None = None
    delta: Block | None = None


class Tier(msgspec.Struct, gc=False):
    """The service tier that was really used."""

    type: str | None = None


class Message(msgspec.Struct, gc=False):
    """The message of an answer."""

    content: list[Block] | None = None


class Output(msgspec.Struct, gc=False):
    """What an answer holds."""

    message: Message | None = None


class Ending(msgspec.Struct, rename="camel", gc=False):
    """`messageStop`, `metadata`, or an answer that is not streamed, which says what both do."""

    output: Output | None = None
    stop_reason: str | None = None
    usage: dict[str, Any] | None = None
    service_tier: Tier | None = None


class Chunk(msgspec.Struct, gc=False):
    """A message of InvokeModel's stream: one event of Claude's own API."""

    event: bytes = msgspec.field(default=b"", name="bytes")


class TextPart(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The text of an event behind a short beginning: see `frame`."""

    text: str = msgspec.field(name="~")


class TextEvent(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An event that adds a piece of text to a block, and has no room for anything else."""

    part: TextPart = msgspec.field(name="~")


class PaddedTextEvent(TextEvent, gc=False, forbid_unknown_fields=True):
    """The same with padding, which hides how long the text is."""

    p: str = ""


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises."""

T = TypeVar("T")


def _reader(kind: type[T]) -> Callable[[bytes], T | None]:
    strict = msgspec.json.Decoder(kind).decode
    loose = msgspec.json.Decoder(kind, strict=False).decode

    def read(payload: bytes) -> T | None:
        try:
            return strict(payload)
        except UNREADABLE:
            value = load(payload)
        if not isinstance(value, dict):
            return None
        try:
            return loose(msgspec.json.encode(value))
        except (*UNREADABLE, UnicodeEncodeError):
            return None

    return read


decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_text_event = msgspec.json.Decoder(TextEvent).decode
decode_padded_text_event = msgspec.json.Decoder(PaddedTextEvent).decode
decode_block_event = msgspec.json.Decoder(BlockEvent).decode
read_block_event = _reader(BlockEvent)
"""Returns the event of a payload, half surrogates and numbers for strings mended; None for what is no object."""
read_end = _reader(Ending)
"""Does the same for the events that end an answer, and for a whole one."""
